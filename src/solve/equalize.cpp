// Phase 1: water-filling, one class at a time, in the order of the colors (Gauss-Seidel on the loads). Classes of a
// color touch different ranks, so that a color is one parallel step, or two where a class is larger than a part. Pairs
// are over-relaxed by 3/2, which helps long cycles.

#include <algorithm>

#include "solve/class_parts.h"
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

/// Where a class's members are, and what they have of it.
struct Members {
  const std::int32_t* rank;
  Tokens* amount;
  Tokens* load;  // by rank
};

/// Pours what the part has into its three or four ranks: after it, ranks that hold some of it are level to within one
/// token, the extra tokens on the lowest ranks, and no other rank of the part is below them.
template <int kSize>
inline void pour(const Members& members, const ClassPart& part) {
  std::uint32_t floors[kMaxPartMembers] = {0, 0, 0, kNoFloor};
  std::uint32_t total = 0;
  for (int i = 0; i < kSize; ++i) {
    const int member = part.first + i * part.stride;
    total += members.amount[member];
    floors[i] = members.load[members.rank[member]] - members.amount[member];
  }
  const std::uint32_t level = part_level(floors[0], floors[1], floors[2], floors[3], kSize == 4, total);
  std::uint32_t rest = total;
  for (int i = 0; i < kSize; ++i) {
    rest -= tokens_above(level, floors[i]);
  }
  for (int i = 0; i < kSize; ++i) {
    const int member = part.first + i * part.stride;
    const std::uint32_t extra = rest > 0 && floors[i] <= level ? 1 : 0;
    const std::uint32_t poured = tokens_above(level, floors[i]) + extra;
    rest -= extra;
    members.amount[member] = static_cast<Tokens>(poured);
    members.load[members.rank[member]] = static_cast<Tokens>(floors[i] + poured);
  }
}

template <bool kOverRelax>
void level_part(const Members& members, const ClassPart& part) {
  if (part.size == 4) {
    pour<4>(members, part);
  } else if (part.size == 3) {
    pour<3>(members, part);
  } else if (part.size == 2) {
    const int u = part.first;
    const int v = part.first + part.stride;
    level_pair<kOverRelax>(members.load[members.rank[u]], members.load[members.rank[v]], members.amount[u],
                           members.amount[v]);
  }
}

/// Not inlined: placements of pairs alone, which never come here, had better have a short loop.
template <bool kOverRelax>
[[gnu::noinline]] void level_class(const Members& members, int num_members) {
  for (int round = 0; round < num_rounds(num_members); ++round) {
    for (int i = 0; i < num_parts(num_members); ++i) {
      level_part<kOverRelax>(members, class_part(num_members, round, i));
    }
  }
}

template <bool kOverRelax>
void sweep(const SplitGraph::Impl& graph, const Component& component, SolveState& state) {
  Tokens* const load = state.load.data();
  for (std::int32_t i = component.first_class; i < component.first_class + component.num_classes; ++i) {
    const ExpertClass& c = graph.classes[i];
    const Members members{graph.arc_rank.data() + c.first_arc, state.amount.data() + c.first_arc, load};
    if (c.num_members == 2) {
      level_pair<kOverRelax>(load[members.rank[0]], load[members.rank[1]], members.amount[0], members.amount[1]);
    } else {
      level_class<kOverRelax>(members, c.num_members);
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
  const SweepRule rule = sweep_rule(component.is_wide, component.num_ranks);
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
    if (excess > most_left(before, rule)) {
      break;  // what is left is rounding, or a set of ranks that no sweep can relieve
    }
  }
}

}  // namespace lplb
