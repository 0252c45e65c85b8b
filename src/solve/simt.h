#pragma once

// What the device code of the solver is written against, so that the same text runs on a GPU and, thread by thread, in
// a test without one. `Simt` is a class of static functions:
//
//   lane, warp, thread, num_warps, num_threads   who runs
//   sync_warp, sync_block                        all lanes, or all threads, have come here and see each other's writes
//   shuffle(value, lane), ballot(flag), reduce_add/max/or(value)   over the 32 lanes of a warp, all of them present
//   uniform(value)                               a value that all lanes have, known as such to the compiler
//   add(pointer, value), raise(pointer, value)   atomic sum (returns what was there) and maximum in the block's memory
//   lowest_bit(bits), count_bits(bits)

#if defined(__CUDACC__)
#define LPLB_DEVICE __device__ __forceinline__
#define LPLB_UNROLL _Pragma("unroll")
#define LPLB_ROLL _Pragma("unroll 1")
#define LPLB_UNROLL_BY_4 _Pragma("unroll 4")
#else
#define LPLB_DEVICE inline
#define LPLB_UNROLL
#define LPLB_ROLL
#define LPLB_UNROLL_BY_4
#endif

namespace lplb::cuda {

inline constexpr int kWarpSize = 32;
inline constexpr int kMaxSweeps = 12;
inline constexpr int kScratchPerRank = 3;

/// Work and outcome of one component.
struct SolveOutcome {
  int target = 0;  // the proved bound
  int num_sweeps = 0;
  int num_waves = 0;
  int num_raises = 0;
};

/// What a component's warp reads and writes; ranks by their number in the placement.
struct SolveArrays {
  const unsigned* image;   // SolveHeader and what follows
  const int* class_total;  // [num_classes]
  const int* fixed_load;   // [G] base load and tokens that cannot move
  int* load;               // [G] out
  int* in_bottleneck;      // [G] out
  int* amounts;            // [num_amounts] out
  int* scratch;            // of this warp: kScratchPerRank words a rank of the largest component, in whole warps
};

template <class T>
LPLB_DEVICE const T* section(const unsigned* image, int offset) {
  return reinterpret_cast<const T*>(image + offset);
}

/// A bound on waves and raises that only counts which are negative or too large can reach.
LPLB_DEVICE int max_rounds(int num_ranks) { return 4 * num_ranks * num_ranks + 64; }

/// ceil(tokens / n).
LPLB_DEVICE int ceil_div(unsigned tokens, unsigned n) { return static_cast<int>((tokens + n - 1) / n); }

/// Half of the difference, or three quarters, each quotient towards zero. `quarter_mask` is 0 or ~0.
LPLB_DEVICE int wished_move(int difference, int quarter_mask) {
  return difference / 2 + (difference / 4 & quarter_mask);
}

}  // namespace lplb::cuda
