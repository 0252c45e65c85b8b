// The user's rules in the search's form, checked once.

#include "optimize/search_rules.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace lplb {
namespace {

constexpr const char* kName = "[optimize_placement] ";

void check_sizes(const PlacementRules& rules) {
  check(rules.num_logical >= 1 && rules.num_logical <= kMaxLogical, kName, "num_logical (", rules.num_logical,
        ") must be in 1..", kMaxLogical);
  check(rules.num_ranks >= 1 && rules.num_ranks <= kMaxRanks, kName, "num_ranks (", rules.num_ranks, ") must be in 1..",
        kMaxRanks);
  check(rules.num_nodes >= 1 && rules.num_ranks % rules.num_nodes == 0, kName, "num_nodes (", rules.num_nodes,
        ") must divide num_ranks (", rules.num_ranks, ")");
  check(rules.slots.empty() || static_cast<int>(rules.slots.size()) == rules.num_ranks, kName, "slots has ",
        rules.slots.size(), " entries; it must have one for each of the ", rules.num_ranks, " ranks");
  check(rules.live.empty() || static_cast<int>(rules.live.size()) == rules.num_ranks, kName, "live has ",
        rules.live.size(), " entries; it must have one for each of the ", rules.num_ranks, " ranks");
  check(rules.copies_within >= 0 && (rules.copies_within == 0 || rules.num_ranks % rules.copies_within == 0), kName,
        "copies_within (", rules.copies_within, ") must divide num_ranks (", rules.num_ranks, "), or be 0");
  check(rules.num_groups >= 1 && rules.num_logical % rules.num_groups == 0, kName, "num_groups (", rules.num_groups,
        ") must divide num_logical (", rules.num_logical, ")");
  check(rules.num_groups == 1 || rules.num_groups % rules.num_nodes == 0, kName, "num_groups (", rules.num_groups,
        ") must be a multiple of num_nodes (", rules.num_nodes, ")");
}

void check_slots(const PlacementRules& rules, std::span<const std::int32_t> slots) {
  for (int rank = 0; rank < rules.num_ranks; ++rank) {
    check(slots[rank] >= 0, kName, "slots[", rank, "] (", slots[rank], ") must not be negative");
  }
  const std::int64_t stride = std::ranges::max(slots);
  check(stride * rules.num_ranks <= kMaxPhysical, kName, stride, " slots on each of ", rules.num_ranks,
        " ranks are too many; at most ", kMaxPhysical, " in all");
  const std::int64_t total = std::accumulate(slots.begin(), slots.end(), std::int64_t{0});
  check(total >= rules.num_logical, kName, total, " slots on live ranks do not hold ", rules.num_logical, " experts");
}

}  // namespace

std::vector<std::int32_t> usable_slots(const PlacementRules& rules) {
  std::vector<std::int32_t> slots = rules.slots;
  if (slots.empty()) {
    slots.assign(rules.num_ranks, rules.slots_per_rank);
  }
  for (std::size_t rank = 0; rank < rules.live.size(); ++rank) {
    slots[rank] = rules.live[rank] ? slots[rank] : 0;
  }
  return slots;
}

std::vector<std::int32_t> deal_slots(int num_slots, int num_ranks, std::span<const std::uint8_t> live, int turn) {
  std::vector<int> ranks;
  for (int rank = 0; rank < num_ranks; ++rank) {
    if (live.empty() || live[rank]) {
      ranks.push_back(rank);
    }
  }
  const int num_live = static_cast<int>(ranks.size());
  check(num_live > 0, "[deal_slots] no rank is alive");
  std::vector<std::int32_t> slots(num_ranks, 0);
  for (const int rank : ranks) {
    slots[rank] = num_slots / num_live;
  }
  const int num_more = num_slots % num_live;
  for (int i = 0; i < num_more; ++i) {
    ++slots[ranks[(static_cast<std::int64_t>(turn) * num_more + i) % num_live]];
  }
  return slots;
}

SearchRules make_search_rules(const PlacementRules& rules) {
  check_sizes(rules);
  SearchRules result{.slots = usable_slots(rules)};
  check_slots(rules, result.slots);
  const int ranks_per_node = rules.num_ranks / rules.num_nodes;
  const int block = rules.copies_within == 0 ? rules.num_ranks : rules.copies_within;
  const bool grouped = rules.num_groups > 1 && rules.num_nodes > 1;
  for (int rank = 0; rank < rules.num_ranks; ++rank) {
    const int node = rank / ranks_per_node;
    result.node_of_rank.push_back(node);
    // Where groups stay on nodes, so do the copies of their experts.
    result.block_of_rank.push_back(grouped ? rank / block * rules.num_nodes + node : rank / block);
  }
  result.node_of_expert.assign(rules.num_logical, kNone);
  return result;
}

}  // namespace lplb
