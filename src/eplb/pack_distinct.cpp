// EPLB's packing under the rule that copies of one expert keep apart (this library's own). It is greedy as the
// reference is, and where every open pack holds the expert already, one item of another pack makes room. Such an item
// exists whenever no two copies share a pack yet: a full pack without the expert holds `capacity` different owners, an
// open pack holds fewer, one of them the expert; so one owner of the full pack is missing in the open one.

#include <algorithm>
#include <numeric>

#include "eplb/pack.h"

namespace lplb::eplb {

void DistinctPacker::update_key(int pack) {
  const bool is_open = pack_items_[pack] < capacity_;
  open_packs_.update(pack, is_open ? lightest_first(pack_weight_[pack], pack) : TournamentTree::kOut);
}

void DistinctPacker::put(std::int32_t item, int pack) {
  items_[static_cast<std::size_t>(pack) * capacity_ + pack_items_[pack]++] = item;
  ++held(pack, owner_[item]);
  pack_weight_[pack] += weight_[item];
  update_key(pack);
}

void DistinctPacker::take(std::int32_t item, int pack) {
  const auto first = items_.begin() + static_cast<std::ptrdiff_t>(pack) * capacity_;
  const auto last = first + pack_items_[pack];
  const auto place = std::find(first, last, item);
  std::copy(place + 1, last, place);
  --pack_items_[pack];
  --held(pack, owner_[item]);
  // Summed anew, not subtracted: rounding could leave a weight below 0.
  const auto left = items_of(pack);
  pack_weight_[pack] =
      std::accumulate(left.begin(), left.end(), 0.0F, [&](float sum, std::int32_t i) { return sum + weight_[i]; });
  update_key(pack);
}

/// The lightest open pack that does not hold the owner; -1 when none.
int DistinctPacker::lightest_pack_without(std::int32_t owner) {
  std::uint64_t best = TournamentTree::kOut;
  for (int pack = 0; pack < num_packs_; ++pack) {
    if (held(pack, owner) == 0) {
      best = std::min(best, open_packs_.key(pack));
    }
  }
  return best == TournamentTree::kOut ? -1 : index_of(best);
}

/// The lightest item of a pack without the item's owner that may go to an open pack: items come heaviest first, so it
/// is the closest in weight. item = -1 when there is none.
DistinctPacker::Move DistinctPacker::find_move(std::int32_t item) {
  Move best{.item = -1, .from = -1, .to = -1};
  for (int from = 0; from < num_packs_; ++from) {
    if (held(from, owner_[item]) > 0) {
      continue;
    }
    for (const std::int32_t candidate : items_of(from)) {
      if (best.item >= 0 && weight_[candidate] >= weight_[best.item]) {
        continue;
      }
      if (const int to = lightest_pack_without(owner_[candidate]); to >= 0) {
        best = {.item = candidate, .from = from, .to = to};
      }
    }
  }
  return best;
}

/// Every open pack holds the item's owner: returns a pack that does not and has room now, or, where no move gives one
/// (the owner has more items than there are packs), the lightest open pack.
int DistinctPacker::make_room(std::int32_t item) {
  const Move move = find_move(item);
  if (move.item < 0) {
    return index_of(open_packs_.winner());
  }
  take(move.item, move.from);
  put(move.item, move.to);
  return move.from;
}

void DistinctPacker::pack(std::span<const float> weight, std::span<const std::int32_t> owner, int num_owners,
                          int num_packs, std::span<std::int32_t> pack_index, std::span<std::int32_t> rank_in_pack) {
  weight_ = weight;
  owner_ = owner;
  num_owners_ = num_owners;
  num_packs_ = num_packs;
  capacity_ = static_cast<int>(weight.size()) / num_packs;
  order_.resize(weight.size());
  for (std::size_t item = 0; item < weight.size(); ++item) {
    order_[item] = {.weight = weight[item], .index = static_cast<std::int32_t>(item)};
  }
  sort_descending(order_);
  pack_weight_.assign(num_packs, 0.0F);
  pack_items_.assign(num_packs, 0);
  items_.resize(weight.size());
  held_.assign(static_cast<std::size_t>(num_packs) * num_owners, 0);
  open_packs_.build(num_packs, [](int pack) { return lightest_first(0.0F, pack); });
  for (const auto& [item_weight, item] : order_) {
    int target = index_of(open_packs_.winner());
    if (held(target, owner[item]) > 0) {
      target = lightest_pack_without(owner[item]);
    }
    put(item, target >= 0 ? target : make_room(item));
  }
  for (int pack = 0; pack < num_packs; ++pack) {
    for (int i = 0; i < capacity_; ++i) {
      const std::int32_t item = items_[static_cast<std::size_t>(pack) * capacity_ + i];
      pack_index[item] = pack;
      rank_in_pack[item] = i;
    }
  }
}

}  // namespace lplb::eplb
