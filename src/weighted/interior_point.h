#pragma once

// Mehrotra's predictor-corrector (On the implementation of a primal-dual interior point method, SIAM J. Optimization 2,
// 1992) for the weighted split, by one block: when to stop, what each step aims at, and how far it goes.

#include "weighted/newton.h"
#include "weighted/problem.h"
#include "weighted/row_proof.h"

namespace lplb::weighted {

template <class Block>
class InteriorPoint {
 public:
  LPLB_WEIGHTED InteriorPoint(Block& block, const ImageView& image, const Batch& batch, const Memory& memory)
      : block_(block), image_(image), h_(image.header), batch_(batch), m_(memory), newton_(block, image, memory) {}

  /// From the start to a gap that is estimated to be within the tolerance. Returns the number of iterations.
  LPLB_WEIGHTED int run() {
    int iteration = 0;
    const bool is_careful = !Block::kPlain && (batch_.tolerance < kCarefulTolerance || h_.num_extra > 0);
    LPLB_WEIGHTED_ROLL
    for (; iteration < batch_.max_iterations; ++iteration) {
      const double product = weigh(is_careful) * m_.scalars().products_inverse;
      if (is_done() || rows_contradict()) {
        break;
      }
      newton_.solve_first(is_careful ? kShift * m_.scalars().time * m_.scalars().time * Block::inverse(product) : 0);
      wish(predict(product));
      block_.sync();
      newton_.solve_again();
      newton_.set_step();
      for (int i = 0; i < kNumRefinements && is_careful && is_close(); ++i) {
        newton_.refine();
      }
      if (!advance()) {
        break;
      }
    }
    block_.sync();
    return iteration;
  }

 private:
  using Real = typename Block::Real;
  using Values = Extremes<Real>;

  /// Weights of the columns, all that the matrix takes from them, the predictor's wishes, and how far there is to go.
  /// Returns the sum of the products of variables and their slacks.
  LPLB_WEIGHTED double weigh(bool is_careful) {
    Values values;
    newton_.for_experts([&](int j, int begin, int end) { weigh_expert(values, j, begin, end); });
    newton_.for_rows([&](int i) {
      const double product = m_.slack()[i] * m_.dual()[i];
      m_.dual_inverse()[i] = Block::inverse(m_.dual()[i]);
      m_.ratio()[i] = m_.slack()[i] * m_.dual_inverse()[i];
      m_.target()[i] = -m_.slack()[i];
      values.sum0 += static_cast<Real>(product);
      values.sum1 += static_cast<Real>(product);
      if (is_careful) {
        m_.excess()[i] = m_.slack()[i] + m_.base()[i] + newton_.row_sum(i, m_.x()) -
                         (is_time_row<Block>(h_, i) ? m_.scalars().time : 0);
      }
      if (is_time_row<Block>(h_, i)) {
        values.max0 = larger(values.max0, Block::inverse(static_cast<Real>(m_.slack()[i])));
        if (!Block::kPlain) {
          values.max1 = larger(values.max1, static_cast<Real>(m_.excess()[i]) * Block::inverse(allowed_excess()));
        }
      } else {
        const double broken = (m_.excess()[i] - m_.slack()[i]) * Block::inverse(m_.size()[i]);
        values.max1 = larger(values.max1, static_cast<Real>(broken * (1 / kRowTolerance)));
      }
    });
    progress_ = block_.combine(values);
    return static_cast<double>(progress_.sum1);
  }

  /// What the estimate of the gap may leave out.
  LPLB_WEIGHTED Real allowed_excess() const {
    return static_cast<Real>((1 - kMargin) / 2 * batch_.tolerance * m_.scalars().time);
  }

  LPLB_WEIGHTED void weigh_expert(Values& values, int j, int begin, int end) {
    double sum = 0;
    double lowest = m_.z()[begin];
    for_pairs(begin, end, [&](int p, int q) {
      const double z_p = m_.z()[p];
      const double z_q = m_.z()[q];
      const double inverse_p = Block::inverse(z_p);
      const double inverse_q = Block::inverse(z_q);
      const double weight_p = m_.x()[p] * inverse_p;
      const double weight_q = m_.x()[q] * inverse_q;
      m_.z_inverse()[p] = inverse_p;
      m_.z_inverse()[q] = inverse_q;
      m_.weight()[p] = weight_p;
      m_.weight()[q] = weight_q;
      m_.work()[q] = sum + weight_p;
      m_.work()[p] = sum;
      sum += weight_p + (q != p ? weight_q : 0);
      lowest = smaller(lowest, smaller(z_p, z_q));
    });
    const double inverse = Block::inverse(sum);
    double after = 0;
    LPLB_WEIGHTED_ROLL
    for (int q = end - 1; q >= begin; q -= 2) {
      const int p = larger(q - 1, begin);
      const double weight_q = m_.weight()[q];
      const Column column_p = weigh_column(p, inverse, after + weight_q, lowest);
      const Column column_q = weigh_column(q, inverse, after, lowest);
      put(p, column_p, m_.tokens()[j]);
      put(q, column_q, m_.tokens()[j]);
      after += weight_q + (q != p ? column_p.weight : 0);
      values.sum0 += static_cast<Real>(column_q.gap + (q != p ? column_p.gap : 0));
      values.sum1 += static_cast<Real>(column_q.product + (q != p ? column_p.product : 0));
    }
    m_.spread()[j] = inverse;
    m_.wish()[j] = -m_.tokens()[j];
    LPLB_WEIGHTED_ROLL
    for (int r = 0; r < num_extra_rows<Block>(h_); ++r) {
      double mean = 0;
      LPLB_WEIGHTED_ROLL
      for (int p = begin; p < end; ++p) {
        mean += m_.part()[p] * image_.doubles(h_.coefficient)[r * h_.num_columns + p];
      }
      m_.mean()[r * h_.num_experts + j] = mean;
    }
  }

  /// What the matrix takes from a column, and what there is to gain in it.
  struct Column {
    double weight;
    double part;
    double time;
    double diagonal;
    double x;
    double gap;
    double product;
  };

  /// `after`: weights of the expert's later columns.
  LPLB_WEIGHTED Column weigh_column(int p, double inverse, double after, double lowest) const {
    Column column{};
    column.weight = m_.weight()[p];
    column.time = image_.doubles(h_.column_time)[p];
    column.x = m_.x()[p];
    column.part = column.weight * inverse;
    column.diagonal = (m_.work()[p] + after) * column.part * column.time * column.time;
    column.gap = column.x * (m_.z()[p] - lowest);
    column.product = column.x * m_.z()[p];
    return column;
  }

  LPLB_WEIGHTED void put(int p, const Column& column, double tokens) {
    m_.part()[p] = column.part;
    m_.left()[p] = column.part * column.time;
    m_.right()[p] = column.weight * column.time;
    m_.work()[p] = column.diagonal;
    m_.move()[p] = column.part * tokens - column.x;
  }

  /// The gap between what the iterate's tokens need and what its duals prove, both made as good as they can be: the
  /// largest time shrinks by the least slack, and each expert's price rises by its least dual slack.
  LPLB_WEIGHTED bool is_done() const {
    const double largest_base = m_.scalars().largest_base;
    const auto least_slack = static_cast<double>(Block::inverse(progress_.max0));
    const double time = m_.scalars().time - least_slack;
    const double gap = static_cast<double>(progress_.sum0) - least_slack;
    return progress_.max1 <= 1 && (gap <= kMargin * batch_.tolerance * (time - gap) ||
                                   time - largest_base <= kMargin * batch_.tolerance * largest_base);
  }

  /// Looked at in every iteration that breaks rows: the duals that prove it grow without bound, and are lost to
  /// rounding soon after.
  LPLB_WEIGHTED bool rows_contradict() {
    return !Block::kPlain && progress_.max1 > 1 && RowProof<Block>(block_, image_, m_).run();
  }

  /// The affine step, as relative steps of z and of the duals; x and the slacks move by -(1 + that). Returns the
  /// product to aim at: Mehrotra's cube of what the affine step would leave.
  LPLB_WEIGHTED double predict(double product) {
    Values values;
    const auto note = [&values](double relative, double weight) {
      values.max0 = larger(values.max0, static_cast<Real>(1 + relative));
      values.max1 = larger(values.max1, static_cast<Real>(-relative));
      values.sum0 += static_cast<Real>(weight * relative);
      values.sum1 += static_cast<Real>(weight * relative * relative);
    };
    newton_.for_experts([&](int j, int begin, int end) {
      newton_.centre_prices(begin, end);
      const double shift = m_.spread()[j] * m_.wish()[j];
      for_pairs(begin, end, [&](int p, int q) {
        const double relative_p = (m_.work()[p] + shift) * m_.z_inverse()[p];
        const double relative_q = (m_.work()[q] + shift) * m_.z_inverse()[q];
        note(relative_p, m_.x()[p] * m_.z()[p]);
        note(relative_q, q != p ? m_.x()[q] * m_.z()[q] : 0);
        m_.work()[p] = relative_p;
        m_.work()[q] = relative_q;
      });
    });
    newton_.for_rows([&](int i) {
      m_.relative()[i] = m_.step()[i] * m_.dual_inverse()[i];
      note(m_.relative()[i], m_.slack()[i] * m_.dual()[i]);
    });
    const Values found = block_.combine(values);
    const Real primal = found.max0 > 1 ? Block::inverse(found.max0) : Real{1};
    const Real dual = found.max1 > 1 ? Block::inverse(found.max1) : Real{1};
    const Real left =
        (1 - primal) * progress_.sum1 + ((1 - primal) * dual - primal) * found.sum0 - primal * dual * found.sum1;
    const Real part = larger(Real{0}, left * Block::inverse(progress_.sum1));
    return static_cast<double>(part * part * part) * product;
  }

  /// What the corrector wishes for x and the slacks: the products at `wanted`, less what the affine step's own product
  /// will add.
  LPLB_WEIGHTED void wish(double wanted) {
    newton_.for_experts([&](int j, int begin, int end) {
      double sum = -m_.tokens()[j];  // and not 0, so that what rounding has lost of the tokens comes back
      for_pairs(begin, end, [&](int p, int q) {
        const double x_p = m_.x()[p];
        const double x_q = m_.x()[q];
        const double move_p = wished_move(p, x_p, wanted);
        const double move_q = wished_move(q, x_q, wanted);
        m_.move()[p] = move_p;
        m_.move()[q] = move_q;
        sum += move_p + x_p + (q != p ? move_q + x_q : 0);
      });
      for_pairs(begin, end, [&](int p, int q) {
        const double move_p = m_.move()[p] - m_.part()[p] * sum;
        const double move_q = m_.move()[q] - m_.part()[q] * sum;
        m_.move()[p] = move_p;
        m_.move()[q] = move_q;
      });
      m_.wish()[j] = sum;
    });
    newton_.for_rows([&](int i) {
      const double relative = m_.relative()[i];
      m_.target()[i] = wanted * m_.dual_inverse()[i] + m_.slack()[i] * (relative * (1 + relative) - 1);
    });
  }

  LPLB_WEIGHTED double wished_move(int p, double x, double wanted) const {
    const double relative = m_.work()[p];
    return wanted * m_.z_inverse()[p] + x * (relative * (1 + relative) - 1);
  }

  /// Close enough that steps are refined.
  LPLB_WEIGHTED bool is_close() const { return static_cast<double>(progress_.sum0) < kClose * m_.scalars().time; }

  /// Goes along the step as far as all stays positive. False, without a step, when the numbers have broken down; false
  /// also when the step was too short to be of use.
  LPLB_WEIGHTED bool advance() {
    Values values;
    newton_.for_experts([&](int, int begin, int end) {
      LPLB_WEIGHTED_UNROLL_2
      for (int p = begin; p < end; ++p) {
        const auto part = static_cast<Real>(-m_.move()[p]) * Block::inverse(static_cast<Real>(m_.x()[p]));
        values.max0 = larger(values.max0, part);
        values.max1 = larger(values.max1, static_cast<Real>(-m_.work()[p] * m_.z_inverse()[p]));
        values.sum0 += static_cast<Real>(m_.move()[p] * 0 + m_.work()[p] * 0);
      }
    });
    newton_.for_rows([&](int i) {
      const double move = m_.target()[i] - m_.ratio()[i] * m_.step()[i];
      m_.target()[i] = move;
      const auto part = static_cast<Real>(-move) * Block::inverse(static_cast<Real>(m_.slack()[i]));
      values.max0 = larger(values.max0, part);
      values.max1 = larger(values.max1, static_cast<Real>(-m_.step()[i] * m_.dual_inverse()[i]));
      values.sum0 += static_cast<Real>(move * 0 + m_.step()[i] * 0);
    });
    const Values found = block_.combine(values);
    if (found.sum0 != 0) {
      return false;
    }
    const double primal = length(found.max0);
    const double dual = length(found.max1);
    newton_.for_experts([&](int, int begin, int end) {
      for_pairs(begin, end, [&](int p, int q) {
        const double x_p = m_.x()[p] + primal * m_.move()[p];
        const double x_q = m_.x()[q] + primal * m_.move()[q];
        const double z_p = m_.z()[p] + dual * m_.work()[p];
        const double z_q = m_.z()[q] + dual * m_.work()[q];
        m_.x()[p] = x_p;
        m_.x()[q] = x_q;
        m_.z()[p] = z_p;
        m_.z()[q] = z_q;
      });
    });
    newton_.for_rows([&](int i) {
      m_.slack()[i] += primal * m_.target()[i];
      m_.dual()[i] += dual * m_.step()[i];
      if (!Block::kPlain) {
        m_.excess()[i] *= 1 - primal;
      }
      if (i == 0) {
        m_.scalars().time += primal * m_.scalars().time_step;
      }
    });
    block_.sync();
    return primal > kLeastStep || dual > kLeastStep;
  }

  /// Of a step that reaches the boundary after 1 / `reach` of itself.
  LPLB_WEIGHTED static double length(Real reach) {
    return reach > static_cast<Real>(kReach) ? kReach * static_cast<double>(Block::inverse(reach)) : 1;
  }

  static constexpr double kReach = 0.998;         // of the way to the boundary
  static constexpr double kMargin = 0.9;          // the estimate rests on sums in float
  static constexpr double kRowTolerance = 1e-10;  // of a row's size
  static constexpr double kClose = 1e-3;          // relative gap from which on steps are refined
  static constexpr double kShift = 0.01;          // about what a pair adds to the matrix, in units of time^2 / product
  static constexpr int kNumRefinements = 1;
  static constexpr double kLeastStep = 1e-8;  // shorter ones are of no use

  Block& block_;
  const ImageView& image_;
  const ImageHeader& h_;
  const Batch& batch_;
  const Memory& m_;
  Newton<Block> newton_;
  Values progress_;
};

}  // namespace lplb::weighted
