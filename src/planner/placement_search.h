#pragma once

// One search for a placement, in the parts between which the chains run, wherever they do: batches to judge on and
// starts; chains from the best of them; the best result by the exact judge.

#include <chrono>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "lplb/optimize.h"
#include "optimize/anneal.h"
#include "optimize/scenarios.h"
#include "optimize/search_rules.h"
#include "planner/placement_judge.h"

namespace lplb {

/// Throws InvalidArgument "[optimize_placement] ...".
void check_objective(const PlacementObjective& objective);

class PlacementSearch {
 public:
  /// Finds and judges the starts: EPLB, LPLB's topologies, a greedy placement, the current one, and `more_starts`,
  /// which keep the rules of `args`. Throws InvalidArgument as optimize_placement does. `window` must outlive it.
  PlacementSearch(std::span<const Tokens> window, OptimizeArgs args, std::span<const Placement> more_starts = {});
  PlacementSearch(const PlacementSearch&) = delete;
  PlacementSearch& operator=(const PlacementSearch&) = delete;

  /// The chains to run, independent of each other; they live as long as this.
  std::vector<AnnealJob> jobs();
  /// `ends` of the jobs, in their order.
  OptimizeResult finish(std::vector<AnnealResult> ends);

 private:
  struct Candidate {
    Placement placement;
    PlacementScore score;
    int num_moved = 0;
    int start = 0;  // index into starts_
    std::string name = {};
  };

  static double objective(const Candidate& candidate) { return candidate.score.objective; }
  bool grouped() const { return args_.rules.num_groups > 1 && args_.rules.num_nodes > 1; }
  void complete_rules();
  void note_current(std::vector<std::int32_t>& home);
  Candidate judged(std::vector<std::int32_t> phy2log, int start) const;
  void add_start(const std::string& name, std::vector<std::int32_t> phy2log);
  std::vector<std::int32_t> restrided(const Placement& placement) const;
  void find_starts(std::span<const Placement> more_starts);
  void add_policies();
  AnnealArgs chain_args(int chain);
  void report(int chain, std::int64_t num_moves);

  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  OptimizeArgs args_;
  SearchRules rules_;
  int num_logical_;
  std::vector<double> load_;  // [E] sums over the window
  ScenarioSampler sampler_;
  PlacementJudge judge_;
  int stride_;
  std::vector<Candidate> starts_;
  std::vector<int> start_of_chain_;  // index into starts_
  std::mutex mutex_;                 // of done_ and the callback
  std::vector<std::int64_t> done_;   // moves by chain
};

}  // namespace lplb
