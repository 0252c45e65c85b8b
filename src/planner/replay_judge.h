#pragma once

// One strategy on one layer of a trace, over all refreshes: the unit of work of a replay.

#include <functional>
#include <vector>

#include "lplb/metrics.h"
#include "lplb/policy.h"
#include "lplb/trace.h"
#include "planner/replay_strategy.h"

namespace lplb {

/// What every unit of a replay shares. Read only.
struct ReplayContext {
  const Trace& trace;
  std::vector<int> layers;     // as numbered in the trace
  std::vector<Tokens> totals;  // [steps, layers, E] summed over sources
  PolicyArgs shape;
  int window;
  int refresh;
  bool ranks_known;   // sources can be summed into ranks, so that traffic is known
  int heatmap_layer;  // index into layers

  std::span<const Tokens> counts(int step, int layer_idx) const {
    const std::size_t num_logical = trace.num_experts;
    return std::span<const Tokens>(totals).subspan((step * layers.size() + layer_idx) * num_logical, num_logical);
  }
};

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
  Traffic traffic;
};

/// Seed of a layer's "uniform" placement: the same at every refresh, so that nothing moves for no reason.
std::uint64_t layer_seed(std::uint64_t seed, int layer);

/// `on_refresh` is called after each refresh has been judged.
LayerRecord judge_layer(const ReplayContext& context, const Strategy& strategy, int layer_idx,
                        const std::function<void()>& on_refresh);

}  // namespace lplb
