#pragma once

// One Newton step of the interior-point method: from weights and wishes to the steps of all variables. A thread owns
// whole experts with their columns, and rows; what crosses between them goes through memory and a barrier.
// docs/weighted.md derives the steps and names the symbols.

#include "weighted/normal_matrix.h"
#include "weighted/problem.h"

namespace lplb::weighted {

template <class Block>
class Newton {
 public:
  LPLB_WEIGHTED Newton(Block& block, const ImageView& image, const Memory& memory)
      : block_(block), image_(image), h_(image.header), m_(memory), matrix_(block, image, memory) {}

  template <class F>
  LPLB_WEIGHTED void for_experts(F f) const {
    deal(block_, h_.num_experts, [&](int j) {
      if (m_.tokens()[j] > 0) {
        f(j, image_.ints(h_.expert_begin)[j], image_.ints(h_.expert_begin)[j + 1]);
      }
    });
  }

  template <class F>
  LPLB_WEIGHTED void for_rows(F f) const {
    deal(block_, h_.num_rows, f);
  }

  /// Row i of the constraints times `values` [n].
  LPLB_WEIGHTED double row_sum(int i, const double* values) const {
    double sum = 0;
    if (i < h_.num_rank_rows) {
      LPLB_WEIGHTED_UNROLL_4
      for (int c = image_.ints(h_.row_columns)[i]; c < image_.ints(h_.row_columns)[i + 1]; ++c) {
        sum += image_.doubles(h_.row_time)[c] * values[image_.ints(h_.row_column)[c]];
      }
    } else if (!is_time_row<Block>(h_, i)) {
      const double* const coefficients = image_.doubles(h_.coefficient) + (i - h_.num_time_rows) * h_.num_columns;
      LPLB_WEIGHTED_ROLL
      for (int p = 0; p < h_.num_columns; ++p) {
        sum += coefficients[p] * values[p];
      }
    }
    return sum;
  }

  /// The first solve with the weights of this iteration. `shift` as in NormalMatrix.
  LPLB_WEIGHTED void solve_first(double shift) {
    set_rhs();
    matrix_.assemble_and_invert(shift);
    double sums[2] = {0, 0};  // of what is solved, and of the ones
    for_rows([&](int i) {
      double solved = 0;
      double ones = 0;
      for_matrix_row(i, [&](int k, double value) {
        solved -= value * m_.rhs()[k];
        ones -= is_time_row<Block>(h_, k) ? value : 0;
      });
      m_.step()[i] = solved;
      m_.ones()[i] = ones;
      sums[0] += is_time_row<Block>(h_, i) ? solved : 0;
      sums[1] += is_time_row<Block>(h_, i) ? ones : 0;
    });
    block_.sum(sums);
    ones_inverse_ = Block::inverse(sums[1]);
    finish_solve(sums[0]);
  }

  /// Another, for other wishes.
  LPLB_WEIGHTED void solve_again() {
    set_rhs();
    block_.sync();
    solve();
  }

  LPLB_WEIGHTED double price_step(int p) const { return column_sum<Block>(image_, p, m_.step()); }

  /// Leaves the columns' price steps, less their mean over the expert, in `work`.
  LPLB_WEIGHTED void centre_prices(int begin, int end) const {
    double mean = 0;
    for_pairs(begin, end, [&](int p, int q) {
      const double price_p = price_step(p);
      const double price_q = price_step(q);
      m_.work()[p] = price_p;
      m_.work()[q] = price_q;
      mean += m_.part()[p] * price_p + (q != p ? m_.part()[q] * price_q : 0);
    });
    for_pairs(begin, end, [&](int p, int q) {
      const double price_p = m_.work()[p] - mean;
      const double price_q = m_.work()[q] - mean;
      m_.work()[p] = price_p;
      m_.work()[q] = price_q;
    });
  }

  /// The step of x in `move`, of z in `work`.
  LPLB_WEIGHTED void set_step() {
    for_experts([&](int j, int begin, int end) {
      centre_prices(begin, end);
      const double shift = m_.spread()[j] * m_.wish()[j];
      for_pairs(begin, end, [&](int p, int q) {
        const double price_p = m_.work()[p];
        const double price_q = m_.work()[q];
        const double move_p = m_.move()[p] - m_.weight()[p] * price_p;
        const double move_q = m_.move()[q] - m_.weight()[q] * price_q;
        m_.move()[p] = move_p;
        m_.move()[q] = move_q;
        m_.work()[p] = price_p + shift;
        m_.work()[q] = price_q + shift;
      });
    });
  }

  /// Takes off the step by what it misses the rows: close to the optimum the matrix is so badly conditioned that a step
  /// of x need not fit that of the slacks.
  LPLB_WEIGHTED void refine() {
    block_.sync();
    for_rows([&](int i) {
      const double slack_step = m_.target()[i] - m_.ratio()[i] * m_.step()[i];
      m_.rhs()[i] = slack_step + m_.excess()[i] + row_sum(i, m_.move()) -
                    (is_time_row<Block>(h_, i) ? m_.scalars().time_step : 0);
      m_.relative()[i] = m_.step()[i];
      if (i == 0) {
        m_.scalars().first_step = m_.scalars().time_step;
      }
    });
    block_.sync();
    solve();
    for_experts([&](int, int begin, int end) {
      double mean = 0;
      LPLB_WEIGHTED_ROLL
      for (int p = begin; p < end; ++p) {
        mean += m_.part()[p] * price_step(p);
      }
      LPLB_WEIGHTED_ROLL
      for (int p = begin; p < end; ++p) {
        const double change = price_step(p) - mean;
        m_.work()[p] += change;
        m_.move()[p] -= m_.weight()[p] * change;
      }
    });
    block_.sync();
    for_rows([&](int i) {
      m_.step()[i] += m_.relative()[i];
      if (i == 0) {
        m_.scalars().time_step += m_.scalars().first_step;
      }
    });
  }

 private:
  LPLB_WEIGHTED void set_rhs() {
    for_rows(
        [&](int i) { m_.rhs()[i] = m_.target()[i] + row_sum(i, m_.move()) + (Block::kPlain ? 0 : m_.excess()[i]); });
  }

  /// f(k, entry) for row i of -M^-1. It is symmetric, so that neighbours in i read neighbours in memory.
  template <class F>
  LPLB_WEIGHTED void for_matrix_row(int i, F f) const {
    const int first = image_.ints(h_.row_first)[i];
    const int size = image_.ints(h_.row_size)[i];
    const double* const column = m_.matrix() + image_.ints(h_.row_storage)[i];
    LPLB_WEIGHTED_UNROLL_4
    for (int k = 0; k < size; ++k) {
      f(first + k, column[k * size]);
    }
  }

  LPLB_WEIGHTED void solve() {
    double sum = 0;
    for_rows([&](int i) {
      double solved = 0;
      for_matrix_row(i, [&](int k, double value) { solved -= value * m_.rhs()[k]; });
      m_.step()[i] = solved;
      sum += is_time_row<Block>(h_, i) ? solved : 0;
    });
    finish_solve(block_.sum(sum));
  }

  /// The duals' step, whose sum over the time rows is 0, and with it the step of the largest time.
  LPLB_WEIGHTED void finish_solve(double sum) {
    const double time_step = sum * ones_inverse_;
    for_rows([&](int i) {
      m_.step()[i] -= m_.ones()[i] * time_step;
      if (i == 0) {
        m_.scalars().time_step = time_step;
      }
    });
    block_.sync();
  }

  Block& block_;
  const ImageView& image_;
  const ImageHeader& h_;
  const Memory& m_;
  NormalMatrix<Block> matrix_;
  double ones_inverse_ = 0;
};

}  // namespace lplb::weighted
