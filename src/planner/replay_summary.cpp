// Summaries of a replay: distributions over judged (step, layer) pairs, means by step and by layer, the worst pair.

#include "planner/replay_summary.h"

#include <algorithm>
#include <numeric>

#include "planner/replay_placer.h"

namespace lplb {
namespace {

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// All zero for no values.
Distribution distribution_of(std::span<const double> values) {
  if (values.empty()) {
    return {};
  }
  return {.mean = mean_of(values),
          .p50 = quantile(values, 0.5),
          .p99 = quantile(values, 0.99),
          .max = std::ranges::max(values)};
}

/// One vector of every layer, layer by layer.
std::vector<double> gather(const std::vector<LayerRecord>& records, std::vector<double> LayerRecord::*field) {
  std::vector<double> result;
  for (const LayerRecord& record : records) {
    result.insert(result.end(), (record.*field).begin(), (record.*field).end());
  }
  return result;
}

void summarize_series(const std::vector<LayerRecord>& records, StrategyResult& result) {
  const std::size_t num_judged = records.front().imbalance.size();
  result.step_imbalance.assign(num_judged, 0);
  for (const LayerRecord& record : records) {
    result.layer_imbalance.push_back(mean_of(record.imbalance));
    for (std::size_t step = 0; step < num_judged; ++step) {
      result.step_imbalance[step] += record.imbalance[step] / static_cast<double>(records.size());
    }
  }
}

void find_worst(const ReplayContext& context, const std::vector<LayerRecord>& records, StrategyResult& result) {
  for (std::size_t layer_idx = 0; layer_idx < records.size(); ++layer_idx) {
    const auto& imbalance = records[layer_idx].imbalance;
    const auto worst = std::ranges::max_element(imbalance);
    if (*worst > result.worst_imbalance) {
      const auto step = worst - imbalance.begin();
      result.worst_imbalance = *worst;
      result.worst_step = context.window + static_cast<int>(step);
      result.worst_layer = context.layers[layer_idx];
      result.worst_rank = records[layer_idx].top_rank[step];
    }
  }
}

void summarize_traffic(const ReplayContext& context, const std::vector<LayerRecord>& records, StrategyResult& result) {
  if (!context.ranks_known) {
    return;
  }
  Traffic sum;
  for (const LayerRecord& record : records) {
    sum.total += record.traffic.total;
    sum.cross_rank += record.traffic.cross_rank;
    sum.cross_node += record.traffic.cross_node;
  }
  const auto total = static_cast<double>(std::max<std::int64_t>(sum.total, 1));
  result.cross_rank_fraction = static_cast<double>(sum.cross_rank) / total;
  result.cross_node_fraction = static_cast<double>(sum.cross_node) / total;
}

}  // namespace

std::int64_t num_refreshes(const ReplayContext& context) {
  const std::int64_t num_judged = context.trace.num_steps - context.window;
  return (num_judged + context.refresh - 1) / context.refresh;
}

ReplayResult describe_replay(const ReplayContext& context) {
  const Trace& trace = context.trace;
  ReplayResult result;
  result.trace_name = trace.name;
  result.num_steps = trace.num_steps;
  result.num_layers = trace.num_layers;
  result.num_experts = trace.num_experts;
  result.num_sources = trace.num_sources;
  const auto total = std::accumulate(context.totals.begin(), context.totals.end(), std::int64_t{0});
  result.tokens_per_step =
      static_cast<double>(total) / (static_cast<double>(trace.num_steps) * static_cast<double>(context.layers.size()));
  result.num_ranks = context.shape.num_ranks;
  result.num_nodes = context.shape.num_nodes;
  result.window = context.window;
  result.refresh = context.refresh;
  result.seed = context.shape.seed;
  result.layers = context.layers;
  result.judged_steps.resize(trace.num_steps - context.window);
  std::iota(result.judged_steps.begin(), result.judged_steps.end(), context.window);
  result.heatmap_layer = context.layers[context.heatmap_layer];
  return result;
}

StrategyResult summarize(const ReplayContext& context, const Strategy& strategy, const std::string& obstacle,
                         const std::vector<LayerRecord>& records) {
  StrategyResult result;
  result.name = strategy.name;
  result.skipped = obstacle;
  if (!obstacle.empty()) {
    return result;
  }
  const std::vector<double> imbalance = gather(records, &LayerRecord::imbalance);
  result.description = describe_strategy(context, strategy);
  result.imbalance = distribution_of(imbalance);
  result.balancedness = distribution_of(gather(records, &LayerRecord::balancedness));
  result.plan_us = distribution_of(gather(records, &LayerRecord::plan_us));
  result.place_us = distribution_of(gather(records, &LayerRecord::place_us));
  for (const LayerRecord& record : records) {
    result.certificate_ranks += record.certificate_ranks / static_cast<double>(imbalance.size());
    result.copies_moved += record.copies_moved;
    result.refreshes_made += record.refreshes_made;
  }
  result.num_refreshes = static_cast<int>(num_refreshes(context));
  result.rank_load = records[context.heatmap_layer].rank_load;
  result.limits = records[context.heatmap_layer].limits;
  summarize_traffic(context, records, result);
  summarize_series(records, result);
  find_worst(context, records, result);
  return result;
}

}  // namespace lplb
