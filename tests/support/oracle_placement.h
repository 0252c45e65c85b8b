#pragma once

// The best placement for a window, by going over all placements: depth-first over experts, heaviest first, each with
// every set of ranks that have room for it; ranks that hold the same experts and have as much room are taken in order.
// A branch is cut where a lower bound reaches the best mean imbalance known. The bound of a batch is the closed form of
// the optimal split, max over sets S of ranks of ceil(tokens confined to S / |S|), with what is certain of the experts
// to come: no more of them than slots are free outside S have a copy there, so the rest are confined to S.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "lplb/types.h"

namespace lplb::testing {

struct PlacementCase {
  int num_logical;
  std::vector<std::int32_t> slots;  // [G], none above num_logical
  std::vector<Tokens> window;       // [T, E]

  int num_ranks() const { return static_cast<int>(slots.size()); }
  int num_batches() const { return static_cast<int>(window.size()) / num_logical; }
};

class PlacementOracle {
 public:
  static constexpr int kMostRanks = 6;
  static constexpr int kMostBatches = 2;

  /// All slots must be fillable: num_logical at most their number, no rank with more slots than experts.
  explicit PlacementOracle(const PlacementCase& c) : case_(c), free_(c.slots), held_(c.num_ranks(), 0) {
    std::vector<double> weight(c.num_logical, 0.0);
    for (int b = 0; b < c.num_batches(); ++b) {
      const auto batch = counts(b);
      const auto total = std::accumulate(batch.begin(), batch.end(), std::int64_t{0});
      perfect_.push_back(static_cast<double>((total + c.num_ranks() - 1) / c.num_ranks()));
      for (int e = 0; e < c.num_logical; ++e) {
        weight[e] += batch[e] / static_cast<double>(total);
      }
    }
    order_.resize(c.num_logical);
    std::iota(order_.begin(), order_.end(), 0);
    std::ranges::stable_sort(order_, [&](int a, int b) { return weight[a] > weight[b]; });
    sum_smallest();
  }

  /// The least mean imbalance of all placements; `known`, where none is below it.
  double find(double known) {
    best_ = known;
    num_visited_ = 0;
    inside_.assign(case_.num_logical + 1, {});
    visit(0);
    return best_;
  }

  std::int64_t num_visited() const { return num_visited_; }

 private:
  static constexpr int kSets = 1 << kMostRanks;
  using Sums = std::array<std::array<std::int32_t, kSets>, kMostBatches>;

  std::span<const Tokens> counts(int b) const {
    return std::span(case_.window).subspan(static_cast<std::size_t>(b) * case_.num_logical, case_.num_logical);
  }

  /// smallest_[depth][b][k]: tokens of the k experts with the fewest among those that are placed at `depth` or later.
  void sum_smallest() {
    smallest_.resize(case_.num_logical + 1);
    for (int depth = 0; depth <= case_.num_logical; ++depth) {
      for (int b = 0; b < case_.num_batches(); ++b) {
        std::vector<std::int32_t>& sums = smallest_[depth][b];
        for (int i = depth; i < case_.num_logical; ++i) {
          sums.push_back(counts(b)[order_[i]]);
        }
        std::ranges::sort(sums);
        std::partial_sum(sums.begin(), sums.end(), sums.begin());
        sums.insert(sums.begin(), 0);
      }
    }
  }

  /// Lower bound of the mean imbalance with the first `depth` experts placed; exact when all are.
  double bound(int depth) const {
    const int num_ranks = case_.num_ranks();
    const int num_left = case_.num_logical - depth;
    std::array<int, kSets> confined{};  // experts to come that must stay in the set
    const int num_free = std::accumulate(free_.begin(), free_.end(), 0);
    std::array<int, kSets> free_inside{};
    for (int set = 1; set < 1 << num_ranks; ++set) {
      free_inside[set] = free_inside[set & (set - 1)] + free_[std::countr_zero(static_cast<unsigned>(set))];
      confined[set] = std::max(0, num_left - (num_free - free_inside[set]));
    }
    double sum = 0;
    for (int b = 0; b < case_.num_batches(); ++b) {
      std::int32_t largest = 0;
      for (int set = 1; set < 1 << num_ranks; ++set) {
        const int size = std::popcount(static_cast<unsigned>(set));
        const std::int32_t tokens = inside_[depth][b][set] + smallest_[depth][b][confined[set]];
        if (tokens > largest * size) {
          largest = (tokens + size - 1) / size;
        }
      }
      sum += largest / perfect_[b];
    }
    return sum / case_.num_batches();
  }

  /// The ranks of `set` come first among those that look alike.
  bool in_order(int set) const {
    for (int a = 0; a < case_.num_ranks(); ++a) {
      for (int b = a + 1; b < case_.num_ranks(); ++b) {
        if ((set >> a & 1) == 0 && (set >> b & 1) == 1 && held_[a] == held_[b] && free_[a] == free_[b]) {
          return false;
        }
      }
    }
    return true;
  }

  /// Room for every expert to come, and an expert for every slot.
  bool can_be_completed(int num_left) const {
    const int num_free = std::accumulate(free_.begin(), free_.end(), 0);
    return num_free >= num_left && std::ranges::all_of(free_, [&](int free) { return free >= 0 && free <= num_left; });
  }

  void visit(int depth) {
    ++num_visited_;
    if (bound(depth) >= best_ - 1e-12) {
      return;
    }
    if (depth == case_.num_logical) {
      best_ = bound(depth);
      return;
    }
    for (int set = 1; set < 1 << case_.num_ranks(); ++set) {
      if (in_order(set)) {
        place(depth, set, -1);
        if (can_be_completed(case_.num_logical - depth - 1)) {
          add_tokens(depth, set);
          visit(depth + 1);
        }
        place(depth, set, +1);
      }
    }
  }

  void place(int depth, int set, int change) {
    for (int rank = 0; rank < case_.num_ranks(); ++rank) {
      if (set >> rank & 1) {
        free_[rank] += change;
        held_[rank] ^= 1U << order_[depth];
      }
    }
  }

  void add_tokens(int depth, int set) {
    inside_[depth + 1] = inside_[depth];
    for (int b = 0; b < case_.num_batches(); ++b) {
      for (int larger = set; larger < kSets; larger = (larger + 1) | set) {
        inside_[depth + 1][b][larger] += counts(b)[order_[depth]];
      }
    }
  }

  const PlacementCase& case_;
  std::vector<double> perfect_;  // [T] the least largest load that whole tokens allow
  std::vector<int> order_;       // [E] experts, heaviest first
  std::vector<std::array<std::vector<std::int32_t>, kMostBatches>> smallest_;
  std::vector<int> free_;            // [G] slots
  std::vector<std::uint32_t> held_;  // [G] experts, as bits
  std::vector<Sums> inside_;         // [E + 1] tokens of placed experts confined to each set of ranks
  double best_ = 0;
  std::int64_t num_visited_ = 0;
};

}  // namespace lplb::testing
