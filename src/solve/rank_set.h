#pragma once

// Sets of ranks of a component as bits, the same in all lanes of a warp: rank l + 32 i is bit l of word i. With what
// both solvers ask of all ranks together.

#include <algorithm>

#include "solve/simt.h"

namespace lplb::cuda {

template <class Simt, int kWords>
struct alignas(kWords * sizeof(unsigned)) RankSet {
  unsigned word[kWords] = {};

  LPLB_DEVICE bool is_empty() const {
    unsigned any = 0;
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      any |= word[i];
    }
    return any == 0;
  }
  LPLB_DEVICE RankSet joined(const RankSet& other) const {
    RankSet result;
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      result.word[i] = word[i] | other.word[i];
    }
    return result;
  }
  LPLB_DEVICE RankSet common(const RankSet& other) const {
    RankSet result;
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      result.word[i] = word[i] & other.word[i];
    }
    return result;
  }
  LPLB_DEVICE RankSet without(const RankSet& other) const {
    RankSet result;
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      result.word[i] = word[i] & ~other.word[i];
    }
    return result;
  }
  LPLB_DEVICE bool meets(const RankSet& other) const { return !common(other).is_empty(); }
  LPLB_DEVICE bool has_own(int i, int lane) const { return (word[i] >> lane & 1) != 0; }
  LPLB_DEVICE bool has(int rank) const {
    unsigned bits = word[0];
    LPLB_UNROLL
    for (int i = 1; i < kWords; ++i) {
      bits = rank >= i * kWarpSize ? word[i] : bits;
    }
    return (bits >> (rank & (kWarpSize - 1)) & 1) != 0;
  }
  LPLB_DEVICE void add_if(bool flag, int rank) {
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      word[i] |= flag && (kWords == 1 || rank / kWarpSize == i) ? 1U << (rank & (kWarpSize - 1)) : 0;
    }
  }
  /// The lowest rank of a set that has one.
  LPLB_DEVICE int lowest() const {
    unsigned bits = word[kWords - 1];
    int first = (kWords - 1) * kWarpSize;
    LPLB_UNROLL
    for (int i = kWords - 2; i >= 0; --i) {
      first = word[i] != 0 ? i * kWarpSize : first;
      bits = word[i] != 0 ? word[i] : bits;
    }
    return first + Simt::lowest_bit(bits);
  }
  LPLB_DEVICE void remove_lowest() {
    bool is_removed = false;
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      const unsigned others = word[i] & (word[i] - 1);
      const bool is_here = word[i] != 0;
      word[i] = is_removed ? word[i] : others;
      is_removed = is_removed || is_here;
    }
  }

  LPLB_DEVICE unsigned size() const {
    int size = 0;
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      size += Simt::count_bits(word[i]);
    }
    return static_cast<unsigned>(size);
  }
  /// Ranks 0..n-1.
  LPLB_DEVICE static RankSet first(int n) {
    RankSet result;
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      const int left = n - i * kWarpSize;
      result.word[i] = left >= kWarpSize ? ~0U : left > 0 ? (1U << left) - 1 : 0;
    }
    return result;
  }

  LPLB_DEVICE static unsigned total(const int (&values)[kWords]) {
    unsigned sum = 0;
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      sum += static_cast<unsigned>(values[i]);
    }
    return Simt::reduce_add(sum);
  }
  LPLB_DEVICE unsigned total_of(const int (&values)[kWords]) const {
    int own[kWords];
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      own[i] = has_own(i, Simt::lane()) ? values[i] : 0;
    }
    return total(own);
  }

  LPLB_DEVICE static int largest(const int (&values)[kWords]) {
    int most = values[0];
    LPLB_UNROLL
    for (int i = 1; i < kWords; ++i) {
      most = std::max(most, values[i]);
    }
    return Simt::reduce_max(most);
  }

  /// `start` and all that its ranks reach over the sets that `outlets` holds of each rank.
  LPLB_DEVICE static RankSet closure(const RankSet& start, const RankSet (&outlets)[kWords]) {
    RankSet closed = start;
    bool is_growing = true;
    LPLB_ROLL
    while (is_growing) {
      RankSet seen;
      LPLB_UNROLL
      for (int i = 0; i < kWords; ++i) {
        seen = closed.has_own(i, Simt::lane()) ? seen.joined(outlets[i]) : seen;
      }
      LPLB_UNROLL
      for (int i = 0; i < kWords; ++i) {
        seen.word[i] = Simt::reduce_or(seen.word[i]);
      }
      is_growing = !seen.without(closed).is_empty();
      closed = closed.joined(seen);
    }
    return closed;
  }
};

}  // namespace lplb::cuda
