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

/// A rank's base load and tokens that cannot move, in parts that are to be added up.
struct alignas(16) FixedLoad {
  int part[4];
  LPLB_DEVICE int sum() const { return part[0] + part[1] + (part[2] + part[3]); }
};

/// What a component's warp reads and writes; ranks by their number in the placement.
struct SolveArrays {
  const unsigned* image;        // SolveHeader and what follows
  const int* tokens;            // [E + 1] of experts, and 0 for none; then [num_totals] of classes
  const int* class_total;       // [num_totals] the second part
  const FixedLoad* fixed_load;  // [G], and 0 for none
  int* load;                    // [G] out
  int* in_bottleneck;           // [G] out
  int* amounts;                 // [num_amounts] out
  int* scratch;                 // of this warp: scratch_words() of the largest component, in whole warps
};

}  // namespace lplb::cuda
