#pragma once

// A tournament (winner) tree: the smallest of n keys at once, a changed key in log2(n) steps without a branch. Source:
// Knuth, The Art of Computer Programming, volume 3, section 5.4.1.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace lplb::eplb {

/// Keys of non-negative weights: the bits of such floats order like the floats. The index in the low half makes ties go
/// to the lowest index. Adding 0 turns -0 into 0.
inline std::uint64_t lightest_first(float weight, int index) {
  const auto bits = std::bit_cast<std::uint32_t>(weight + 0.0F);
  return (static_cast<std::uint64_t>(bits) << 32) | static_cast<std::uint32_t>(index);
}
inline std::uint64_t heaviest_first(float weight, int index) {
  const std::uint32_t bits = ~std::bit_cast<std::uint32_t>(weight + 0.0F);
  return (static_cast<std::uint64_t>(bits) << 32) | static_cast<std::uint32_t>(index);
}
inline std::int32_t index_of(std::uint64_t key) { return static_cast<std::int32_t>(key); }

class TournamentTree {
 public:
  /// Larger than every key: a leaf that does not take part.
  static constexpr std::uint64_t kOut = ~std::uint64_t{0};

  /// n leaves with keys key_of(0), key_of(1), ... O(n).
  template <class KeyOf>
  void build(int num_leaves, const KeyOf& key_of) {
    first_leaf_ = std::bit_ceil(static_cast<std::size_t>(num_leaves));
    nodes_.assign(2 * first_leaf_, kOut);
    for (int leaf = 0; leaf < num_leaves; ++leaf) {
      nodes_[first_leaf_ + leaf] = key_of(leaf);
    }
    for (std::size_t node = first_leaf_ - 1; node > 0; --node) {
      nodes_[node] = std::min(nodes_[2 * node], nodes_[2 * node + 1]);
    }
  }

  /// The smallest key; kOut when no leaf takes part.
  std::uint64_t winner() const { return nodes_[1]; }
  std::uint64_t key(int leaf) const { return nodes_[first_leaf_ + leaf]; }

  void update(int leaf, std::uint64_t key) {
    std::size_t node = first_leaf_ + leaf;
    nodes_[node] = key;
    for (; node > 1; node /= 2) {
      key = std::min(key, nodes_[node ^ 1]);
      nodes_[node / 2] = key;
    }
  }

 private:
  std::size_t first_leaf_ = 1;
  std::vector<std::uint64_t> nodes_{kOut, kOut};  // node i has children 2i and 2i + 1; the root is node 1
};

}  // namespace lplb::eplb
