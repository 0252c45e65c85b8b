#pragma once

// The doubles of a block: which arrays there are, and where each begins.

#include <cstdint>

#include "weighted/block.h"
#include "weighted/weighted_image.h"

namespace lplb::weighted {

/// What all threads of a block read.
struct Scalars {
  double time;              // largest time that the iterate allows
  double time_step;         // its step
  double first_step;        // and that before a refinement
  double largest_base;      // no split is faster
  double products_inverse;  // 1 / number of pairs of a variable and its slack
};

/// Where the arrays of a block begin, in doubles, and how many there are of them in all. Made on the host: a kernel has
/// it among its arguments, and keeps no addresses in registers.
struct MemoryLayout {
  std::int32_t pivot_row;      // [2, pivot_doubles] that is being swept out, and the next; at 16 bytes
  std::int32_t tokens;         // [J] of the shared experts
  std::int32_t spread;         // [J] 1 / sum of the weights of the expert's columns
  std::int32_t wish;           // [J] sum of their wished steps
  std::int32_t rank_base;      // [G] time that cannot move
  std::int32_t partial;        // [max(G, threads)] parts of it
  std::int32_t scalars;        // Scalars
  std::int32_t x;              // [n] tokens of the column
  std::int32_t z;              // [n] its dual slack
  std::int32_t z_inverse;      // [n] and 1 / z
  std::int32_t weight;         // [n] x / z
  std::int32_t part;           // [n] weight / sum of the expert's weights
  std::int32_t left;           // [n] part * time, and
  std::int32_t right;          // [n] weight * time: what a pair contributes to the matrix is their product
  std::int32_t work;           // [n] diagonal of the matrix, then z's relative step
  std::int32_t move;           // [n] step of x
  std::int32_t base;           // [m] time that cannot move; -bound of extra rows, less what cannot move
  std::int32_t slack;          // [m]
  std::int32_t dual;           // [m]
  std::int32_t dual_inverse;   // [m] 1 / dual
  std::int32_t excess;         // [m] by which the slack is larger than what the tokens leave of the row
  std::int32_t size;           // [m] of an extra row: |bound| + sum of |value| * tokens
  std::int32_t fixed;          // [m] of an extra row: the part of its size that no share changes
  std::int32_t ratio;          // [m] slack / dual
  std::int32_t target;         // [m] wished step of the slack
  std::int32_t rhs;            // [m]
  std::int32_t relative;       // [m] dual's relative step
  std::int32_t ones;           // [m] matrix^-1 of the time rows' ones
  std::int32_t step;           // [m] step of the duals
  std::int32_t least_pivot;    // [m] a pivot below it is taken for rounding
  std::int32_t mean;           // [R, J] weighted mean of a row's coefficients over the expert's columns
  std::int32_t matrix;         // [num_elements]
  std::int32_t pivot_doubles;  // of one of the two pivot rows
  std::int32_t num_doubles;
};

/// `pivot_doubles`: see SweptRows in normal_matrix.h.
constexpr MemoryLayout lay_out_memory(const ImageHeader& h, int num_threads, int pivot_doubles) {
  std::int32_t next = 0;
  const auto take = [&next](int size) {
    const std::int32_t begin = next;
    next += size;
    return begin;
  };
  return {.pivot_row = take(2 * pivot_doubles),
          .tokens = take(h.num_experts),
          .spread = take(h.num_experts),
          .wish = take(h.num_experts),
          .rank_base = take(h.num_ranks),
          .partial = take(h.num_ranks < num_threads ? num_threads : h.num_ranks),
          .scalars = take(sizeof(Scalars) / sizeof(double)),
          .x = take(h.num_columns),
          .z = take(h.num_columns),
          .z_inverse = take(h.num_columns),
          .weight = take(h.num_columns),
          .part = take(h.num_columns),
          .left = take(h.num_columns),
          .right = take(h.num_columns),
          .work = take(h.num_columns),
          .move = take(h.num_columns),
          .base = take(h.num_rows),
          .slack = take(h.num_rows),
          .dual = take(h.num_rows),
          .dual_inverse = take(h.num_rows),
          .excess = take(h.num_rows),
          .size = take(h.num_rows),
          .fixed = take(h.num_rows),
          .ratio = take(h.num_rows),
          .target = take(h.num_rows),
          .rhs = take(h.num_rows),
          .relative = take(h.num_rows),
          .ones = take(h.num_rows),
          .step = take(h.num_rows),
          .least_pivot = take(h.num_rows),
          .mean = take(h.num_extra * h.num_experts),
          .matrix = take(h.num_elements),
          .pivot_doubles = pivot_doubles,
          .num_doubles = next};
}

/// Doubles that a block needs beside the image.
struct Memory {
  const MemoryLayout& at;
  double* doubles;

  LPLB_WEIGHTED double* tokens() const { return doubles + at.tokens; }
  LPLB_WEIGHTED double* spread() const { return doubles + at.spread; }
  LPLB_WEIGHTED double* wish() const { return doubles + at.wish; }
  LPLB_WEIGHTED double* rank_base() const { return doubles + at.rank_base; }
  LPLB_WEIGHTED double* partial() const { return doubles + at.partial; }
  LPLB_WEIGHTED Scalars& scalars() const { return *reinterpret_cast<Scalars*>(doubles + at.scalars); }
  LPLB_WEIGHTED double* x() const { return doubles + at.x; }
  LPLB_WEIGHTED double* z() const { return doubles + at.z; }
  LPLB_WEIGHTED double* z_inverse() const { return doubles + at.z_inverse; }
  LPLB_WEIGHTED double* weight() const { return doubles + at.weight; }
  LPLB_WEIGHTED double* part() const { return doubles + at.part; }
  LPLB_WEIGHTED double* left() const { return doubles + at.left; }
  LPLB_WEIGHTED double* right() const { return doubles + at.right; }
  LPLB_WEIGHTED double* work() const { return doubles + at.work; }
  LPLB_WEIGHTED double* move() const { return doubles + at.move; }
  LPLB_WEIGHTED double* base() const { return doubles + at.base; }
  LPLB_WEIGHTED double* slack() const { return doubles + at.slack; }
  LPLB_WEIGHTED double* dual() const { return doubles + at.dual; }
  LPLB_WEIGHTED double* dual_inverse() const { return doubles + at.dual_inverse; }
  LPLB_WEIGHTED double* excess() const { return doubles + at.excess; }
  LPLB_WEIGHTED double* size() const { return doubles + at.size; }
  LPLB_WEIGHTED double* fixed() const { return doubles + at.fixed; }
  LPLB_WEIGHTED double* ratio() const { return doubles + at.ratio; }
  LPLB_WEIGHTED double* target() const { return doubles + at.target; }
  LPLB_WEIGHTED double* rhs() const { return doubles + at.rhs; }
  LPLB_WEIGHTED double* relative() const { return doubles + at.relative; }
  LPLB_WEIGHTED double* ones() const { return doubles + at.ones; }
  LPLB_WEIGHTED double* step() const { return doubles + at.step; }
  LPLB_WEIGHTED double* least_pivot() const { return doubles + at.least_pivot; }
  LPLB_WEIGHTED double* pivot_row() const { return doubles + at.pivot_row; }
  LPLB_WEIGHTED double* mean() const { return doubles + at.mean; }
  LPLB_WEIGHTED double* matrix() const { return doubles + at.matrix; }
};

}  // namespace lplb::weighted
