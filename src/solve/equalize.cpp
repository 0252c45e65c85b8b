// Phase 1: water-filling, one class at a time, in the order of the colors (Gauss-Seidel on the loads). Classes of a
// color touch different ranks, so that a color is one parallel step. Pairs are over-relaxed by 3/2, which helps long
// cycles.

#include <algorithm>
#include <limits>

#include "solve/state.h"
#include "solve/sweeps.h"

namespace lplb {
namespace {

/// Moves half of the difference, or three quarters of it (in whole tokens, each quotient towards zero), from the fuller
/// to the emptier of two ranks, as far as the class has tokens there.
template <bool kOverRelax>
inline void level_pair(Tokens& load_u, Tokens& load_v, Tokens& amount_u, Tokens& amount_v) {
  const Tokens difference = load_u - load_v;
  const Tokens wish = difference / 2 + (kOverRelax ? difference / 4 : 0);
  const Tokens move = std::max(std::min(wish, amount_u), -amount_v);
  amount_u -= move;
  amount_v += move;
  load_u -= move;
  load_v += move;
}

/// floor(a / b) for b > 0; a 32-bit division where that is enough, because it is several times faster.
inline Tokens floor_div(std::int64_t a, Tokens b) {
  if (a >= 0 && a <= std::numeric_limits<Tokens>::max()) [[likely]] {
    return static_cast<Tokens>(a) / b;
  }
  return static_cast<Tokens>(a >= 0 ? a / b : -((-a + b - 1) / b));
}

/// Pours the class into its ranks: after it, ranks that hold some of it are level to within one token, the extra tokens
/// on the lowest ranks, and no other rank of the class is below them.
void level_class(const SplitGraph::Impl& graph, const ExpertClass& c, SolveState& state) {
  const int n = c.num_members;
  Tokens* const amount = state.amount.data() + c.first_arc;
  const std::int32_t* const rank = graph.arc_rank.data() + c.first_arc;
  Tokens* const floor = state.scratch.data();
  Tokens total = 0;
  for (int i = 0; i < n; ++i) {
    total += amount[i];
    state.load[rank[i]] -= amount[i];
    floor[i] = state.load[rank[i]];
  }
  std::sort(floor, floor + n);
  std::int64_t below = 0;
  int m = 0;  // the m lowest floors are under water
  while (m < n && static_cast<std::int64_t>(floor[m]) * m - below <= total) {
    below += floor[m++];
  }
  const std::int64_t volume = total + below;
  const Tokens level = floor_div(volume, m);
  auto extra = static_cast<Tokens>(volume - static_cast<std::int64_t>(level) * m);
  for (int i = 0; i < n; ++i) {
    Tokens& load = state.load[rank[i]];
    amount[i] = 0;
    if (load <= level) {
      amount[i] = level - load + (extra > 0 ? 1 : 0);
      extra -= extra > 0 ? 1 : 0;
    }
    load += amount[i];
  }
}

template <bool kOverRelax>
void sweep(const SplitGraph::Impl& graph, const Component& component, SolveState& state) {
  Tokens* const load = state.load.data();
  for (std::int32_t i = component.first_class; i < component.first_class + component.num_classes; ++i) {
    const ExpertClass& c = graph.classes[i];
    if (c.num_members == 2) {
      const std::int32_t* const rank = graph.arc_rank.data() + c.first_arc;
      Tokens* const amount = state.amount.data() + c.first_arc;
      level_pair<kOverRelax>(load[rank[0]], load[rank[1]], amount[0], amount[1]);
    } else {
      level_class(graph, c, state);
    }
  }
}

/// How far the fullest rank of the component is above the target; 0 or less when none is.
Tokens largest_excess(const SplitGraph::Impl& graph, const Component& component, const SolveState& state) {
  Tokens largest = 0;
  for (int i = 0; i < component.num_ranks; ++i) {
    largest = std::max(largest, state.load[graph.component_ranks[component.first_rank + i]]);
  }
  return largest - state.target;
}

}  // namespace

void equalize(const SplitGraph::Impl& graph, const Component& component, int max_sweeps, SolveState& state) {
  Tokens excess = largest_excess(graph, component, state);
  for (int i = 0; i < max_sweeps && excess > 0; ++i) {
    if (component.has_cycle) {
      sweep<true>(graph, component, state);
    } else {
      sweep<false>(graph, component, state);
    }
    ++state.num_sweeps;
    const Tokens before = excess;
    excess = largest_excess(graph, component, state);
    if (excess > most_left(before)) {
      break;  // what is left is rounding, or a set of ranks that no sweep can relieve
    }
  }
}

}  // namespace lplb
