#pragma once

// The two building blocks of EPLB for one layer, with buffers that a thread reuses from layer to layer.

#include <cstdint>
#include <span>
#include <vector>

namespace lplb::eplb {

/// Indices of `weight` from heaviest to lightest. Equal weights come in the order in which libstdc++'s std::sort leaves
/// them, which is what the reference shows (PyTorch 1.13 on the CPU): copies of one expert weigh the same.
class DescendingOrder {
 public:
  std::span<const std::int32_t> sort(std::span<const float> weight);

 private:
  struct Item {
    float weight;
    std::int32_t index;
  };
  std::vector<Item> items_;
  std::vector<std::int32_t> order_;
};

struct PackingBuffers {
  DescendingOrder order;
  std::vector<float> pack_weight;
  std::vector<std::int32_t> pack_items;
};

/// Heaviest first into the lightest open pack (lowest index on a tie); a pack holds weight.size() / num_packs items.
/// Writes pack_index [n] and rank_in_pack [n]. Pack weights add up in float, as in the reference.
void pack_layer(std::span<const float> weight, int num_packs, PackingBuffers& buffers,
                std::span<std::int32_t> pack_index, std::span<std::int32_t> rank_in_pack);

/// The same, but two items with one owner (copies of one expert) do not share a pack where swaps can avoid it.
void pack_layer_distinct(std::span<const float> weight, std::span<const std::int32_t> owner, int num_packs,
                         PackingBuffers& buffers, std::span<std::int32_t> pack_index,
                         std::span<std::int32_t> rank_in_pack);

/// Copies the expert with the largest load per copy until phy2log.size() copies are there (lowest index on a tie). An
/// expert stops at max_copies while others have not reached it. Writes phy2log [P], rank [P], logcnt [E].
void replicate_layer(std::span<const float> weight, int max_copies, std::span<std::int32_t> phy2log,
                     std::span<std::int32_t> rank, std::span<std::int32_t> logcnt, std::vector<float>& load_per_copy);

}  // namespace lplb::eplb
