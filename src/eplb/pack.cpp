// Packing and replication of one layer. Source of the policies: DeepSeek's EPLB, balanced_packing and
// replicate_experts; the distinct variant is this library's own.

#include "eplb/pack.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

namespace lplb::eplb {
namespace {

/// The lightest pack that may take the item; -1 when none may.
template <class Allowed>
int lightest_pack(const PackingBuffers& buffers, int capacity, const Allowed& allowed) {
  int best = -1;
  float best_weight = std::numeric_limits<float>::infinity();
  for (int pack = 0; pack < static_cast<int>(buffers.pack_weight.size()); ++pack) {
    if (buffers.pack_items[pack] < capacity && buffers.pack_weight[pack] < best_weight && allowed(pack)) {
      best = pack;
      best_weight = buffers.pack_weight[pack];
    }
  }
  return best;
}

/// Packs under the rule that copies of one owner keep apart.
class DistinctPacking {
 public:
  DistinctPacking(std::span<const float> weight, std::span<const std::int32_t> owner, int num_packs,
                  PackingBuffers& buffers)
      : weight_(weight),
        owner_(owner),
        capacity_(static_cast<int>(weight.size()) / num_packs),
        buffers_(buffers),
        items_(num_packs) {}

  void run() {
    for (const std::int32_t item : buffers_.order.sort(weight_)) {
      int pack = lightest_pack(buffers_, capacity_, [&](int p) { return !holds(p, owner_[item]); });
      if (pack < 0) {
        pack = make_room(item);
      }
      put(item, pack);
    }
  }

  void write(std::span<std::int32_t> pack_index, std::span<std::int32_t> rank_in_pack) const {
    for (std::size_t pack = 0; pack < items_.size(); ++pack) {
      for (std::size_t i = 0; i < items_[pack].size(); ++i) {
        pack_index[items_[pack][i]] = static_cast<std::int32_t>(pack);
        rank_in_pack[items_[pack][i]] = static_cast<std::int32_t>(i);
      }
    }
  }

 private:
  bool holds(int pack, std::int32_t owner) const {
    return std::ranges::any_of(items_[pack], [&](std::int32_t item) { return owner_[item] == owner; });
  }

  void put(std::int32_t item, int pack) {
    items_[pack].push_back(item);
    buffers_.pack_weight[pack] += weight_[item];
    ++buffers_.pack_items[pack];
  }

  void take(std::int32_t item, int pack) {
    std::erase(items_[pack], item);
    buffers_.pack_weight[pack] -= weight_[item];
    --buffers_.pack_items[pack];
  }

  /// All open packs hold the owner. Moves the item that is closest in weight from a full pack without the owner to an
  /// open pack that does not hold that item's owner, and returns the pack that has room now. Where no move helps, the
  /// lightest open pack.
  int make_room(std::int32_t item) {
    const int num_packs = static_cast<int>(items_.size());
    float best_gap = std::numeric_limits<float>::infinity();
    std::int32_t best_item = -1;
    int best_from = -1;
    int best_to = -1;
    for (int from = 0; from < num_packs; ++from) {
      if (holds(from, owner_[item])) {
        continue;
      }
      for (const std::int32_t candidate : items_[from]) {
        const float gap = weight_[candidate] - weight_[item];
        if (gap >= best_gap) {
          continue;
        }
        const int to = lightest_pack(buffers_, capacity_, [&](int p) { return !holds(p, owner_[candidate]); });
        if (to >= 0) {
          best_gap = gap;
          best_item = candidate;
          best_from = from;
          best_to = to;
        }
      }
    }
    if (best_item < 0) {
      return lightest_pack(buffers_, capacity_, [](int) { return true; });
    }
    take(best_item, best_from);
    put(best_item, best_to);
    return best_from;
  }

  std::span<const float> weight_;
  std::span<const std::int32_t> owner_;
  int capacity_;
  PackingBuffers& buffers_;
  std::vector<std::vector<std::int32_t>> items_;  // [num_packs]
};

void clear_packs(int num_packs, PackingBuffers& buffers) {
  buffers.pack_weight.assign(num_packs, 0.0F);
  buffers.pack_items.assign(num_packs, 0);
}

/// One item a pack: the reference keeps the order then instead of sorting.
bool pack_singles(int num_packs, std::span<std::int32_t> pack_index, std::span<std::int32_t> rank_in_pack) {
  if (static_cast<int>(pack_index.size()) != num_packs) {
    return false;
  }
  std::iota(pack_index.begin(), pack_index.end(), 0);
  std::ranges::fill(rank_in_pack, 0);
  return true;
}

}  // namespace

std::span<const std::int32_t> DescendingOrder::sort(std::span<const float> weight) {
  items_.resize(weight.size());
  for (std::size_t i = 0; i < weight.size(); ++i) {
    items_[i] = {.weight = weight[i], .index = static_cast<std::int32_t>(i)};
  }
  std::sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) { return a.weight > b.weight; });
  order_.resize(weight.size());
  std::ranges::transform(items_, order_.begin(), &Item::index);
  return order_;
}

void pack_layer(std::span<const float> weight, int num_packs, PackingBuffers& buffers,
                std::span<std::int32_t> pack_index, std::span<std::int32_t> rank_in_pack) {
  if (pack_singles(num_packs, pack_index, rank_in_pack)) {
    return;
  }
  clear_packs(num_packs, buffers);
  const int capacity = static_cast<int>(weight.size()) / num_packs;
  for (const std::int32_t item : buffers.order.sort(weight)) {
    const int pack = lightest_pack(buffers, capacity, [](int) { return true; });
    pack_index[item] = pack;
    rank_in_pack[item] = buffers.pack_items[pack]++;
    buffers.pack_weight[pack] += weight[item];
  }
}

void pack_layer_distinct(std::span<const float> weight, std::span<const std::int32_t> owner, int num_packs,
                         PackingBuffers& buffers, std::span<std::int32_t> pack_index,
                         std::span<std::int32_t> rank_in_pack) {
  if (pack_singles(num_packs, pack_index, rank_in_pack)) {
    return;
  }
  clear_packs(num_packs, buffers);
  DistinctPacking packing(weight, owner, num_packs, buffers);
  packing.run();
  packing.write(pack_index, rank_in_pack);
}

void replicate_layer(std::span<const float> weight, int max_copies, std::span<std::int32_t> phy2log,
                     std::span<std::int32_t> rank, std::span<std::int32_t> logcnt, std::vector<float>& load_per_copy) {
  const std::size_t num_logical = weight.size();
  load_per_copy.assign(weight.begin(), weight.end());
  std::ranges::fill(logcnt, 1);
  std::iota(phy2log.begin(), phy2log.begin() + static_cast<std::ptrdiff_t>(num_logical), 0);
  std::ranges::fill(rank, 0);
  std::size_t num_full = max_copies <= 1 ? num_logical : 0;
  if (num_full > 0) {
    max_copies = std::numeric_limits<int>::max();
  }
  for (std::size_t slot = num_logical; slot < phy2log.size(); ++slot) {
    const auto expert = static_cast<std::int32_t>(std::ranges::max_element(load_per_copy) - load_per_copy.begin());
    phy2log[slot] = expert;
    rank[slot] = logcnt[expert]++;
    load_per_copy[expert] = weight[expert] / static_cast<float>(logcnt[expert]);
    if (logcnt[expert] == max_copies) {
      load_per_copy[expert] = -1.0F;  // below every load: not chosen again
      if (++num_full == num_logical) {
        max_copies = std::numeric_limits<int>::max();
        std::ranges::transform(weight, logcnt, load_per_copy.begin(),
                               [](float w, std::int32_t copies) { return w / static_cast<float>(copies); });
      }
    }
  }
}

}  // namespace lplb::eplb
