#pragma once

// What a block works on: the prepared image, the batch, and its own memory.

#include <cstdint>

#include "weighted/block.h"
#include "weighted/weighted_image.h"

namespace lplb::weighted {

/// The image where the block reads it.
struct ImageView {
  ImageHeader header;
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

/// Doubles that a block needs beside the image. Arrays of columns, then of rows, then the matrix.
struct Memory {
  double* tokens;         // [J] of the shared experts,
  double* spread;         // [J] 1 / sum of the weights of their columns,
  double* wish;           // [J] and sum of the columns' wished steps
  double* rank_base;      // [G] time that cannot move
  double* partial;        // [max(G, threads)] of it
  double* scalar;         // [3] largest time that the iterate allows, its step, and that before a refinement
  double* x;              // [n] tokens of the column, and
  double* z;              // its dual slack
  double* weight;         // [n] x / z
  double* part;           // [n] weight / sum of the expert's weights
  double* left;           // [n] part * time, and
  double* right;          // weight * time: what a pair contributes to the matrix is their product
  double* work;           // [n] diagonal of the matrix, then z's relative step
  double* move;           // [n] step of x
  double* base;           // [m] time that cannot move; -bound of extra rows, less what cannot move
  double* slack;          // [m]
  double* dual;           // [m]
  double* excess;         // [m] by which the slack is larger than what the tokens leave of the row
  double* size;           // [m] of an extra row: |bound| + sum of |value| * tokens
  double* fixed;          // [m] of an extra row: the part of its size that no share changes
  double* ratio;          // [m] slack / dual
  double* target;         // [m] wished step of the slack
  double* rhs;            // [m]
  double* relative;       // [m] dual's relative step
  double* solved;         // [m] matrix^-1 rhs
  double* ones;           // [m] matrix^-1 of the time rows' ones
  double* step;           // [m] step of the duals
  double* pivot_row;      // [2, m]
  double* pivot_inverse;  // [2, m], of the block that begins in the row
  double* mean;           // [R, J] weighted mean of a row's coefficients over the expert's columns
  double* matrix;         // [num_elements]

  static constexpr int kExpertArrays = 3;
  static constexpr int kColumnArrays = 8;
  static constexpr int kRowArrays = 17;  // the two of pivots count twice
};

constexpr std::int64_t memory_doubles(const ImageHeader& h, int num_threads) {
  return 3 + h.num_ranks + (h.num_ranks < num_threads ? num_threads : h.num_ranks) +
         std::int64_t{Memory::kExpertArrays} * h.num_experts + std::int64_t{Memory::kColumnArrays} * h.num_columns +
         std::int64_t{Memory::kRowArrays} * h.num_rows + std::int64_t{h.num_extra} * h.num_experts + h.num_elements;
}

LPLB_WEIGHTED Memory lay_out_memory(const ImageHeader& h, int num_threads, double* next) {
  const auto take = [&next](int size) {
    double* const begin = next;
    next += size;
    return begin;
  };
  return {.tokens = take(h.num_experts),
          .spread = take(h.num_experts),
          .wish = take(h.num_experts),
          .rank_base = take(h.num_ranks),
          .partial = take(larger(h.num_ranks, num_threads)),
          .scalar = take(3),
          .x = take(h.num_columns),
          .z = take(h.num_columns),
          .weight = take(h.num_columns),
          .part = take(h.num_columns),
          .left = take(h.num_columns),
          .right = take(h.num_columns),
          .work = take(h.num_columns),
          .move = take(h.num_columns),
          .base = take(h.num_rows),
          .slack = take(h.num_rows),
          .dual = take(h.num_rows),
          .excess = take(h.num_rows),
          .size = take(h.num_rows),
          .fixed = take(h.num_rows),
          .ratio = take(h.num_rows),
          .target = take(h.num_rows),
          .rhs = take(h.num_rows),
          .relative = take(h.num_rows),
          .solved = take(h.num_rows),
          .ones = take(h.num_rows),
          .step = take(h.num_rows),
          .pivot_row = take(2 * h.num_rows),
          .pivot_inverse = take(2 * h.num_rows),
          .mean = take(h.num_extra * h.num_experts),
          .matrix = take(h.num_elements)};
}

}  // namespace lplb::weighted
