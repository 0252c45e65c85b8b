// Greedy packing and replication of one layer. Source of both policies: DeepSeek's EPLB, balanced_packing and
// replicate_experts. The reference scans all packs and all experts for each item; a tournament tree gives the same
// choice in log2(n) steps.

#include "eplb/pack.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace lplb::eplb {

void Packer::pack(std::span<const float> weight, int num_packs, std::span<std::int32_t> pack_index,
                  std::span<std::int32_t> rank_in_pack) {
  const int num_items = static_cast<int>(weight.size());
  if (num_items == num_packs) {  // the reference keeps the order then instead of sorting
    std::iota(pack_index.begin(), pack_index.end(), 0);
    std::ranges::fill(rank_in_pack, 0);
    return;
  }
  order_.resize(num_items);
  for (int item = 0; item < num_items; ++item) {
    order_[item] = {.weight = weight[item], .index = item};
  }
  sort_descending(order_);
  pack_weight_.assign(num_packs, 0.0F);
  pack_items_.assign(num_packs, 0);
  open_packs_.build(num_packs, [](int pack) { return lightest_first(0.0F, pack); });
  const int capacity = num_items / num_packs;
  for (const auto& [item_weight, item] : order_) {
    const std::int32_t pack = index_of(open_packs_.winner());
    pack_index[item] = pack;
    rank_in_pack[item] = pack_items_[pack]++;
    pack_weight_[pack] += item_weight;
    open_packs_.update(pack,
                       pack_items_[pack] < capacity ? lightest_first(pack_weight_[pack], pack) : TournamentTree::kOut);
  }
}

void Replicator::replicate(std::span<const float> weight, int max_copies, std::span<std::int32_t> phy2log,
                           std::span<std::int32_t> rank, std::span<std::int32_t> logcnt) {
  const int num_logical = static_cast<int>(weight.size());
  std::ranges::fill(logcnt, 1);
  std::ranges::fill(rank, 0);
  std::iota(phy2log.begin(), phy2log.begin() + num_logical, 0);
  const auto key = [&](int expert) {
    return logcnt[expert] < max_copies ? heaviest_first(weight[expert] / static_cast<float>(logcnt[expert]), expert)
                                       : TournamentTree::kOut;
  };
  loads_.build(num_logical, key);
  for (std::size_t slot = num_logical; slot < phy2log.size(); ++slot) {
    if (loads_.winner() == TournamentTree::kOut) {  // every expert is at max_copies: the rest is without a limit
      max_copies = std::numeric_limits<int>::max();
      loads_.build(num_logical, key);
    }
    const std::int32_t expert = index_of(loads_.winner());
    phy2log[slot] = expert;
    rank[slot] = logcnt[expert]++;
    loads_.update(expert, key(expert));
  }
}

}  // namespace lplb::eplb
