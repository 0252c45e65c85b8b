#pragma once

// What a block works on beside its memory: the prepared image, and the batch.

#include <cstdint>

#include "weighted/block.h"
#include "weighted/memory.h"
#include "weighted/weighted_image.h"

namespace lplb::weighted {

/// The image where the block reads it.
struct ImageView {
  const ImageHeader& header;
  const std::uint32_t* words;

  LPLB_WEIGHTED const std::int32_t* ints(int offset) const {
    return reinterpret_cast<const std::int32_t*>(words + offset);
  }
  LPLB_WEIGHTED const double* doubles(int offset) const { return reinterpret_cast<const double*>(words + offset); }
};

struct Batch {
  const Tokens* counts;     // [E]
  const double* base_time;  // [G] or null
  const double* row_bound;  // [R]
  double tolerance;
  std::int32_t max_iterations;
};

}  // namespace lplb::weighted
