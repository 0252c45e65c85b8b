// The split of one layer and batch: loads that cannot move, an even start, the two phases on each component, and the
// way back from classes to experts and slots. docs/solver.md specifies every order and rounding.

#include "lplb/solve.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"
#include "solve/state.h"
#include "solve/sweeps.h"

namespace lplb {
namespace {

constexpr std::int64_t kMaxTotal = std::numeric_limits<Tokens>::max();

void check_input(const SplitGraph::Impl& graph, std::span<const Tokens> counts, std::span<const Tokens> base_load) {
  check(static_cast<int>(counts.size()) == graph.num_logical, "[solve] counts has ", counts.size(),
        " entries; it must have one for each of the ", graph.num_logical, " experts");
  check(base_load.empty() || static_cast<int>(base_load.size()) == graph.num_ranks, "[solve] base_load has ",
        base_load.size(), " entries; it must have none, or one for each of the ", graph.num_ranks, " ranks");
  Tokens lowest = 0;
  std::int64_t total = 0;
  for (const std::span<const Tokens> values : {counts, base_load}) {
    for (const Tokens value : values) {
      lowest = std::min(lowest, value);
      total += value;
    }
  }
  if (lowest < 0) [[unlikely]] {
    for (const std::span<const Tokens> values : {counts, base_load}) {
      const auto negative = std::ranges::find_if(values, [](Tokens value) { return value < 0; });
      check(negative == values.end(), "[solve] ", values.data() == counts.data() ? "counts[" : "base_load[",
            negative - values.begin(), "] is ", negative == values.end() ? 0 : *negative, "; it must not be negative");
    }
  }
  check(total <= kMaxTotal, "[solve] counts and base_load add up to ", total, " tokens; that must be below 2^31");
}

void resize(const SplitGraph::Impl& graph, SolveState& state, Plan& plan) {
  state.fixed_load.resize(graph.num_ranks);
  state.load.resize(graph.num_ranks);
  state.amount.resize(graph.arc_rank.size());
  state.distance.resize(graph.num_ranks);
  state.queue.resize(graph.num_ranks);
  state.room.resize(graph.num_ranks);
  state.in_bottleneck.resize(graph.num_ranks);
  if (state.class_stamp.size() != graph.classes.size() || state.stamp > std::numeric_limits<std::uint32_t>::max() / 2) {
    state.class_stamp.assign(graph.classes.size(), 0);
    state.stamp = 0;
  }
  plan.quota.assign(graph.num_physical, 0);
  plan.rank_load.resize(graph.num_ranks);
  plan.component_bound.resize(graph.components.size());
  plan.in_bottleneck.resize(graph.num_ranks);
}

/// `tokens` over the slots of a cell, evenly, the remainder to the lowest.
void fill_cell(const SplitGraph::Impl& graph, Cell cell, Tokens tokens, std::span<Tokens> quota) {
  if (cell.count == 1) {
    quota[cell.slot] = tokens;
    return;
  }
  for (int i = 0; i < cell.count; ++i) {
    quota[graph.cell_slots[cell.begin + i]] = tokens / cell.count + (i < tokens % cell.count ? 1 : 0);
  }
}

void place_fixed_load(const SplitGraph::Impl& graph, std::span<const Tokens> counts, std::span<const Tokens> base_load,
                      SolveState& state, Plan& plan) {
  for (int rank = 0; rank < graph.num_ranks; ++rank) {
    Tokens load = base_load.empty() || graph.live[rank] == 0 ? 0 : base_load[rank];
    for (std::int32_t i = graph.solo_begin[rank]; i < graph.solo_begin[rank + 1]; ++i) {
      const Tokens tokens = counts[graph.solo[i].expert];
      load += tokens;
      plan.quota[graph.solo[i].slot] = tokens;
    }
    state.fixed_load[rank] = load;
  }
  for (const StackedExpert& stacked : graph.stacked) {
    state.fixed_load[stacked.rank] += counts[stacked.expert];
    fill_cell(graph, stacked.cell, counts[stacked.expert], plan.quota);
  }
  std::ranges::copy(state.fixed_load, state.load.begin());
}

/// Each class evenly over its ranks, the remainder to the lowest.
void start_evenly(const SplitGraph::Impl& graph, std::span<const Tokens> counts, SolveState& state) {
  for (const ExpertClass& c : graph.classes) {
    Tokens total = 0;
    for (int j = 0; j < c.num_experts; ++j) {
      total += counts[graph.class_experts[c.first_expert + j]];
    }
    const Tokens share = c.num_members == 2 ? total / 2 : total / c.num_members;
    const Tokens remainder = total - share * c.num_members;
    for (int j = 0; j < c.num_members; ++j) {
      const Tokens amount = share + (j < remainder ? 1 : 0);
      state.amount[c.first_arc + j] = amount;
      state.load[graph.arc_rank[c.first_arc + j]] += amount;
    }
  }
}

/// The first bound of a component: ceil(mean), which all its ranks prove together, or the largest load that cannot
/// move, which its rank proves alone.
void start_bound(const SplitGraph::Impl& graph, const Component& component, SolveState& state) {
  const auto ranks = std::span(graph.component_ranks).subspan(component.first_rank, component.num_ranks);
  Tokens total = 0;
  std::int32_t fullest = ranks[0];
  for (const std::int32_t rank : ranks) {
    state.in_bottleneck[rank] = 1;
    total += state.load[rank];
    fullest = state.fixed_load[rank] > state.fixed_load[fullest] ? rank : fullest;
  }
  state.target = total / component.num_ranks + (total % component.num_ranks != 0 ? 1 : 0);
  if (state.fixed_load[fullest] > state.target) {
    state.target = state.fixed_load[fullest];
    for (const std::int32_t rank : ranks) {
      state.in_bottleneck[rank] = rank == fullest ? 1 : 0;
    }
  }
}

/// From classes to experts: experts in order fill the ranks in order, so that few experts are divided.
void hand_down(const SplitGraph::Impl& graph, const ExpertClass& c, std::span<const Tokens> counts,
               const SolveState& state, Plan& plan) {
  if (c.num_experts == 1) {
    for (int i = 0; i < c.num_members; ++i) {
      fill_cell(graph, graph.cells[c.first_cell + i], state.amount[c.first_arc + i], plan.quota);
    }
    return;
  }
  int member = 0;
  Tokens room = state.amount[c.first_arc];
  for (int j = 0; j < c.num_experts; ++j) {
    Tokens left = counts[graph.class_experts[c.first_expert + j]];
    while (left > 0) {
      while (room == 0) {
        room = state.amount[c.first_arc + ++member];
      }
      const Tokens tokens = std::min(left, room);
      fill_cell(graph, graph.cells[c.first_cell + j * c.num_members + member], tokens, plan.quota);
      left -= tokens;
      room -= tokens;
    }
  }
}

/// A sum of products with fixed random factors, so that the order of summation does not matter.
std::uint64_t digest_of(const SplitGraph::Impl& graph, const Plan& plan) {
  std::uint64_t digest = 0;
  for (int p = 0; p < graph.num_physical; ++p) {
    digest += graph.digest_keys[p] * static_cast<std::uint32_t>(plan.quota[p]);
  }
  for (int rank = 0; rank < graph.num_ranks; ++rank) {
    digest += graph.digest_keys[graph.num_physical + rank] * static_cast<std::uint32_t>(plan.rank_load[rank]);
  }
  return mix64(digest);
}

void fill_plan(const SplitGraph::Impl& graph, const SolveState& state, Plan& plan) {
  plan.rank_load.assign(state.load.begin(), state.load.end());
  plan.in_bottleneck.assign(state.in_bottleneck.begin(), state.in_bottleneck.end());
  plan.component.assign(graph.component_of.begin(), graph.component_of.end());
  plan.max_load = *std::ranges::max_element(plan.rank_load);
  plan.lower_bound = *std::ranges::max_element(plan.component_bound);
  plan.status = Status::kOptimal;
  plan.num_sweeps = state.num_sweeps;
  plan.num_waves = state.num_waves;
  plan.num_raises = state.num_raises;
  plan.digest = digest_of(graph, plan);
}

}  // namespace

SolveWorkspace::SolveWorkspace() : impl_(std::make_unique<Impl>()) {}
SolveWorkspace::~SolveWorkspace() = default;
SolveWorkspace::SolveWorkspace(SolveWorkspace&&) noexcept = default;
SolveWorkspace& SolveWorkspace::operator=(SolveWorkspace&&) noexcept = default;

void solve(const SplitGraph& graph, std::span<const Tokens> counts, std::span<const Tokens> base_load,
           SolveWorkspace& workspace, Plan& plan) {
  const SplitGraph::Impl& g = graph.impl();
  SolveState& state = workspace.impl();
  check_input(g, counts, base_load);
  resize(g, state, plan);
  state.num_sweeps = state.num_waves = state.num_raises = 0;
  place_fixed_load(g, counts, base_load, state, plan);
  start_evenly(g, counts, state);
  for (std::size_t i = 0; i < g.components.size(); ++i) {
    start_bound(g, g.components[i], state);
    if (g.components[i].num_classes > 0) {
      equalize(g, g.components[i], sweep_rule(g.components[i].is_wide, g.components[i].num_ranks).max_sweeps, state);
      finish(g, g.components[i], state);
    }
    plan.component_bound[i] = state.target;
  }
  for (const ExpertClass& c : g.classes) {
    hand_down(g, c, counts, state, plan);
  }
  fill_plan(g, state, plan);
}

Plan split(const Placement& placement, std::span<const Tokens> counts, std::span<const Tokens> base_load,
           std::span<const std::uint8_t> live) {
  const SplitGraph graph(placement, live);
  SolveWorkspace workspace;
  Plan plan;
  solve(graph, counts, base_load, workspace, plan);
  return plan;
}

}  // namespace lplb
