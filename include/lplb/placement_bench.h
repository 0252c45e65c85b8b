#pragma once

// How good the placements of "optimize" are beside all other strategies: over traces, numbers of ranks and of copies,
// each placement computed from the past alone and judged on the steps that follow.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lplb/replay.h"
#include "lplb/trace_suite.h"

namespace lplb {

struct PlacementBenchArgs {
  std::vector<int> ranks = {8, 16, 32, 64};  // those that divide the experts of a trace
  std::vector<int> copies = {1, 2};          // redundant slots a rank
  int window = 8;
  int refresh = 8;
  double limit = 0.005;           // by which "optimize" may be above the best of the others
  double changing_limit = 0.015;  // where the trace changes to what the past has not shown
  std::string max_moved = "5%";   // a refresh of a layer, in the second table; as parse_move_limit takes it
  ReplayOptimizeArgs optimize = {};
  std::uint64_t seed = 0;
  int num_threads = 0;  // 0 = one per core; results do not depend on it
  /// Called from one thread at a time with (done, total); may be empty.
  std::function<void(std::int64_t, std::int64_t)> progress = {};
};

/// One trace on so many ranks with so many copies.
struct BenchCell {
  std::string trace = {};
  bool changes = false;
  int num_ranks = 0;
  int num_copies = 0;                  // redundant slots a rank
  std::vector<double> imbalance = {};  // [strategies] mean over judged steps and layers; 0 = does not apply
  int best_other = 0;                  // index of the best strategy but "optimize"
  double ratio = 0;                    // imbalance of "optimize" / that of best_other
  double limit = 0;                    // that the ratio should keep to
  bool holds() const { return ratio <= limit; }
};

/// A strategy over all cells that it applies to: geometric means of (imbalance - 1 + 0.002).
struct BenchMean {
  int num_cells = 0;
  double mean = 0;
  double optimize = 0;  // of "optimize" over the same cells
};

/// What a limit on moved copies costs, on a trace that drifts.
struct MoveCell {
  std::string trace = {};
  int num_ranks = 0;
  int num_copies = 0;
  double stay = 0;           // imbalance with the first placement kept
  double limited = 0;        // with the limit
  double free = 0;           // without
  double limited_moved = 0;  // copies moved a refresh and layer / slots
  double free_moved = 0;
};

/// Part of the gain of free choice that the limit keeps: (stay - limited) / (stay - free).
double gain_kept(const MoveCell& cell);

struct PlacementBench {
  std::vector<std::string> strategies = {};  // "optimize" is the last
  std::vector<BenchCell> cells = {};
  std::vector<BenchMean> means = {};  // [strategies]
  int best_single = 0;                // the other strategy with the lowest mean, of those that apply to every cell
  std::string max_moved = {};
  std::vector<MoveCell> moves = {};
  MoveCell all_moves = {};  // means over `moves`
};

/// Replays every trace that has ranks which divide its experts. Deterministic. Throws InvalidArgument, with the name of
/// the trace, as replay() does.
PlacementBench bench_placements(std::span<const SuiteTrace> traces, const PlacementBenchArgs& args);

}  // namespace lplb
