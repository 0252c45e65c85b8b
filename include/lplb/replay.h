#pragma once

// Replay: what a strategy would have done on a recorded trace. At every refresh the placement is computed from the last
// `window` steps alone, then judged on the steps that follow.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lplb/move_limit.h"
#include "lplb/optimize.h"
#include "lplb/replay_result.h"
#include "lplb/trace.h"

namespace lplb {

/// How the strategy "optimize" chooses its placements. Each starts from the one before, whose copies stay in their
/// slots.
struct ReplayOptimizeArgs {
  std::int64_t num_moves = OptimizeArgs{}.num_moves;  // tried by a chain: the effort
  int num_chains = OptimizeArgs{}.num_chains;
  PlacementObjective objective = {};
  MoveLimit max_moved = {};                          // by a refresh of a layer
  std::optional<RefreshPolicy> refresh_policy = {};  // asked at every refresh but the first; none = always refresh
};

struct ReplayArgs {
  int num_ranks = 8;
  int num_nodes = 1;
  int num_redundant = 2;                     // redundant slots a rank
  int window = 8;                            // steps that a placement is computed from
  int refresh = 8;                           // steps that it is used for
  int num_groups = 1;                        // expert groups, for EPLB
  std::vector<std::string> strategies = {};  // empty = all of replay_strategies()
  std::vector<int> layers = {};              // empty = all
  std::uint64_t seed = 0;                    // of "uniform" and "optimize"
  ReplayOptimizeArgs optimize = {};
  int num_threads = 0;  // 0 = one per core; results but times do not depend on it
  /// Called from one thread at a time with (done, total) units of work; may be empty.
  std::function<void(std::int64_t, std::int64_t)> progress = {};
};

/// "none", "eplb", "eplb+split", "cube", "hypercube", "torus", "ring", "uniform": those that take no time worth
/// mention.
std::vector<std::string> replay_strategies();

/// Judges each strategy on the steps window..num_steps-1. Besides replay_strategies(), "optimize" (the placement of
/// lplb/optimize.h, from the window's single batches), "optimize:12" and "optimize:5%" (the same with a limit on the
/// copies that a refresh of a layer moves), "eplb-distinct", "eplb-distinct+split" and topologies like "torus:8x4" are
/// strategies. A strategy that cannot apply to this shape is marked as skipped with the reason. Deterministic but for
/// times. Throws InvalidArgument on an unknown strategy, a layer outside the trace, a window that leaves no step to
/// judge.
ReplayResult replay(const Trace& trace, const ReplayArgs& args);

}  // namespace lplb
