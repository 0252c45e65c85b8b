// Replay: check, sum the sources, find which strategies apply, judge every (strategy, layer) in parallel, summarize.
// Work is divided by (strategy, layer) and gathered in order, so that nothing but times depends on the threads.

#include "lplb/replay.h"

#include <algorithm>
#include <mutex>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "planner/replay_judge.h"
#include "planner/replay_placer.h"
#include "planner/replay_summary.h"

namespace lplb {
namespace {

void check_trace(const Trace& trace) {
  check(trace.num_steps >= 1 && trace.num_layers >= 1 && trace.num_sources >= 1 && trace.num_experts >= 1,
        "[replay] trace must not be empty; it has ", trace.num_steps, " steps, ", trace.num_layers, " layers, ",
        trace.num_sources, " sources, ", trace.num_experts, " experts");
  const std::size_t expected =
      static_cast<std::size_t>(trace.num_steps) * trace.num_layers * trace.num_sources * trace.num_experts;
  check(trace.counts.size() == expected, "[replay] trace.counts has ", trace.counts.size(), " entries; it must have ",
        expected);
}

void check_args(const Trace& trace, const ReplayArgs& args) {
  check(args.num_ranks >= 1 && args.num_ranks <= kMaxRanks, "[replay] num_ranks (", args.num_ranks, ") must be in 1..",
        kMaxRanks);
  check(args.num_nodes >= 1 && args.num_ranks % args.num_nodes == 0, "[replay] num_nodes (", args.num_nodes,
        ") must divide num_ranks (", args.num_ranks, ")");
  check(trace.num_experts <= kMaxLogical, "[replay] trace has ", trace.num_experts, " experts; that must be at most ",
        kMaxLogical);
  const int most_redundant = (kMaxPhysical - trace.num_experts) / args.num_ranks;
  check(args.num_redundant >= 0 && args.num_redundant <= most_redundant, "[replay] num_redundant (", args.num_redundant,
        ") must be in 0..", most_redundant);
  check(args.window >= 1 && args.window < trace.num_steps, "[replay] window (", args.window,
        ") must be at least 1 and less than the steps of the trace (", trace.num_steps,
        "), so that there is a step to judge");
  check(args.refresh >= 1, "[replay] refresh (", args.refresh, ") must be at least 1");
  check(args.num_groups >= 1, "[replay] num_groups (", args.num_groups, ") must be at least 1");
  for (const int layer : args.layers) {
    check(layer >= 0 && layer < trace.num_layers, "[replay] layer ", layer, " is not in the trace; it must be in 0..",
          trace.num_layers - 1);
  }
}

/// Tokens per expert of every step and layer, over all sources.
std::vector<Tokens> sum_sources(const Trace& trace, const std::vector<int>& layers) {
  std::vector<Tokens> totals;
  totals.reserve(static_cast<std::size_t>(trace.num_steps) * layers.size() * trace.num_experts);
  std::vector<std::int64_t> row(trace.num_experts);
  for (int step = 0; step < trace.num_steps; ++step) {
    for (const int layer : layers) {
      std::ranges::fill(row, 0);
      const auto counts = trace.at(step, layer);
      for (std::size_t i = 0; i < counts.size(); ++i) {
        check(counts[i] >= 0, "[replay] trace step ", step, " layer ", layer, " has the negative count ", counts[i]);
        row[i % row.size()] += counts[i];
      }
      const std::int64_t total = std::accumulate(row.begin(), row.end(), std::int64_t{0});
      check(std::in_range<Tokens>(total), "[replay] trace step ", step, " layer ", layer, " has ", total,
            " tokens; that must be below 2^31");
      std::ranges::transform(row, std::back_inserter(totals), [](std::int64_t x) { return static_cast<Tokens>(x); });
    }
  }
  return totals;
}

/// The layer that is worst without any balancing, on average over steps: the one worth looking at.
int find_heatmap_layer(const ReplayContext& context) {
  const Strategy none = find_strategy("none");
  double worst = 0;
  int worst_layer = 0;
  for (int layer_idx = 0; layer_idx < static_cast<int>(context.layers.size()); ++layer_idx) {
    const LayerRecord record = judge_layer(context, none, layer_idx, [] {});
    const double sum = std::accumulate(record.imbalance.begin(), record.imbalance.end(), 0.0);
    if (sum > worst) {
      worst = sum;
      worst_layer = layer_idx;
    }
  }
  return worst_layer;
}

/// Judges every layer of every strategy that applies. [strategies][layers]
std::vector<std::vector<LayerRecord>> judge_all(const ReplayContext& context, const std::vector<Strategy>& strategies,
                                                const std::vector<std::string>& obstacles, const ReplayArgs& args) {
  const int num_layers = static_cast<int>(context.layers.size());
  std::vector<std::vector<LayerRecord>> records(strategies.size());
  std::vector<std::pair<int, int>> units;
  for (int s = 0; s < static_cast<int>(strategies.size()); ++s) {
    if (obstacles[s].empty()) {
      records[s].resize(num_layers);
      for (int layer_idx = 0; layer_idx < num_layers; ++layer_idx) {
        units.emplace_back(s, layer_idx);
      }
    }
  }
  const std::int64_t total = num_refreshes(context) * static_cast<std::int64_t>(units.size());
  std::int64_t done = 0;
  std::mutex progress_mutex;
  const auto on_refresh = [&] {
    if (args.progress) {
      const std::lock_guard lock(progress_mutex);
      args.progress(++done, total);
    }
  };
  parallel_for(static_cast<int>(units.size()), args.num_threads, [&](int unit, int) {
    const auto [s, layer_idx] = units[unit];
    records[s][layer_idx] = judge_layer(context, strategies[s], layer_idx, on_refresh);
  });
  return records;
}

}  // namespace

ReplayResult replay(const Trace& trace, const ReplayArgs& args) {
  check_trace(trace);
  check_args(trace, args);
  std::vector<Strategy> strategies;
  for (const std::string& name : args.strategies.empty() ? replay_strategies() : args.strategies) {
    strategies.push_back(find_strategy(name));
  }
  std::vector<int> layers = args.layers;
  if (layers.empty()) {
    layers.resize(trace.num_layers);
    std::iota(layers.begin(), layers.end(), 0);
  }
  ReplayContext context{.trace = trace,
                        .layers = layers,
                        .totals = sum_sources(trace, layers),
                        .shape = {.num_logical = trace.num_experts,
                                  .num_physical = trace.num_experts + args.num_redundant * args.num_ranks,
                                  .num_ranks = args.num_ranks,
                                  .num_nodes = args.num_nodes,
                                  .num_groups = args.num_groups,
                                  .seed = args.seed},
                        .optimize = args.optimize,
                        .window = args.window,
                        .refresh = args.refresh,
                        .ranks_known = false,
                        .heatmap_layer = -1};
  context.heatmap_layer = find_heatmap_layer(context);  // needs no traffic
  context.ranks_known = trace.has_sources() && trace.num_sources % args.num_ranks == 0;
  std::vector<std::string> obstacles;
  for (const Strategy& strategy : strategies) {
    obstacles.push_back(find_obstacle(context, strategy));
  }
  const auto records = judge_all(context, strategies, obstacles, args);

  ReplayResult result = describe_replay(context);
  result.num_redundant = args.num_redundant;
  for (std::size_t s = 0; s < strategies.size(); ++s) {
    result.strategies.push_back(summarize(context, strategies[s], obstacles[s], records[s]));
  }
  return result;
}

}  // namespace lplb
