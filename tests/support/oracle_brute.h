#pragma once

// The optimum of a split from its closed form, max over non-empty sets S of live ranks of
// ceil((base(S) + tokens of experts with R_e inside S) / |S|), by going over all 2^G sets. The sums over subsets come
// from the subset-sum (zeta) transform, O(G 2^G).

#include <algorithm>
#include <bit>
#include <vector>

#include "support/instance.h"

namespace lplb::testing {

inline constexpr int kMaxBruteRanks = 12;

/// At most kMaxBruteRanks live ranks.
inline Tokens brute_force_optimum(const Instance& instance) {
  std::vector<int> live_idx(instance.placement.num_ranks(), -1);
  int num_live = 0;
  for (int rank = 0; rank < instance.placement.num_ranks(); ++rank) {
    live_idx[rank] = instance.is_live(rank) ? num_live++ : -1;
  }
  const std::size_t num_sets = std::size_t{1} << num_live;
  std::vector<std::int64_t> inside(num_sets);  // tokens that cannot leave the set
  for (int rank = 0; rank < instance.placement.num_ranks(); ++rank) {
    if (live_idx[rank] >= 0) {
      inside[std::size_t{1} << live_idx[rank]] += instance.base(rank);
    }
  }
  for (int expert = 0; expert < instance.placement.num_logical(); ++expert) {
    std::size_t set = 0;
    for (const int rank : live_ranks_of(instance.placement, instance.live, expert)) {
      set |= std::size_t{1} << live_idx[rank];
    }
    inside[set] += instance.counts[expert];
  }
  for (std::size_t bit = 1; bit < num_sets; bit <<= 1) {
    for (std::size_t set = 0; set < num_sets; ++set) {
      if ((set & bit) != 0) {
        inside[set] += inside[set ^ bit];
      }
    }
  }
  std::int64_t optimum = 0;
  for (std::size_t set = 1; set < num_sets; ++set) {
    const std::int64_t size = std::popcount(set);
    optimum = std::max(optimum, (inside[set] + size - 1) / size);
  }
  return static_cast<Tokens>(optimum);
}

}  // namespace lplb::testing
