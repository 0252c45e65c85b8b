#pragma once

// What the device code of the solver is written against, so that the same text runs on a GPU and, thread by thread, in
// a test without one. `Simt` is a class of static functions:
//
//   lane, warp, thread, num_warps, num_threads   who runs
//   sync_warp, sync_block                        all lanes, or all threads, have come here and see each other's writes
//   shuffle(value, lane), ballot(flag), reduce_add/max/or(value)   over the 32 lanes of a warp, all of them present;
//                                                the low five bits of `lane` count
//   add(pointer, value), raise(pointer, value)   atomic sum (returns what was there) and maximum in the block's memory
//   copy_quad(to, from), wait_for_copies         16 bytes from device memory into the block's, as many as one likes on
//                                                their way at once; this thread's copies have come
//   lowest_bit(bits), count_bits(bits)

#include "base/unroll.h"

#if defined(__CUDACC__)
#define LPLB_DEVICE __device__ __forceinline__
#else
#define LPLB_DEVICE inline
#endif

namespace lplb::cuda {

inline constexpr int kWarpSize = 32;

/// A bound on waves and raises that only counts which are negative or too large can reach.
LPLB_DEVICE int max_rounds(int num_ranks) { return 4 * num_ranks * num_ranks + 64; }

/// tokens / n for n > 0, given reciprocal_of(n): the product is too small by one at most. A division proper takes a
/// hundred cycles.
LPLB_DEVICE unsigned divide(unsigned tokens, unsigned n, unsigned reciprocal) {
  const auto quotient = static_cast<unsigned>(static_cast<unsigned long long>(tokens) * reciprocal >> 32);
  return quotient + (tokens - quotient * n >= n ? 1 : 0);
}

LPLB_DEVICE int ceil_div(unsigned tokens, unsigned n, unsigned reciprocal) {
  const unsigned quotient = divide(tokens, n, reciprocal);
  return static_cast<int>(quotient + (quotient * n != tokens ? 1 : 0));
}

/// Half of the difference, or three quarters, each quotient towards zero. `quarter_mask` is 0 or ~0.
LPLB_DEVICE int wished_move(int difference, int quarter_mask) {
  return difference / 2 + (difference / 4 & quarter_mask);
}

}  // namespace lplb::cuda
