// Edge coloring of the classes. Sets of three or more ranks are colored greedily, largest first; pairs then take the
// lowest color free at both ends, and where no color below the largest degree is free, an alternating (Kempe) chain of
// two colors is swapped to make one free, as in the proof of Vizing's theorem (Misra and Gries, 1992).

#include <algorithm>
#include <numeric>
#include <optional>

#include "solve/split_graph.h"

namespace lplb {
namespace {

constexpr std::int32_t kFree = -1;

class Coloring {
 public:
  Coloring(std::span<const std::int32_t> member_begin, std::span<const std::int32_t> members, int num_ranks)
      : member_begin_(member_begin), members_(members), at_(num_ranks), color_(member_begin.size() - 1, kFree) {
    std::vector<int> degree(num_ranks, 0);
    for (const std::int32_t rank : members) {
      max_degree_ = std::max(max_degree_, ++degree[rank]);
    }
  }

  void color_greedily(std::int32_t class_idx) {
    int color = 0;
    while (!std::ranges::all_of(members_of(class_idx), [&](std::int32_t rank) { return is_free(rank, color); })) {
      ++color;
    }
    assign(class_idx, color);
  }

  void color_pair(std::int32_t class_idx) {
    const std::int32_t u = members_of(class_idx)[0];
    const std::int32_t v = members_of(class_idx)[1];
    for (int color = 0; color < max_degree_; ++color) {
      if (is_free(u, color) && is_free(v, color)) {
        return assign(class_idx, color);
      }
    }
    if (const std::optional<int> color = free_a_color(u, v)) {
      return assign(class_idx, *color);
    }
    color_greedily(class_idx);
  }

  std::vector<std::int32_t> take() { return std::move(color_); }

 private:
  std::span<const std::int32_t> members_of(std::int32_t class_idx) const {
    return members_.subspan(member_begin_[class_idx], member_begin_[class_idx + 1] - member_begin_[class_idx]);
  }
  std::int32_t class_at(std::int32_t rank, int color) const {
    return color < static_cast<int>(at_[rank].size()) ? at_[rank][color] : kFree;
  }
  bool is_free(std::int32_t rank, int color) const { return class_at(rank, color) == kFree; }

  void assign(std::int32_t class_idx, int color) {
    color_[class_idx] = color;
    for (const std::int32_t rank : members_of(class_idx)) {
      if (color >= static_cast<int>(at_[rank].size())) {
        at_[rank].resize(color + 1, kFree);
      }
      at_[rank][color] = class_idx;
    }
  }

  /// The pairs of the chain that leaves v by color a and alternates a, b; nothing when it reaches u or a larger set.
  std::optional<std::vector<std::int32_t>> chain(std::int32_t u, std::int32_t v, int a, int b) const {
    std::vector<std::int32_t> pairs;
    int color = a;
    for (std::int32_t rank = v; class_at(rank, color) != kFree; color = a + b - color) {
      const std::int32_t class_idx = class_at(rank, color);
      const auto ends = members_of(class_idx);
      if (ends.size() != 2) {
        return std::nullopt;
      }
      rank = ends[0] == rank ? ends[1] : ends[0];
      if (rank == u) {
        return std::nullopt;
      }
      pairs.push_back(class_idx);
    }
    return pairs;
  }

  /// Makes a color that is free at u free at v too, by swapping one chain.
  std::optional<int> free_a_color(std::int32_t u, std::int32_t v) {
    for (int a = 0; a < max_degree_; ++a) {
      for (int b = 0; b < max_degree_; ++b) {
        if (!is_free(u, a) || !is_free(v, b)) {
          continue;
        }
        if (const auto pairs = chain(u, v, a, b)) {
          swap_colors(*pairs, a, b);
          return a;
        }
      }
    }
    return std::nullopt;
  }

  void swap_colors(const std::vector<std::int32_t>& pairs, int a, int b) {
    for (const std::int32_t class_idx : pairs) {
      for (const std::int32_t rank : members_of(class_idx)) {
        at_[rank][color_[class_idx]] = kFree;
      }
    }
    for (const std::int32_t class_idx : pairs) {
      assign(class_idx, a + b - color_[class_idx]);
    }
  }

  std::span<const std::int32_t> member_begin_;
  std::span<const std::int32_t> members_;
  int max_degree_ = 0;
  std::vector<std::vector<std::int32_t>> at_;  // [G][color] class or kFree
  std::vector<std::int32_t> color_;            // [num_classes]
};

}  // namespace

std::vector<std::int32_t> color_classes(std::span<const std::int32_t> member_begin,
                                        std::span<const std::int32_t> members, int num_ranks) {
  const int num_classes = static_cast<int>(member_begin.size()) - 1;
  const auto size_of = [&](std::int32_t class_idx) { return member_begin[class_idx + 1] - member_begin[class_idx]; };
  std::vector<std::int32_t> order(num_classes);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater{}, size_of);
  Coloring coloring(member_begin, members, num_ranks);
  for (const std::int32_t class_idx : order) {
    if (size_of(class_idx) > 2) {
      coloring.color_greedily(class_idx);
    } else {
      coloring.color_pair(class_idx);
    }
  }
  return coloring.take();
}

}  // namespace lplb
