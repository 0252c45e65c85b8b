#pragma once

// The whole per-batch path on one rank: set a placement, give counts or topk_idx, get the plan and physical ids.

#include <cstdint>
#include <span>
#include <vector>

#include "lplb/apportion.h"
#include "lplb/placement.h"
#include "lplb/plan.h"
#include "lplb/solve.h"

namespace lplb {

/// Plans so far, by status.
struct PlannerStats {
  std::int64_t num_optimal = 0;
  std::int64_t num_within_tolerance = 0;
  std::int64_t num_fallback = 0;
};

/// Not thread-safe; one per layer and thread. Reuses its memory.
class Planner {
 public:
  explicit Planner(Placement placement);

  /// Replaces the placement and forgets the last plan. Live mask and base loads are kept when the number of ranks is
  /// the same, else cleared. Throws InvalidArgument that names an expert without a live copy (nothing changes then).
  void set_placement(Placement placement);
  /// `live` [G]; empty = all live. Throws InvalidArgument that names an expert without a live copy (nothing changes
  /// then).
  void set_live_ranks(std::span<const std::uint8_t> live);
  /// `base_load` [G]; empty = none.
  void set_base_load(std::span<const Tokens> base_load);

  const Placement& placement() const { return placement_; }
  const Plan& plan() const { return plan_; }
  const PlannerStats& stats() const { return stats_; }

  /// Solves for counts per expert [E], or per source rank and expert [S, E] with S = num_ranks.
  const Plan& plan_counts(std::span<const Tokens> counts);
  /// The table of one source under the last plan. Exact when the last counts were [S, E], else proportional from
  /// `own_counts` [E].
  SourceTable source_table(int source_rank, std::span<const Tokens> own_counts = {}) const;
  /// Counts, solves and remaps the tokens of a single source that holds the whole batch. Physical ids, same length.
  std::vector<std::int64_t> run(std::span<const std::int64_t> topk_idx);
  std::vector<std::int32_t> run(std::span<const std::int32_t> topk_idx);

 private:
  template <class Id>
  std::vector<Id> run_ids(std::span<const Id> topk_idx);
  void forget_plan();
  void count_status();

  Placement placement_;
  std::vector<std::uint8_t> live_;
  std::vector<Tokens> base_load_;
  SplitGraph graph_;
  SolveWorkspace workspace_;
  std::vector<Tokens> counts_;         // [E] of the last plan
  std::vector<Tokens> source_counts_;  // [S, E] of the last plan; empty when it had none
  Plan plan_;
  PlannerStats stats_;
};

}  // namespace lplb
