#pragma once

// Pouring a class into its ranks: rank i ends at max(floor_i, level), with the tokens that whole levels leave over on
// the lowest ranks. Floors above the level are left out until none stands out; the level only sinks on the way.

#include <algorithm>

#include "solve/rank_set.h"
#include "solve/simt.h"

namespace lplb::cuda {

/// tokens / n for small n: a division proper takes a hundred cycles.
LPLB_DEVICE unsigned divide_small(unsigned tokens, unsigned n) {
  if (n > 4) {
    return tokens / n;
  }
  const unsigned half = tokens / 2;
  return n == 3 ? tokens / 3 : n == 4 ? half / 2 : n == 2 ? half : tokens;
}

struct alignas(16) FourFloors {
  int floor[4];
};

/// What member `own` of up to four gets of `tokens`, as it computes alone from the floors of all, by ascending ranks.
LPLB_DEVICE int poured(const FourFloors& floors, int n, int own, int tokens) {
  unsigned under = (1U << n) - 1;  // members that stand under water
  unsigned volume = 0;
  int size = n;
  int level = 0;
  LPLB_ROLL
  for (bool is_done = false; !is_done;) {
    volume = tokens;
    LPLB_UNROLL
    for (int i = 0; i < 4; ++i) {
      volume += (under >> i & 1) != 0 ? floors.floor[i] : 0;
    }
    level = static_cast<int>(divide_small(volume, size));
    unsigned still = 0;
    int num_still = 0;
    LPLB_UNROLL
    for (int i = 0; i < 4; ++i) {
      const bool is_under = (under >> i & 1) != 0 && floors.floor[i] <= level;
      still |= is_under ? 1U << i : 0;
      num_still += is_under ? 1 : 0;
    }
    is_done = still == under || still == 0;
    under = is_done ? under : still;
    size = is_done ? size : num_still;
  }
  const auto rest = static_cast<int>(volume - static_cast<unsigned>(level) * static_cast<unsigned>(size));
  int own_floor = floors.floor[0];
  int num_lower = 0;
  LPLB_UNROLL
  for (int i = 0; i < 4; ++i) {
    own_floor = i == own ? floors.floor[i] : own_floor;
    num_lower += i < own && (under >> i & 1) != 0 ? 1 : 0;
  }
  return (under >> own & 1) != 0 ? level - own_floor + (num_lower < rest ? 1 : 0) : 0;
}

/// The same for any class, by all lanes together.
template <class Simt, int kWords>
class WaterLevel {
  using Ranks = RankSet<Simt, kWords>;

 public:
  LPLB_DEVICE WaterLevel(const Ranks& members, const int (&floor)[kWords], int tokens) : under_(members) {
    LPLB_ROLL
    for (bool is_done = false; !is_done;) {
      int below = 0;
      int size = 0;
      LPLB_UNROLL
      for (int i = 0; i < kWords; ++i) {
        below += under_.has_own(i, Simt::lane()) ? floor[i] : 0;
        size += Simt::count_bits(under_.word[i]);
      }
      const unsigned volume = tokens + Simt::reduce_add(below);
      level_ = static_cast<int>(volume / static_cast<unsigned>(size));
      rest_ = static_cast<int>(volume - static_cast<unsigned>(level_) * static_cast<unsigned>(size));
      Ranks still;
      LPLB_UNROLL
      for (int i = 0; i < kWords; ++i) {
        still.word[i] = Simt::ballot(under_.has_own(i, Simt::lane()) && floor[i] <= level_);
      }
      is_done = under_.without(still).is_empty() || still.is_empty();
      under_ = is_done ? under_ : still;
    }
  }

  /// Tokens on rank i of this lane, a member.
  LPLB_DEVICE int poured_on(int i, int floor) const {
    int num_lower = 0;
    LPLB_UNROLL
    for (int word = 0; word < kWords; ++word) {
      const unsigned lower = word < i ? ~0U : word == i ? (1U << Simt::lane()) - 1 : 0;
      num_lower += Simt::count_bits(under_.word[word] & lower);
    }
    return under_.has_own(i, Simt::lane()) ? level_ - floor + (num_lower < rest_ ? 1 : 0) : 0;
  }

 private:
  Ranks under_;  // members that stand under water
  int level_ = 0;
  int rest_ = 0;
};

}  // namespace lplb::cuda
