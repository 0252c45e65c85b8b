// Starts of the search. The greedy one generalizes EPLB (DeepSeek, rebalance_experts) to unequal slots, blocks and dead
// ranks.

#include "optimize/starts.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace lplb {
namespace {

constexpr const char* kName = "[optimize_placement] ";

/// Indices of values, largest first, lowest index on a tie.
std::vector<int> heaviest_first(std::span<const double> values) {
  std::vector<int> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int a, int b) { return values[a] > values[b]; });
  return order;
}

/// A placement under construction.
class Builder {
 public:
  Builder(const SearchRules& rules, std::span<const double> load)
      : rules_(rules),
        load_(load),
        stride_(std::ranges::max(rules.slots)),
        phy2log_(rules.slots.size() * stride_, kNone),
        num_copies_(load.size(), 0),
        rank_load_(rules.slots.size(), 0.0),
        num_free_(rules.slots.begin(), rules.slots.end()) {}

  std::vector<std::int32_t> greedy() {
    assign_experts();
    for (const auto& [block, experts] : experts_of_block_) {
      fill_block(block, experts);
    }
    return std::move(phy2log_);
  }

  std::vector<std::int32_t> repaired(const Placement& current) {
    for (int slot = 0; slot < current.num_physical(); ++slot) {
      const std::int32_t e = current.phy2log()[slot];
      const int rank = current.rank_of(slot);
      if (e != kNone && num_free_[rank] > 0 && rules_.view().node_allows(e, rank) && !holds(rank, e)) {
        put(rank, e, 0);
      }
    }
    for (const int e : heaviest_first(load_)) {
      if (num_copies_[e] == 0) {
        rescue(e);
      }
    }
    return std::move(phy2log_);
  }

 private:
  int num_ranks() const { return static_cast<int>(num_free_.size()); }

  bool holds(int rank, int e) const {
    const auto first = phy2log_.begin() + static_cast<std::ptrdiff_t>(rank) * stride_;
    return std::find(first, first + rules_.slots[rank], e) != first + rules_.slots[rank];
  }

  void put(int rank, int e, double load) {
    phy2log_[rank * stride_ + rules_.slots[rank] - num_free_[rank]] = e;
    --num_free_[rank];
    ++num_copies_[e];
    rank_load_[rank] += load;
  }

  /// Experts to blocks: heaviest first, to the block with the least load a slot that has room.
  void assign_experts() {
    std::vector<int> blocks = rules_.block_of_rank;
    std::ranges::sort(blocks);
    blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
    std::vector<double> load(blocks.size(), 0.0);
    std::vector<int> num_slots(blocks.size(), 0);
    std::vector<int> node(blocks.size(), kNone);
    for (int rank = 0; rank < num_ranks(); ++rank) {
      const auto block = std::ranges::lower_bound(blocks, rules_.block_of_rank[rank]) - blocks.begin();
      num_slots[block] += rules_.slots[rank];
      node[block] = rules_.node_of_rank[rank];
    }
    for (const int block : blocks) {
      experts_of_block_.emplace_back(block, std::vector<int>());
    }
    for (const int e : heaviest_first(load_)) {
      int best = -1;
      for (int block = 0; block < static_cast<int>(blocks.size()); ++block) {
        const bool allowed = rules_.node_of_expert[e] == kNone || rules_.node_of_expert[e] == node[block];
        const bool room = static_cast<int>(experts_of_block_[block].second.size()) < num_slots[block];
        if (allowed && room && (best < 0 || load[block] * num_slots[best] < load[best] * num_slots[block])) {
          best = block;
        }
      }
      check(best >= 0, kName, "no block of ranks has a slot left for expert ", e);
      experts_of_block_[best].second.push_back(e);
      load[best] += load_[e];
    }
  }

  void fill_block(int block, const std::vector<int>& experts) {
    std::vector<int> ranks;
    int num_slots = 0;
    for (int rank = 0; rank < num_ranks(); ++rank) {
      if (rules_.block_of_rank[rank] == block && rules_.slots[rank] > 0) {
        ranks.push_back(rank);
        num_slots += rules_.slots[rank];
      }
    }
    const std::vector<int> wanted = count_copies(experts, static_cast<int>(ranks.size()), num_slots);
    std::vector<std::pair<double, int>> items;  // load of a copy, expert
    for (std::size_t i = 0; i < experts.size(); ++i) {
      for (int copy = 0; copy < wanted[i]; ++copy) {
        items.emplace_back(load_[experts[i]] / wanted[i], experts[i]);
      }
    }
    std::ranges::stable_sort(items, [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [load, e] : items) {
      int best = -1;
      for (const int rank : ranks) {
        if (num_free_[rank] > 0 && !holds(rank, e) && (best < 0 || rank_load_[rank] < rank_load_[best])) {
          best = rank;
        }
      }
      if (best >= 0) {  // else a further copy finds no other rank, and its slot stays empty
        put(best, e, load);
      }
    }
  }

  /// Copies of each expert of a block: one, then further ones where the load a copy is largest.
  std::vector<int> count_copies(const std::vector<int>& experts, int num_ranks_here, int num_slots) const {
    std::vector<int> wanted(experts.size(), 1);
    for (int left = num_slots - static_cast<int>(experts.size()); left > 0; --left) {
      int best = -1;
      for (int i = 0; i < static_cast<int>(experts.size()); ++i) {
        if (wanted[i] < num_ranks_here &&
            (best < 0 || load_[experts[i]] * wanted[best] > load_[experts[best]] * wanted[i])) {
          best = i;
        }
      }
      if (best < 0) {
        break;
      }
      ++wanted[best];
    }
    return wanted;
  }

  /// A place for an expert without a copy: an empty slot on the emptiest rank, else over the copy of an expert that has
  /// others and the least load a copy.
  void rescue(int e) {
    int best_rank = -1;
    int best_slot = -1;
    double least = std::numeric_limits<double>::infinity();
    for (int rank = 0; rank < num_ranks(); ++rank) {
      if (!rules_.view().node_allows(e, rank)) {
        continue;
      }
      if (num_free_[rank] > 0 && (best_rank < 0 || num_free_[rank] > num_free_[best_rank])) {
        best_rank = rank;
      }
      const int first = rank * static_cast<int>(stride_);
      for (int slot = first; slot < first + rules_.slots[rank] - num_free_[rank]; ++slot) {
        const int other = phy2log_[slot];
        if (num_copies_[other] > 1 && load_[other] / num_copies_[other] < least) {
          least = load_[other] / num_copies_[other];
          best_slot = slot;
        }
      }
    }
    check(best_rank >= 0 || best_slot >= 0, kName, "no slot is left for expert ", e, ", which lost its last copy");
    if (best_rank >= 0) {
      put(best_rank, e, 0);
      return;
    }
    --num_copies_[phy2log_[best_slot]];
    phy2log_[best_slot] = e;
    ++num_copies_[e];
  }

  const SearchRules& rules_;
  std::span<const double> load_;
  std::size_t stride_;
  std::vector<std::int32_t> phy2log_;
  std::vector<int> num_copies_;    // [E]
  std::vector<double> rank_load_;  // [G]
  std::vector<int> num_free_;      // [G]
  std::vector<std::pair<int, std::vector<int>>> experts_of_block_;
};

}  // namespace

std::vector<std::int32_t> assign_groups(const PlacementRules& rules, std::span<const double> load,
                                        std::vector<std::int32_t> home) {
  const int group_size = rules.num_logical / rules.num_groups;
  const std::vector<std::int32_t> slots = usable_slots(rules);
  const int ranks_per_node = rules.num_ranks / rules.num_nodes;
  std::vector<int> room(rules.num_nodes, 0);  // groups that the slots of a node hold
  for (int rank = 0; rank < rules.num_ranks; ++rank) {
    room[rank / ranks_per_node] += slots[rank];
  }
  std::ranges::for_each(room, [&](int& groups) { groups /= group_size; });
  const auto num_usable = static_cast<int>(std::ranges::count_if(room, [](int groups) { return groups > 0; }));
  check(num_usable > 0, kName, "no node has slots for a group of ", group_size, " experts");
  const int share = (rules.num_groups + num_usable - 1) / num_usable;
  std::vector<double> group_load(rules.num_groups, 0.0);
  for (int e = 0; e < rules.num_logical; ++e) {
    group_load[e / group_size] += load[e];
  }
  std::vector<double> node_load(rules.num_nodes, 0.0);
  std::vector<int> num_groups(rules.num_nodes, 0);
  const auto settle = [&](int group) {
    ++num_groups[home[group]];
    node_load[home[group]] += group_load[group];
  };
  for (int group = 0; group < rules.num_groups; ++group) {
    if (home[group] != kNone && num_groups[home[group]] < room[home[group]]) {
      settle(group);
    } else {
      home[group] = kNone;  // its node is gone, or has become too small
    }
  }
  for (const int group : heaviest_first(group_load)) {
    if (home[group] != kNone) {
      continue;
    }
    const auto better = [&](int node, int than) {  // those with less than their share first, then the lightest
      const bool full = num_groups[node] >= share;
      const bool other_full = num_groups[than] >= share;
      return full != other_full ? other_full : node_load[node] < node_load[than];
    };
    for (int node = 0; node < rules.num_nodes; ++node) {
      if (num_groups[node] < room[node] && (home[group] == kNone || better(node, home[group]))) {
        home[group] = node;
      }
    }
    check(home[group] != kNone, kName, "no node has slots left for group ", group, " of ", group_size, " experts");
    settle(group);
  }
  std::vector<std::int32_t> node_of_expert(rules.num_logical);
  for (int e = 0; e < rules.num_logical; ++e) {
    node_of_expert[e] = home[e / group_size];
  }
  return node_of_expert;
}

std::vector<std::int32_t> greedy_start(const SearchRules& rules, std::span<const double> load) {
  return Builder(rules, load).greedy();
}

std::string find_violation(const SearchRules& rules, const Placement& placement) {
  if (!placement.colocations().empty()) {
    return "an expert has two copies on one rank";
  }
  std::vector<int> num_used(placement.num_ranks(), 0);
  for (int e = 0; e < placement.num_logical(); ++e) {
    const int home = placement.rank_of(placement.replicas(e).front());
    for (const int slot : placement.replicas(e)) {
      const int rank = placement.rank_of(slot);
      if (++num_used[rank] > rules.slots[rank]) {
        return concat("rank ", rank, " holds more experts than its ", rules.slots[rank], " slots");
      }
      if (rules.block_of_rank[rank] != rules.block_of_rank[home]) {
        return concat("expert ", e, " has copies in different blocks of ranks");
      }
      if (!rules.view().node_allows(e, rank)) {
        return concat("expert ", e, " is on another node than its group");
      }
    }
  }
  return "";
}

std::vector<std::int32_t> repair_current(const SearchRules& rules, const Placement& current,
                                         std::span<const double> load) {
  std::vector<std::int32_t> phy2log = Builder(rules, load).repaired(current);
  const Placement repaired(phy2log, static_cast<int>(load.size()), current.num_ranks(), current.num_nodes());
  const std::string violation = find_violation(rules, repaired);
  check(violation.empty(), kName, "current breaks the rules: ", violation);
  return phy2log;
}

void align_slots(const SearchRules& rules, const Placement& current, std::vector<std::int32_t>& phy2log) {
  const int stride = std::ranges::max(rules.slots);
  for (int rank = 0; rank < current.num_ranks(); ++rank) {
    const int num_slots = std::min(rules.slots[rank], current.slots_per_rank());
    for (int i = 0; i < num_slots; ++i) {
      const std::int32_t before = current.phy2log()[rank * current.slots_per_rank() + i];
      const auto first = phy2log.begin() + static_cast<std::ptrdiff_t>(rank) * stride;
      const auto found = std::find(first, first + rules.slots[rank], before);
      if (before != kNone && found != first + rules.slots[rank]) {
        std::swap(*found, first[i]);
      }
    }
  }
}

}  // namespace lplb
