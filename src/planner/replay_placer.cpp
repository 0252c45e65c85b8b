// Placing at every refresh of a replay. Policies get the sum of the window; "optimize" gets its single batches and the
// placement before, so that copies which stay keep their slots, moves can be limited, and a refresh that is not worth
// its moves is left out.

#include "planner/replay_placer.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include "base/check.h"
#include "base/rng.h"

namespace lplb {
namespace {

using Clock = std::chrono::steady_clock;

/// The rules of a replay's shape. Slots that do not divide leave the last ranks with one less; expert groups stay on a
/// node where EPLB would keep them there.
PlacementRules make_rules(const PolicyArgs& shape) {
  PlacementRules rules{.num_logical = shape.num_logical, .num_ranks = shape.num_ranks, .num_nodes = shape.num_nodes};
  rules.num_groups = shape.num_nodes > 1 && shape.num_groups % shape.num_nodes == 0 ? shape.num_groups : 1;
  rules.slots = deal_slots(shape.num_physical, shape.num_ranks);
  return rules;
}

OptimizeArgs make_optimize_args(const ReplayContext& context, const Strategy& strategy) {
  const MoveLimit& limit = strategy.max_moved.given() ? strategy.max_moved : context.optimize.max_moved;
  return {.rules = make_rules(context.shape),
          .objective = context.optimize.objective,
          .max_moved = limit.of(context.shape.num_physical),
          .num_moves = context.optimize.num_moves,
          .num_chains = context.optimize.num_chains,
          .num_threads = 1};  // the replay has its units on all threads
}

}  // namespace

LayerPlacer::LayerPlacer(const ReplayContext& context, const Strategy& strategy, int layer_idx)
    : context_(context), strategy_(strategy), layer_idx_(layer_idx), shape_(context.shape) {
  shape_.seed = layer_seed(context.shape.seed, context.layers[layer_idx]);
}

int LayerPlacer::refresh(int first_step) {
  load_window(first_step);
  const auto start = Clock::now();
  Placement placement = strategy_.optimizes() ? optimize() : place();
  place_us_ = std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  const int num_moved = current_ ? count_moved_copies(*current_, placement) : 0;
  current_ = std::move(placement);
  return num_moved;
}

void LayerPlacer::load_window(int first_step) {
  window_.clear();
  for (int step = first_step - context_.window; step < first_step; ++step) {
    const auto counts = context_.counts(step, layer_idx_);
    if (std::ranges::any_of(counts, [](Tokens tokens) { return tokens > 0; })) {
      window_.insert(window_.end(), counts.begin(), counts.end());
    }
  }
  if (window_.empty()) {
    window_.assign(shape_.num_logical, 1);
  }
}

Placement LayerPlacer::place() const {
  std::vector<double> history(shape_.num_logical, 0);
  for (std::size_t i = 0; i < window_.size(); ++i) {
    history[i % history.size()] += window_[i];
  }
  return place_layer(strategy_.policy, shape_, history);
}

Placement LayerPlacer::optimize() const {
  OptimizeArgs args = make_optimize_args(context_, strategy_);
  args.seed = shape_.seed;
  args.current = current_ ? &*current_ : nullptr;
  args.max_moved = current_ ? args.max_moved : -1;
  OptimizeResult result = optimize_placement(window_, args);
  if (current_ && context_.optimize.refresh_policy) {
    const PlacementScore now = score_placement(window_, *current_, args.objective, args.rules, args.seed);
    if (!decide_refresh(*context_.optimize.refresh_policy, now, result.score, result.num_moved, context_.refresh)
             .refresh) {
      return *current_;
    }
  }
  return std::move(result.placement);
}

std::string find_obstacle(const ReplayContext& context, const Strategy& strategy) {
  // Policies refuse by shape alone, so one trial with a flat load tells.
  try {
    if (strategy.optimizes()) {
      OptimizeArgs args = make_optimize_args(context, strategy);
      args.max_moved = -1;
      args.num_moves = 0;
      optimize_placement(std::vector<Tokens>(context.trace.num_experts, 1), args);
    } else {
      place_layer(strategy.policy, context.shape, std::vector<double>(context.trace.num_experts, 1.0));
    }
  } catch (const InvalidArgument& e) {
    const std::string message = e.what();
    const auto prefix_end = message.find("] ");
    return prefix_end == message.npos ? message : message.substr(prefix_end + 2);
  }
  return "";
}

std::string describe_strategy(const ReplayContext& context, const Strategy& strategy) {
  if (!strategy.optimizes()) {
    return concat(describe_policy(strategy.policy, context.shape),
                  strategy.splits             ? ", exact split"
                  : strategy.policy == "none" ? ""
                                              : ", every expert divided evenly over its copies");
  }
  const MoveLimit& limit = strategy.max_moved.given() ? strategy.max_moved : context.optimize.max_moved;
  return concat("chosen for the split over the window's batches",
                limit.given() ? concat(", at most ", describe_move_limit(limit), " moved at a refresh") : "",
                context.optimize.refresh_policy ? ", refreshed only where that is worth its moves" : "",
                ", exact split");
}

std::uint64_t layer_seed(std::uint64_t seed, int layer) { return mix64(seed) + static_cast<std::uint64_t>(layer); }

}  // namespace lplb
