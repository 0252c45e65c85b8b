#pragma once

// The normal matrix of a Newton step and its inverse. With the experts' equality rows eliminated it is
//
//     M = diag(slack / dual) + sum over experts of sum over pairs p < q of their columns of
//         theta_pq (b_p - b_q)(b_p - b_q)^T,    theta_pq = weight_p weight_q / sum of the expert's weights,
//
// b_p being column p of the time rows and extra rows: written so, nothing cancels. Most of its elements are 0, so that
// the others have a list.

#include <cstdint>

#include "weighted/problem.h"
#include "weighted/sweep.h"

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
    LPLB_WEIGHTED_UNROLL_4
    for (int e = block_.thread(); e < h_.num_elements; e += block_.num_threads()) {
      m_.matrix()[e] = shift;
    }
    block_.sync();
    deal(block_, h_.num_listed, [&](int e) {
      const std::uint32_t rows = image_.words[h_.listed_rows + e];
      const std::uint32_t places = image_.words[h_.listed_places + e];
      const int i = static_cast<int>(rows & 0xffff);
      const int j = static_cast<int>(rows >> 16);
      const double value = !is_time_row<Block>(h_, j) ? of_extra_row(j, i) : of_time_rows(e, i, j) + shift;
      m_.matrix()[places & 0xffff] = value;
      m_.matrix()[places >> 16] = value;
      if (i == j) {
        m_.least_pivot()[i] = value * kSmallestPivot;
      }
    });
    block_.sync();
    if constexpr (Block::kChunk == 0) {
      sweep_in_memory(block_, image_, m_);
    } else {
      SweptRows<Block>(block_, image_, m_).run();
    }
  }

 private:
  LPLB_WEIGHTED double of_time_rows(int e, int i, int j) const {
    double value = 0;
    if (i == j) {
      value = m_.ratio()[i];
      if (i < h_.num_rank_rows) {
        const std::int32_t* const columns = image_.ints(h_.row_column);
        LPLB_WEIGHTED_UNROLL_4
        for (int c = image_.ints(h_.row_columns)[i]; c < image_.ints(h_.row_columns)[i + 1]; ++c) {
          value += m_.work()[columns[c]];
        }
      }
    }
    const std::int32_t* const begin = image_.ints(h_.listed_pairs) + e;
    LPLB_WEIGHTED_ROLL
    for (int k = begin[0]; k < begin[1]; ++k) {
      const std::uint32_t pair = image_.words[h_.pair + k];
      value -= m_.left()[pair & 0xffff] * m_.right()[pair >> 16];
    }
    return value;
  }

  /// Rows of coefficients, centred on their weighted mean over each expert. `other` <= `row`.
  LPLB_WEIGHTED double of_extra_row(int row, int other) const {
    const int extra = row - h_.num_time_rows;
    double value = row == other ? m_.ratio()[row] : 0;
    if (other >= h_.num_time_rows) {
      const double* const coefficients = image_.doubles(h_.coefficient) + (other - h_.num_time_rows) * h_.num_columns;
      LPLB_WEIGHTED_ROLL
      for (int p = 0; p < h_.num_columns; ++p) {
        value += centred(extra, p) * m_.weight()[p] * coefficients[p];
      }
    } else if (other < h_.num_rank_rows) {
      for (int c = image_.ints(h_.row_columns)[other]; c < image_.ints(h_.row_columns)[other + 1]; ++c) {
        const int p = image_.ints(h_.row_column)[c];
        value += centred(extra, p) * m_.right()[p];
      }
    }
    return value;
  }

  LPLB_WEIGHTED double centred(int extra, int p) const {
    const int expert = image_.ints(h_.column_expert)[p];
    return image_.doubles(h_.coefficient)[extra * h_.num_columns + p] - m_.mean()[extra * h_.num_experts + expert];
  }

  /// Part of its diagonal element under which a pivot is taken for rounding.
  static constexpr double kSmallestPivot = 1e-15;

  Block& block_;
  const ImageView& image_;
  const ImageHeader& h_;
  const Memory& m_;
};

}  // namespace lplb::weighted
