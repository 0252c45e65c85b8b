#pragma once

// One strategy on one layer of a trace, over all refreshes: the unit of work of a replay.

#include <functional>
#include <vector>

#include "lplb/metrics.h"
#include "lplb/placement_limits.h"
#include "planner/replay_context.h"
#include "planner/replay_strategy.h"

namespace lplb {

/// One entry a judged step in each vector, unless said otherwise.
struct LayerRecord {
  std::vector<double> imbalance;
  std::vector<double> balancedness;
  std::vector<double> plan_us;         // empty without a split
  std::vector<double> place_us;        // one entry a refresh
  std::vector<float> rank_load;        // [judged steps, ranks] relative to the mean; the heat map's layer alone
  std::vector<std::int32_t> top_rank;  // the rank with the largest load, lowest on a tie
  double certificate_ranks = 0;        // summed over steps
  std::int64_t copies_moved = 0;
  int refreshes_made = 0;
  PlacementLimits limits;  // the heat map's layer alone, where the strategy optimizes
  Traffic traffic;
};

/// `on_refresh` is called after each refresh has been judged.
LayerRecord judge_layer(const ReplayContext& context, const Strategy& strategy, int layer_idx,
                        const std::function<void()>& on_refresh);

}  // namespace lplb
