#pragma once

// What the warp of a component is given and what it returns.

#include "solve/simt.h"
#include "solve/solve_image.h"

namespace lplb::cuda {

/// Words that a warp needs for itself, where its lanes have so many ranks.
constexpr int scratch_words(int num_ranks) { return 4 * (num_ranks + 2); }

/// Work and outcome of one component.
struct alignas(16) SolveOutcome {
  int target = 0;  // the proved bound
  int num_sweeps = 0;
  int num_waves = 0;
  int num_raises = 0;
};

template <class T>
LPLB_DEVICE const T* section(const unsigned* image, int offset) {
  return reinterpret_cast<const T*>(image + offset);
}

/// What a component's warp reads and writes; ranks by their number in the placement, unless said otherwise.
struct SolveArrays {
  const unsigned* image;  // SolveHeader and what follows
  char* tokens;           // by place_of_tokens
  const int* fixed_load;  // [G] that cannot move, by component
  int* shares;            // [G] sums of the even shares, by component
  int* load;              // [G] out
  int* in_bottleneck;     // [G] out
  int* amounts;           // [num_amounts] out
  int* scratch;           // of this warp: scratch_words() of the largest component, in whole warps

  LPLB_DEVICE int& tokens_at(unsigned place) const { return *reinterpret_cast<int*>(tokens + place); }
};

}  // namespace lplb::cuda
