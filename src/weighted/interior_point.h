#pragma once

// Mehrotra's predictor-corrector (On the implementation of a primal-dual interior point method, SIAM J. Optimization 2,
// 1992) for the weighted split, by one block. A thread owns whole experts with their columns, and rows; what crosses
// between them goes through memory and a barrier. docs/weighted.md derives the steps and names the symbols.

#include "weighted/normal_matrix.h"
#include "weighted/problem.h"
#include "weighted/row_proof.h"
#include "weighted/start.h"

namespace lplb::weighted {

template <class Block>
class InteriorPoint {
 public:
  LPLB_WEIGHTED InteriorPoint(Block& block, const ImageView& image, const Batch& batch, const Memory& memory)
      : block_(block), image_(image), h_(image.header), batch_(batch), m_(memory), matrix_(block, image, memory) {}

  /// From the start to a gap that is estimated to be within the tolerance. Returns the number of iterations.
  LPLB_WEIGHTED int run(const StartFacts& facts) {
    int iteration = 0;
    if (!facts.has_work) {
      return iteration;
    }
    const bool is_careful = batch_.tolerance < kCarefulTolerance || h_.num_extra > 0;
    LPLB_WEIGHTED_ROLL
    for (; iteration < batch_.max_iterations; ++iteration) {
      const double product = weigh(facts, is_careful);
      if (is_done(facts) || rows_contradict()) {
        break;
      }
      set_rhs();
      matrix_.assemble_and_invert(is_careful ? kShift * m_.scalar[0] * m_.scalar[0] * Block::inverse(product) : 0);
      solve_for_ones();
      solve();
      const double wanted = predict(product);
      wish(wanted);
      block_.sync();
      set_rhs();
      block_.sync();
      solve();
      set_step();
      for (int i = 0; i < kNumRefinements && is_careful && is_close(); ++i) {
        refine();
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

  template <class F>
  LPLB_WEIGHTED void for_experts(F f) const {
    for (int j = block_.thread(); j < h_.num_experts; j += block_.num_threads()) {
      if (m_.tokens[j] > 0) {
        f(j, image_.ints(h_.expert_begin)[j], image_.ints(h_.expert_begin)[j + 1]);
      }
    }
  }

  template <class F>
  LPLB_WEIGHTED void for_rows(F f) const {
    for (int i = block_.thread(); i < h_.num_rows; i += block_.num_threads()) {
      f(i);
    }
  }

  /// Weights of the columns, all that the matrix takes from them, the predictor's wishes, and how far there is to go.
  /// Returns the mean product of a variable and its slack.
  LPLB_WEIGHTED double weigh(const StartFacts& facts, bool is_careful) {
    Values values;
    for_experts([&](int j, int begin, int end) { weigh_expert(values, j, begin, end); });
    for_rows([&](int i) {
      const double product = m_.slack[i] * m_.dual[i];
      m_.ratio[i] = m_.slack[i] * Block::inverse(m_.dual[i]);
      m_.target[i] = -m_.slack[i];
      values.sum0 += static_cast<Real>(product);
      values.sum1 += static_cast<Real>(product);
      if (is_careful) {
        m_.excess[i] = m_.slack[i] + m_.base[i] + row_sum(i, m_.x) - (i < h_.num_time_rows ? m_.scalar[0] : 0);
      }
      if (i < h_.num_time_rows) {
        values.max0 = larger(values.max0, static_cast<Real>(Block::inverse(m_.slack[i])));
        values.max1 = larger(values.max1, static_cast<Real>(m_.excess[i] * Block::inverse(allowed_excess())));
      } else {
        const double broken = (m_.excess[i] - m_.slack[i]) * Block::inverse(m_.size[i]);
        values.max1 = larger(values.max1, static_cast<Real>(broken * (1 / kRowTolerance)));
      }
    });
    progress_ = block_.combine(values);
    return progress_.sum1 / facts.num_products;
  }

  /// What the estimate of the gap may leave out.
  LPLB_WEIGHTED double allowed_excess() const { return (1 - kMargin) / 2 * batch_.tolerance * m_.scalar[0]; }

  /// Row i of the constraints times `values` [n].
  LPLB_WEIGHTED double row_sum(int i, const double* values) const {
    double sum = 0;
    if (i < h_.num_rank_rows) {
      for (int c = image_.ints(h_.row_columns)[i]; c < image_.ints(h_.row_columns)[i + 1]; ++c) {
        const int p = image_.ints(h_.row_column)[c];
        sum += image_.doubles(h_.column_time)[p] * values[p];
      }
    } else if (i >= h_.num_time_rows) {
      const double* const coefficients = image_.doubles(h_.coefficient) + (i - h_.num_time_rows) * h_.num_columns;
      for (int p = 0; p < h_.num_columns; ++p) {
        sum += coefficients[p] * values[p];
      }
    }
    return sum;
  }

  LPLB_WEIGHTED void weigh_expert(Values& values, int j, int begin, int end) {
    double sum = 0;
    double lowest = m_.z[begin];
    for (int p = begin; p < end; ++p) {
      const double weight = m_.x[p] * Block::inverse(m_.z[p]);
      m_.weight[p] = weight;
      m_.work[p] = sum;
      sum += weight;
      lowest = smaller(lowest, m_.z[p]);
    }
    const double inverse = Block::inverse(sum);
    double after = 0;
    for (int p = end - 1; p >= begin; --p) {
      const double weight = m_.weight[p];
      const double time = image_.doubles(h_.column_time)[p];
      const double part = weight * inverse;
      m_.part[p] = part;
      m_.left[p] = part * time;
      m_.right[p] = weight * time;
      m_.work[p] = (m_.work[p] + after) * part * time * time;
      m_.move[p] = part * m_.tokens[j] - m_.x[p];
      after += weight;
      values.sum0 += static_cast<Real>(m_.x[p] * (m_.z[p] - lowest));
      values.sum1 += static_cast<Real>(m_.x[p] * m_.z[p]);
    }
    m_.spread[j] = inverse;
    m_.wish[j] = -m_.tokens[j];
    for (int r = 0; r < h_.num_extra; ++r) {
      double mean = 0;
      for (int p = begin; p < end; ++p) {
        mean += m_.part[p] * image_.doubles(h_.coefficient)[r * h_.num_columns + p];
      }
      m_.mean[r * h_.num_experts + j] = mean;
    }
  }

  /// The gap between what the iterate's tokens need and what its duals prove, both made as good as they can be: the
  /// largest time shrinks by the least slack, and each expert's price rises by its least dual slack.
  LPLB_WEIGHTED bool is_done(const StartFacts& facts) const {
    const double least_slack = 1 / static_cast<double>(progress_.max0);
    const double time = m_.scalar[0] - least_slack;
    const double gap = progress_.sum0 - least_slack;
    return progress_.max1 <= 1 && (gap <= kMargin * batch_.tolerance * (time - gap) ||
                                   time - facts.largest_base <= kMargin * batch_.tolerance * facts.largest_base);
  }

  /// Looked at in every iteration that breaks rows: the duals that prove it grow without bound, and are lost to
  /// rounding soon after.
  LPLB_WEIGHTED bool rows_contradict() { return progress_.max1 > 1 && RowProof<Block>(block_, image_, m_).run(); }

  LPLB_WEIGHTED void set_rhs() {
    for_rows([&](int i) { m_.rhs[i] = m_.target[i] + m_.excess[i] + row_sum(i, m_.move); });
  }

  /// Entry i of M^-1 v. The matrix is symmetric, so that neighbours in i read neighbours in memory.
  template <class F>
  LPLB_WEIGHTED double multiply(int i, F v) const {
    const int first = image_.ints(h_.row_first)[i];
    const int size = image_.ints(h_.row_size)[i];
    const double* const column = m_.matrix + image_.ints(h_.row_storage)[i];
    double sums[2] = {0, 0};
    int k = 0;
    for (; k + 1 < size; k += 2) {
      sums[0] -= column[k * size] * v(first + k);
      sums[1] -= column[(k + 1) * size] * v(first + k + 1);
    }
    if (k < size) {
      sums[0] -= column[k * size] * v(first + k);
    }
    return sums[0] + sums[1];
  }

  LPLB_WEIGHTED void solve_for_ones() {
    for_rows([&](int i) { m_.ones[i] = multiply(i, [&](int k) { return k < h_.num_time_rows ? 1.0 : 0.0; }); });
  }

  /// The duals' step, whose sum over the time rows is 0, and with it the step of the largest time.
  LPLB_WEIGHTED void solve() {
    for_rows([&](int i) { m_.solved[i] = multiply(i, [&](int k) { return m_.rhs[k]; }); });
    block_.sync();
    for_rows([&](int i) {
      double solved[2] = {0, 0};
      double ones[2] = {0, 0};
      for (int k = 0; k < h_.num_time_rows; ++k) {
        solved[k % 2] += m_.solved[k];
        ones[k % 2] += m_.ones[k];
      }
      const double time_step = (solved[0] + solved[1]) * Block::inverse(ones[0] + ones[1]);
      m_.step[i] = m_.solved[i] - m_.ones[i] * time_step;
      if (i == 0) {
        m_.scalar[1] = time_step;
      }
    });
    block_.sync();
  }

  LPLB_WEIGHTED double price_step(int p) const {
    double step = image_.doubles(h_.column_time)[p] * m_.step[image_.ints(h_.column_row)[p]];
    for (int r = 0; r < h_.num_extra; ++r) {
      step += image_.doubles(h_.coefficient)[r * h_.num_columns + p] * m_.step[h_.num_time_rows + r];
    }
    return step;
  }

  /// Leaves the columns' price steps, less their mean over the expert, in `work`.
  LPLB_WEIGHTED void centre_prices(int begin, int end) const {
    double mean = 0;
    for (int p = begin; p < end; ++p) {
      m_.work[p] = price_step(p);
      mean += m_.part[p] * m_.work[p];
    }
    for (int p = begin; p < end; ++p) {
      m_.work[p] -= mean;
    }
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
    for_experts([&](int j, int begin, int end) {
      centre_prices(begin, end);
      for (int p = begin; p < end; ++p) {
        const double relative = (m_.work[p] + m_.spread[j] * m_.wish[j]) * Block::inverse(m_.z[p]);
        m_.work[p] = relative;
        note(relative, m_.x[p] * m_.z[p]);
      }
    });
    for_rows([&](int i) {
      m_.relative[i] = m_.step[i] * Block::inverse(m_.dual[i]);
      note(m_.relative[i], m_.slack[i] * m_.dual[i]);
    });
    const Values found = block_.combine(values);
    const double primal = found.max0 > 1 ? 1 / static_cast<double>(found.max0) : 1;
    const double dual = found.max1 > 1 ? 1 / static_cast<double>(found.max1) : 1;
    const double left =
        (1 - primal) * progress_.sum1 + ((1 - primal) * dual - primal) * found.sum0 - primal * dual * found.sum1;
    const double part = larger(0.0, left / progress_.sum1);
    return part * part * part * product;
  }

  /// What the corrector wishes for x and the slacks: the products at `wanted`, less what the affine step's own product
  /// will add.
  LPLB_WEIGHTED void wish(double wanted) {
    for_experts([&](int j, int begin, int end) {
      double sum = -m_.tokens[j];  // and not 0, so that what rounding has lost of the tokens comes back
      for (int p = begin; p < end; ++p) {
        const double relative = m_.work[p];
        m_.move[p] = wanted * Block::inverse(m_.z[p]) + m_.x[p] * (relative * (1 + relative) - 1);
        sum += m_.move[p] + m_.x[p];
      }
      for (int p = begin; p < end; ++p) {
        m_.move[p] -= m_.part[p] * sum;
      }
      m_.wish[j] = sum;
    });
    for_rows([&](int i) {
      const double relative = m_.relative[i];
      m_.target[i] = wanted * Block::inverse(m_.dual[i]) + m_.slack[i] * (relative * (1 + relative) - 1);
    });
  }

  /// The step of x in `move`, of z in `work`.
  LPLB_WEIGHTED void set_step() {
    for_experts([&](int j, int begin, int end) {
      centre_prices(begin, end);
      for (int p = begin; p < end; ++p) {
        m_.move[p] -= m_.weight[p] * m_.work[p];
        m_.work[p] += m_.spread[j] * m_.wish[j];
      }
    });
  }

  /// Close to the optimum the matrix is so badly conditioned that a step of x need not fit that of the slacks.
  LPLB_WEIGHTED bool is_close() const { return progress_.sum0 < kClose * m_.scalar[0]; }

  /// Takes off the step by what it misses the rows.
  LPLB_WEIGHTED void refine() {
    block_.sync();
    for_rows([&](int i) {
      const double slack_step = m_.target[i] - m_.ratio[i] * m_.step[i];
      m_.rhs[i] = slack_step + m_.excess[i] + row_sum(i, m_.move) - (i < h_.num_time_rows ? m_.scalar[1] : 0);
      m_.relative[i] = m_.step[i];
      if (i == 0) {
        m_.scalar[2] = m_.scalar[1];
      }
    });
    block_.sync();
    solve();
    for_experts([&](int, int begin, int end) {
      double mean = 0;
      for (int p = begin; p < end; ++p) {
        mean += m_.part[p] * price_step(p);
      }
      for (int p = begin; p < end; ++p) {
        const double change = price_step(p) - mean;
        m_.work[p] += change;
        m_.move[p] -= m_.weight[p] * change;
      }
    });
    block_.sync();
    for_rows([&](int i) {
      m_.step[i] += m_.relative[i];
      if (i == 0) {
        m_.scalar[1] += m_.scalar[2];
      }
    });
  }

  /// Goes along the step as far as all stays positive. False, without a step, when the numbers have broken down; false
  /// also when the step was too short to be of use.
  LPLB_WEIGHTED bool advance() {
    Values values;
    for_experts([&](int, int begin, int end) {
      for (int p = begin; p < end; ++p) {
        values.max0 = larger(values.max0, static_cast<Real>(-m_.move[p] * Block::inverse(m_.x[p])));
        values.max1 = larger(values.max1, static_cast<Real>(-m_.work[p] * Block::inverse(m_.z[p])));
        values.sum0 += static_cast<Real>(m_.move[p] * 0 + m_.work[p] * 0);
      }
    });
    for_rows([&](int i) {
      m_.target[i] -= m_.ratio[i] * m_.step[i];
      values.max0 = larger(values.max0, static_cast<Real>(-m_.target[i] * Block::inverse(m_.slack[i])));
      values.max1 = larger(values.max1, static_cast<Real>(-m_.step[i] * Block::inverse(m_.dual[i])));
      values.sum0 += static_cast<Real>(m_.target[i] * 0 + m_.step[i] * 0);
    });
    const Values found = block_.combine(values);
    if (found.sum0 != 0) {
      return false;
    }
    const double primal = found.max0 > kReach ? kReach / static_cast<double>(found.max0) : 1;
    const double dual = found.max1 > kReach ? kReach / static_cast<double>(found.max1) : 1;
    for_experts([&](int, int begin, int end) {
      for (int p = begin; p < end; ++p) {
        m_.x[p] += primal * m_.move[p];
        m_.z[p] += dual * m_.work[p];
      }
    });
    for_rows([&](int i) {
      m_.slack[i] += primal * m_.target[i];
      m_.dual[i] += dual * m_.step[i];
      m_.excess[i] *= 1 - primal;
      if (i == 0) {
        m_.scalar[0] += primal * m_.scalar[1];
      }
    });
    block_.sync();
    return primal > kLeastStep || dual > kLeastStep;
  }

  static constexpr double kReach = 0.995;         // of the way to the boundary
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
  NormalMatrix<Block> matrix_;
  Values progress_;
};

}  // namespace lplb::weighted
