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

/// Rows of a kind, and whether a row is of the other.
template <class Block>
LPLB_WEIGHTED int num_extra_rows(const ImageHeader& h) {
  return Block::kPlain ? 0 : h.num_extra;
}
template <class Block>
LPLB_WEIGHTED bool is_time_row(const ImageHeader& h, int row) {
  return Block::kPlain || row < h.num_time_rows;
}

/// Column p of the constraints times `values` [rows]: with duals its price, with their step that of the price.
template <class Block>
LPLB_WEIGHTED double column_sum(const ImageView& image, int p, const double* values) {
  const ImageHeader& h = image.header;
  double sum = image.doubles(h.column_time)[p] * values[image.ints(h.column_row)[p]];
  LPLB_WEIGHTED_ROLL
  for (int r = 0; r < num_extra_rows<Block>(h); ++r) {
    sum += image.doubles(h.coefficient)[r * h.num_columns + p] * values[h.num_time_rows + r];
  }
  return sum;
}

/// f(i) for what falls to the calling thread. Such loops mostly run once.
template <class Block, class F>
LPLB_WEIGHTED void deal(const Block& block, int count, F f) {
  LPLB_WEIGHTED_ROLL
  for (int i = block.thread(); i < count; i += block.num_threads()) {
    f(i);
  }
}

/// f(p, q) for an expert's columns two at a time, so that their chains of operations overlap; q == p is the last of an
/// odd number. What f stores it must have computed from what it loaded before.
template <class F>
LPLB_WEIGHTED void for_pairs(int begin, int end, F f) {
  LPLB_WEIGHTED_ROLL
  for (int p = begin; p < end; p += 2) {
    f(p, smaller(p + 1, end - 1));
  }
}

struct Batch {
  const Tokens* counts;     // [E]
  const double* base_time;  // [G] or null
  const double* row_bound;  // [R]
  double tolerance;
  std::int32_t max_iterations;
};

}  // namespace lplb::weighted
