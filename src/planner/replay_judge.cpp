// Judging a strategy on one layer: at every refresh the placement is computed from the window before it, then each step
// until the next refresh is divided over the copies and measured. Times are taken around the placement and the solver
// alone.

#include "planner/replay_judge.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "lplb/apportion.h"
#include "lplb/plan.h"
#include "lplb/solve.h"
#include "planner/replay_placer.h"

namespace lplb {
namespace {

using Clock = std::chrono::steady_clock;

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

/// Every expert evenly over its copies, the remainder to the lowest slots.
void divide_evenly(const Placement& placement, std::span<const Tokens> counts, Plan& plan) {
  plan.quota.assign(placement.num_physical(), 0);
  plan.rank_load.assign(placement.num_ranks(), 0);
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    const auto slots = placement.replicas(expert);
    const auto num_copies = static_cast<Tokens>(slots.size());
    for (Tokens copy = 0; copy < num_copies; ++copy) {
      const Tokens tokens = counts[expert] / num_copies + (copy < counts[expert] % num_copies ? 1 : 0);
      plan.quota[slots[copy]] = tokens;
      plan.rank_load[placement.rank_of(slots[copy])] += tokens;
    }
  }
}

class LayerJudge {
 public:
  LayerJudge(const ReplayContext& context, const Strategy& strategy, int layer_idx)
      : context_(context), strategy_(strategy), layer_idx_(layer_idx), placer_(context, strategy, layer_idx) {}

  void judge_refresh(int first_step) {
    const int num_moved = placer_.refresh(first_step);
    record_.place_us.push_back(placer_.place_us());
    record_.copies_moved += num_moved;
    record_.refreshes_made += num_moved > 0 ? 1 : 0;
    const Placement& placement = placer_.placement();
    std::optional<SplitGraph> graph;
    if (strategy_.splits) {
      graph.emplace(placement);
    }
    const int end_step = std::min(context_.trace.num_steps - first_step, context_.refresh) + first_step;
    for (int step = first_step; step < end_step; ++step) {
      divide(placement, graph, step);
      record_balance();
      if (context_.ranks_known) {
        record_traffic(placement, step);
      }
    }
  }

  LayerRecord take() {
    if (strategy_.optimizes() && layer_idx_ == context_.heatmap_layer) {
      record_.limits = placer_.limits();
    }
    return std::move(record_);
  }

 private:
  void divide(const Placement& placement, const std::optional<SplitGraph>& graph, int step) {
    const auto counts = context_.counts(step, layer_idx_);
    if (!graph) {
      divide_evenly(placement, counts, plan_);
      return;
    }
    const auto start = Clock::now();
    solve(*graph, counts, {}, workspace_, plan_);
    record_.plan_us.push_back(us_since(start));
    record_.certificate_ranks += static_cast<double>(bottleneck_ranks(plan_).size());
  }

  void record_balance() {
    const Balance balance = measure_balance(plan_.rank_load);
    record_.imbalance.push_back(balance.imbalance);
    record_.balancedness.push_back(balance.balancedness);
    record_.top_rank.push_back(
        static_cast<std::int32_t>(std::ranges::max_element(plan_.rank_load) - plan_.rank_load.begin()));
    if (layer_idx_ == context_.heatmap_layer) {
      for (const Tokens load : plan_.rank_load) {
        record_.rank_load.push_back(balance.mean > 0 ? static_cast<float>(load / balance.mean) : 1.0F);
      }
    }
  }

  /// Consecutive sources belong to one rank.
  void record_traffic(const Placement& placement, int step) {
    const Trace& trace = context_.trace;
    const auto sources = trace.at(step, context_.layers[layer_idx_]);
    const std::size_t num_logical = trace.num_experts;
    const std::size_t sources_per_rank = trace.num_sources / placement.num_ranks();
    source_counts_.assign(num_logical * placement.num_ranks(), 0);
    for (std::size_t source = 0; source < static_cast<std::size_t>(trace.num_sources); ++source) {
      const auto row = std::span<Tokens>(source_counts_).subspan(source / sources_per_rank * num_logical, num_logical);
      std::ranges::transform(row, sources.subspan(source * num_logical, num_logical), row.begin(), std::plus<>());
    }
    table_.resize(static_cast<std::size_t>(placement.num_physical()) * placement.num_ranks());
    apportion(placement, source_counts_, plan_.quota, table_);
    const Traffic traffic = measure_traffic(placement, table_);
    record_.traffic.total += traffic.total;
    record_.traffic.cross_rank += traffic.cross_rank;
    record_.traffic.cross_node += traffic.cross_node;
  }

  const ReplayContext& context_;
  const Strategy& strategy_;
  int layer_idx_;
  LayerPlacer placer_;
  SolveWorkspace workspace_;
  Plan plan_;
  std::vector<Tokens> source_counts_;  // [G, E]
  std::vector<Tokens> table_;          // [G, P]
  LayerRecord record_;
};

}  // namespace

LayerRecord judge_layer(const ReplayContext& context, const Strategy& strategy, int layer_idx,
                        const std::function<void()>& on_refresh) {
  LayerJudge judge(context, strategy, layer_idx);
  for (std::int64_t step = context.window; step < context.trace.num_steps; step += context.refresh) {
    judge.judge_refresh(static_cast<int>(step));
    on_refresh();
  }
  return judge.take();
}

}  // namespace lplb
