#pragma once

// Which moves a user's constraints leave open.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "lplb/optimize.h"
#include "optimize/arrangement.h"

namespace lplb {

/// The rules in memory that someone else owns, on the CPU or on a GPU.
struct RulesView {
  int num_logical = 0;
  const std::int32_t* block_of_rank = nullptr;   // [G]
  const std::int32_t* node_of_rank = nullptr;    // [G]
  const std::int32_t* node_of_expert = nullptr;  // [E]
  const std::uint8_t* was_there = nullptr;       // [G, E] or null
  int max_moved = -1;

  /// 1 when expert e (or kNone) on `rank` had to be moved there.
  constexpr int moved(int rank, std::int32_t e) const {
    return e != kNone && was_there != nullptr && !was_there[rank * num_logical + e] ? 1 : 0;
  }
  constexpr bool node_allows(std::int32_t e, int rank) const {
    return node_of_expert[e] == kNone || node_of_expert[e] == node_of_rank[rank];
  }
  /// A further copy of e on `rank`.
  constexpr bool may_copy(const ArrangementView& arrangement, std::int32_t e, int rank) const {
    const int home = arrangement.rank_of(arrangement.copies(e).front());
    return block_of_rank[home] == block_of_rank[rank] && node_allows(e, rank) && !arrangement.holds(rank, e);
  }
  /// A copy of e (or of no expert) goes from one rank to another.
  constexpr bool may_move(const ArrangementView& arrangement, std::int32_t e, int from, int to) const {
    if (e == kNone) {
      return true;
    }
    const bool alone = arrangement.copies(e).size() == 1;
    return (alone || block_of_rank[from] == block_of_rank[to]) && node_allows(e, to) && !arrangement.holds(to, e);
  }
};

struct SearchRules {
  std::vector<std::int32_t> slots = {};           // [G] that may be used; 0 on dead ranks
  std::vector<std::int32_t> block_of_rank = {};   // [G] copies of an expert stay within one block of ranks
  std::vector<std::int32_t> node_of_rank = {};    // [G]
  std::vector<std::int32_t> node_of_expert = {};  // [E] kNone = any node
  std::vector<std::uint8_t> was_there = {};  // [G, E] 1 = the current placement has the copy; empty = no current one
  int max_moved = -1;                        // copies that the current placement has not; -1 = any number

  int num_usable_ranks() const {
    return static_cast<int>(std::ranges::count_if(slots, [](std::int32_t num) { return num > 0; }));
  }
  RulesView view() const {
    return {.num_logical = static_cast<int>(node_of_expert.size()),
            .block_of_rank = block_of_rank.data(),
            .node_of_rank = node_of_rank.data(),
            .node_of_expert = node_of_expert.data(),
            .was_there = was_there.empty() ? nullptr : was_there.data(),
            .max_moved = max_moved};
  }
};

/// Slots of each rank that may be used: 0 on dead ranks. [G]
std::vector<std::int32_t> usable_slots(const PlacementRules& rules);

/// Throws InvalidArgument. Where every group stays on one node, node_of_expert is for the start to fill.
SearchRules make_search_rules(const PlacementRules& rules);

}  // namespace lplb
