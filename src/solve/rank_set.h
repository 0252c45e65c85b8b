#pragma once

// Sets of ranks of a component as bits, the same in all lanes of a warp: rank l + 32 i is bit l of word i. With what
// both solvers ask of all ranks together.

#include <algorithm>
#include <cstdint>

#include "solve/simt.h"
#include "solve/solve_image.h"

namespace lplb::cuda {

template <class Simt, int kWords>
struct RankSet {
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
  LPLB_DEVICE void remove(int rank) {
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      word[i] &= kWords == 1 || rank / kWarpSize == i ? ~(1U << (rank & (kWarpSize - 1))) : ~0U;
    }
  }
  /// The lowest rank, -1 when there is none.
  LPLB_DEVICE int lowest() const {
    int rank = -1;
    LPLB_UNROLL
    for (int i = kWords - 1; i >= 0; --i) {
      rank = word[i] != 0 ? i * kWarpSize + Simt::lowest_bit(word[i]) : rank;
    }
    return rank;
  }

  /// ceil(sum of the values of these ranks / their number).
  LPLB_DEVICE int ceil_mean(const int (&values)[kWords]) const {
    int total = 0;
    int size = 0;
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      total += has_own(i, Simt::lane()) ? values[i] : 0;
      size += Simt::count_bits(word[i]);
    }
    return ceil_div(Simt::reduce_add(total), size);
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

  LPLB_DEVICE static int ceil_mean_of_all(unsigned total, const SolveTask& task) {
    const auto high = static_cast<unsigned>(static_cast<std::uint64_t>(total) * task.multiplier >> 32);
    const unsigned mean = high >> task.shift;
    return static_cast<int>(mean + (mean * task.num_ranks != total ? 1 : 0));
  }

  /// The first bound and what proves it: all ranks their mean, or the fullest one the load that it cannot lose.
  LPLB_DEVICE static RankSet start_bound(const int (&load)[kWords], const int (&fixed)[kWords], const SolveTask& task,
                                         int& target) {
    RankSet all;
    RankSet fullest;
    const int most = largest(fixed);
    int total = 0;
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      total += load[i];
      const bool is_rank = Simt::lane() + i * kWarpSize < task.num_ranks;
      all.word[i] = Simt::ballot(is_rank);
      fullest.word[i] = Simt::ballot(is_rank && fixed[i] == most);
    }
    target = ceil_mean_of_all(Simt::reduce_add(total), task);
    if (most <= target) {
      return all;
    }
    target = most;
    RankSet one;
    one.add_if(true, fullest.lowest());
    return one;
  }
};

}  // namespace lplb::cuda
