#pragma once

// The building blocks of EPLB for one layer: packing and replication. Each owns buffers that it reuses from call to
// call, so that a thread that goes from layer to layer allocates once.

#include <cstdint>
#include <span>
#include <vector>

#include "eplb/reference_sort.h"
#include "eplb/tournament_tree.h"

namespace lplb::eplb {

/// Heaviest first into the lightest open pack (lowest index on a tie); a pack holds weight.size() / num_packs items.
class Packer {
 public:
  /// Writes pack_index [n] and rank_in_pack [n] for `weight` [n], finite and not negative. Pack weights add up in
  /// float, as in the reference. O(n log n).
  void pack(std::span<const float> weight, int num_packs, std::span<std::int32_t> pack_index,
            std::span<std::int32_t> rank_in_pack);

 private:
  std::vector<WeightedItem> order_;
  std::vector<float> pack_weight_;
  std::vector<std::int32_t> pack_items_;
  TournamentTree open_packs_;
};

/// The same, but two items with one owner (copies of one expert) do not share a pack unless the owner has more items
/// than there are packs.
class DistinctPacker {
 public:
  /// `owner` [n]: 0..num_owners-1. O(n (log n + num_packs)) unless items have to make room for one another.
  void pack(std::span<const float> weight, std::span<const std::int32_t> owner, int num_owners, int num_packs,
            std::span<std::int32_t> pack_index, std::span<std::int32_t> rank_in_pack);

 private:
  struct Move {
    std::int32_t item;
    std::int32_t from;
    std::int32_t to;
  };

  void put(std::int32_t item, int pack);
  void take(std::int32_t item, int pack);
  void update_key(int pack);
  std::span<const std::int32_t> items_of(int pack) const {
    return std::span(items_).subspan(static_cast<std::size_t>(pack) * capacity_, pack_items_[pack]);
  }
  std::uint16_t& held(int pack, std::int32_t owner) {
    return held_[static_cast<std::size_t>(pack) * num_owners_ + owner];
  }
  int lightest_pack_without(std::int32_t owner);
  Move find_move(std::int32_t item);
  int make_room(std::int32_t item);

  std::span<const float> weight_;
  std::span<const std::int32_t> owner_;
  int num_owners_ = 0;
  int num_packs_ = 0;
  int capacity_ = 0;
  std::vector<WeightedItem> order_;
  std::vector<float> pack_weight_;        // [num_packs]
  std::vector<std::int32_t> pack_items_;  // [num_packs]
  std::vector<std::int32_t> items_;       // [num_packs, capacity]
  std::vector<std::uint16_t> held_;       // [num_packs, num_owners] items of the owner in the pack
  TournamentTree open_packs_;
};

/// Copies the expert with the largest load per copy, again and again (lowest index on a tie).
class Replicator {
 public:
  /// Writes phy2log [P], rank [P] (which copy of its expert) and logcnt [E] for `weight` [E], P >= E. An expert stops
  /// at max_copies as long as another has fewer. O(E + (P - E) log E).
  void replicate(std::span<const float> weight, int max_copies, std::span<std::int32_t> phy2log,
                 std::span<std::int32_t> rank, std::span<std::int32_t> logcnt);

 private:
  TournamentTree loads_;
};

}  // namespace lplb::eplb
