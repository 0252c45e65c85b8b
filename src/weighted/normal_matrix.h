#pragma once

// The normal matrix of a Newton step and its inverse. With the experts' equality rows eliminated it is
//
//     M = diag(slack / dual) + sum over experts of sum over pairs p < q of their columns of
//         theta_pq (b_p - b_q)(b_p - b_q)^T,    theta_pq = weight_p weight_q / sum of the expert's weights,
//
// b_p being column p of the time rows and extra rows: written so, nothing cancels. It is inverted in place by the
// symmetric sweep (Goodnight, A tutorial on the SWEEP operator, 1979): its pivots are those of Cholesky's
// factorization, its steps are half as many as those of factoring and substituting, and a solve is then one product,
// not a chain of substitutions. Blocks are swept side by side.

#include <cstdint>

#include "weighted/problem.h"

namespace lplb::weighted {

template <class Block>
class NormalMatrix {
 public:
  LPLB_WEIGHTED NormalMatrix(Block& block, const ImageView& image, const Memory& memory)
      : block_(block), image_(image), h_(image.header), m_(memory) {}

  /// Leaves -M^-1 in memory.matrix. Reads weight, part, left, right, work (the diagonal's columns), ratio, mean.
  /// `shift` is added between all time rows: with only steps whose sum over them is 0 that changes no step, and makes
  /// up for the direction in which the matrix all but vanishes near the optimum. It takes a single block.
  LPLB_WEIGHTED void assemble_and_invert(double shift) {
    shift_ = shift;
    if constexpr (Block::kTile == 0) {
      invert(m_.matrix);
    } else {
      double tile[Block::kTile];
      invert(tile);
    }
  }

 private:
  static constexpr int kTile = Block::kTile;

  /// An element's place: row, column, first row and number of rows of its block.
  struct Place {
    LPLB_WEIGHTED explicit Place(std::uint32_t word)
        : i(static_cast<int>(word & 255)),
          j(static_cast<int>(word >> 8 & 255)),
          first(static_cast<int>(word >> 16 & 255)),
          size(static_cast<int>(word >> 24)) {}
    int i;
    int j;
    int first;
    int size;
  };

  /// Calls f(value, element, place) for each element of this thread.
  template <class F>
  LPLB_WEIGHTED void for_each_element(double* tile, F f) {
    const std::uint32_t* const words = image_.words + h_.element;
    if constexpr (kTile == 0) {
      for (int e = block_.thread(); e < h_.num_elements; e += block_.num_threads()) {
        f(tile[e], e, Place(words[e]));
      }
    } else {
      LPLB_WEIGHTED_UNROLL
      for (int t = 0; t < kTile; ++t) {
        const int e = block_.thread() + t * block_.num_threads();
        if (e < h_.num_elements) {
          f(tile[t], e, Place(words[e]));
        }
      }
    }
  }

  LPLB_WEIGHTED void invert(double* tile) {
    for_each_element(tile, [this](double& value, int e, const Place& at) {
      value = assemble(e, at.i, at.j);
      if (at.i == at.j) {
        m_.solved[at.i] = value * kSmallestPivot;
      }
      publish(value, 0, at);
    });
    block_.sync();
    LPLB_WEIGHTED_ROLL
    for (int k = 0; k < h_.num_steps; ++k) {
      const double* const row = m_.pivot_row + (k % 2) * h_.num_rows;
      const double* const inverses = m_.pivot_inverse + (k % 2) * h_.num_rows;
      for_each_element(tile, [this, row, inverses, k](double& value, int, const Place& at) {
        if (k < at.size) {
          value = sweep(value, row[at.i], row[at.j], inverses[at.first], at, at.first + k);
          publish(value, k + 1, at);
        }
      });
      block_.sync();
    }
    if constexpr (kTile != 0) {
      for_each_element(tile, [this](double& value, int e, const Place&) { m_.matrix[e] = value; });
      block_.sync();
    }
  }

  /// One step for one element: the pivot's row and column take the place of what they are divided by, all others lose
  /// their product.
  LPLB_WEIGHTED static double sweep(double value, double row_i, double row_j, double inverse, const Place& at,
                                    int pivot) {
    const double left = at.i == pivot ? (at.j == pivot ? -1.0 : row_j) : (at.j == pivot ? row_i : -row_i * row_j);
    return left * inverse + (at.i == pivot || at.j == pivot ? 0 : value);
  }

  /// Row k of a block is the pivot row of step k. The thread that has its pivot divides once for all.
  LPLB_WEIGHTED void publish(double value, int k, const Place& at) {
    if (at.i == at.first + k) {
      m_.pivot_row[(k % 2) * h_.num_rows + at.j] = value;
      if (at.j == at.i) {
        m_.pivot_inverse[(k % 2) * h_.num_rows + at.first] = Block::inverse(larger(value, m_.solved[at.i]));
      }
    }
  }

  LPLB_WEIGHTED double assemble(int e, int i, int j) const {
    if (i >= h_.num_time_rows || j >= h_.num_time_rows) {
      return assemble_extra(i, j);
    }
    double value = shift_;
    if (i == j) {
      value += m_.ratio[i];
      if (i < h_.num_rank_rows) {
        const std::int32_t* const columns = image_.ints(h_.row_column);
        for (int c = image_.ints(h_.row_columns)[i]; c < image_.ints(h_.row_columns)[i + 1]; ++c) {
          value += m_.work[columns[c]];
        }
      }
    }
    const std::int32_t* const begin = image_.ints(h_.element_pairs) + e;
    for (int k = begin[0]; k < begin[1]; ++k) {
      const std::uint32_t pair = image_.words[h_.pair + k];
      value -= m_.left[pair & 0xffff] * m_.right[pair >> 16];
    }
    return value;
  }

  /// Rows of coefficients, centred on their weighted mean over each expert.
  LPLB_WEIGHTED double assemble_extra(int i, int j) const {
    const int extra = larger(i, j) - h_.num_time_rows;
    const int other = smaller(i, j);
    double value = i == j ? m_.ratio[i] : 0;
    if (other >= h_.num_time_rows) {
      const double* const coefficients = image_.doubles(h_.coefficient) + (other - h_.num_time_rows) * h_.num_columns;
      for (int p = 0; p < h_.num_columns; ++p) {
        value += centred(extra, p) * m_.weight[p] * coefficients[p];
      }
    } else if (other < h_.num_rank_rows) {
      for (int c = image_.ints(h_.row_columns)[other]; c < image_.ints(h_.row_columns)[other + 1]; ++c) {
        const int p = image_.ints(h_.row_column)[c];
        value += centred(extra, p) * m_.right[p];
      }
    }
    return value;
  }

  LPLB_WEIGHTED double centred(int extra, int p) const {
    const int expert = image_.ints(h_.column_expert)[p];
    return image_.doubles(h_.coefficient)[extra * h_.num_columns + p] - m_.mean[extra * h_.num_experts + expert];
  }

  /// Part of its diagonal element under which a pivot is taken for rounding.
  static constexpr double kSmallestPivot = 1e-15;

  Block& block_;
  const ImageView& image_;
  const ImageHeader& h_;
  const Memory& m_;
  double shift_ = 0;
};

}  // namespace lplb::weighted
