#pragma once

// The batch put into memory, and the first iterate: tokens in proportion to the copies' speeds, a largest time a little
// above theirs, and duals that make slack times dual the same on every rank. It is strictly feasible but for extra
// rows, whose shortfall is kept as an excess that the iterations remove.

#include "weighted/problem.h"
#include "weighted/shares.h"

namespace lplb::weighted {

/// What the start finds out about the batch.
struct StartFacts {
  double largest_base = 0;      // no split is faster
  double products_inverse = 0;  // 1 / number of pairs of a variable and its slack
  bool has_work = false;        // there is something to decide
};

template <class Block>
class Start {
 public:
  LPLB_WEIGHTED Start(Block& block, const ImageView& image, const Batch& batch, const Memory& memory)
      : block_(block), image_(image), h_(image.header), batch_(batch), m_(memory) {}

  /// After FixedTimes::add_up by `num_adders` threads, and a barrier.
  LPLB_WEIGHTED StartFacts run(int num_adders) {
    Extremes<double> found;
    stage_experts(found);
    set_base(found, num_adders);
    set_extra_base();
    found = block_.combine(found);
    const StartFacts facts{.largest_base = found.max0,
                           .products_inverse = Block::inverse(found.sum0 + h_.num_rows),
                           .has_work = found.sum0 > 0};
    if (h_.num_time_rows > h_.num_rank_rows) {
      set_floor(found.max1);
    }
    set_slacks(facts);
    set_dual_slacks();
    block_.sync();
    return facts;
  }

 private:
  template <class F>
  LPLB_WEIGHTED void share_out(int count, F f) const {
    for (int i = block_.thread(); i < count; i += block_.num_threads()) {
      f(i);
    }
  }

  LPLB_WEIGHTED void stage_experts(Extremes<double>& found) {
    share_out(h_.num_experts, [&](int j) {
      const double tokens = batch_.counts[image_.ints(h_.expert_id)[j]];
      const int begin = image_.ints(h_.expert_begin)[j];
      const int end = image_.ints(h_.expert_begin)[j + 1];
      m_.tokens()[j] = tokens;
      found.sum0 += tokens > 0 ? end - begin : 0;
      for (int p = begin; p < end; ++p) {
        m_.x()[p] = tokens * image_.doubles(h_.column_start)[p];
        m_.z()[p] = 1;
        m_.weight()[p] = m_.part()[p] = m_.left()[p] = m_.right()[p] = m_.work()[p] = m_.move()[p] = 0;
      }
      for (int r = 0; r < h_.num_extra; ++r) {
        m_.mean()[r * h_.num_experts + j] = 0;
      }
    });
  }

  /// Finds the largest time of all ranks, and that of the ranks without columns.
  LPLB_WEIGHTED void set_base(Extremes<double>& found, int num_adders) {
    const int lanes = FixedTimes::num_lanes(h_, num_adders);
    share_out(h_.num_ranks, [&](int rank) {
      const int row = image_.ints(h_.rank_row)[rank];
      double time = batch_.base_time != nullptr && row != kNone ? batch_.base_time[rank] : 0;
      LPLB_WEIGHTED_UNROLL_4
      for (int lane = 0; lane < lanes; ++lane) {
        time += m_.partial()[rank * lanes + lane];
      }
      m_.rank_base()[rank] = time;
      if (row >= 0 && row < h_.num_rank_rows) {
        m_.base()[row] = time;
      } else if (row >= 0) {
        found.max1 = larger(found.max1, time);
      }
      found.max0 = larger(found.max0, time);
    });
  }

  LPLB_WEIGHTED void set_floor(double floor) {
    if (block_.thread() == 0) {
      m_.base()[h_.num_rank_rows] = floor;
    }
    block_.sync();
  }

  LPLB_WEIGHTED void set_extra_base() {
    share_out(h_.num_extra, [&](int r) {
      double fixed = 0;
      double size = magnitude(batch_.row_bound[r]);
      for (int f = 0; f < h_.num_fixed; ++f) {
        const double part =
            batch_.counts[image_.ints(h_.fixed_expert)[f]] * image_.doubles(h_.fixed_coefficient)[r * h_.num_fixed + f];
        fixed += part;
        size += magnitude(part);
      }
      m_.base()[h_.num_time_rows + r] = fixed - batch_.row_bound[r];
      m_.size()[h_.num_time_rows + r] = size;
      m_.fixed()[h_.num_time_rows + r] = size;
    });
  }

  LPLB_WEIGHTED void set_slacks(const StartFacts& facts) {
    Extremes<double> found{.max0 = facts.largest_base};
    share_out(h_.num_rows, [&](int i) {
      double time = m_.base()[i];
      if (i < h_.num_rank_rows) {
        LPLB_WEIGHTED_UNROLL_4
        for (int c = image_.ints(h_.row_columns)[i]; c < image_.ints(h_.row_columns)[i + 1]; ++c) {
          const int p = image_.ints(h_.row_column)[c];
          time += image_.doubles(h_.column_time)[p] * m_.x()[p];
        }
      }
      m_.slack()[i] = time;
      m_.excess()[i] = 0;
      found.max0 = larger(found.max0, i < h_.num_time_rows ? time : 0);
    });
    const double needed = block_.combine(found).max0;
    const double allowed = needed > 0 ? kRoom * needed : 1;
    Extremes<double> inverses;
    share_out(h_.num_time_rows, [&](int i) {
      m_.slack()[i] = allowed - m_.slack()[i];
      m_.dual()[i] = Block::inverse(m_.slack()[i]);
      inverses.sum0 += m_.dual()[i];
    });
    const double product = Block::inverse(block_.combine(inverses).sum0);
    share_out(h_.num_time_rows, [&](int i) { m_.dual()[i] *= product; });
    if (block_.thread() == 0) {
      m_.scalar()[0] = allowed;
    }
    block_.sync();
    share_out(h_.num_extra, [&](int r) { set_extra_slack(r, product); });
    block_.sync();
  }

  LPLB_WEIGHTED void set_extra_slack(int r, double product) {
    const int i = h_.num_time_rows + r;
    double value = m_.base()[i];
    for (int p = 0; p < h_.num_columns; ++p) {
      const double part = image_.doubles(h_.coefficient)[r * h_.num_columns + p] * m_.x()[p];
      value += part;
      m_.size()[i] += magnitude(part);
    }
    if (m_.size()[i] <= 0) {
      m_.size()[i] = 1;  // a row of zeros; any unit will do
    }
    m_.slack()[i] = larger(-value, kExtraRoom * m_.size()[i]);
    m_.excess()[i] = m_.slack()[i] + value;
    m_.dual()[i] = product * Block::inverse(m_.slack()[i]);
  }

  LPLB_WEIGHTED void set_dual_slacks() {
    share_out(h_.num_experts, [&](int j) {
      if (m_.tokens()[j] <= 0) {
        return;
      }
      const int begin = image_.ints(h_.expert_begin)[j];
      const int end = image_.ints(h_.expert_begin)[j + 1];
      double lowest = 0;
      for (int p = begin; p < end; ++p) {
        double price = image_.doubles(h_.column_time)[p] * m_.dual()[image_.ints(h_.column_row)[p]];
        for (int r = 0; r < h_.num_extra; ++r) {
          price += image_.doubles(h_.coefficient)[r * h_.num_columns + p] * m_.dual()[h_.num_time_rows + r];
        }
        m_.z()[p] = price;
        lowest = p == begin ? price : smaller(lowest, price);
      }
      const double product = m_.slack()[0] * m_.dual()[0];
      const double least = product * (end - begin) * Block::inverse(m_.tokens()[j]);
      for (int p = begin; p < end; ++p) {
        m_.z()[p] += least - lowest;
      }
    });
  }

  /// The first largest time, in units of what the start needs; the first slack of an extra row, in units of its size.
  static constexpr double kRoom = 1.125;
  static constexpr double kExtraRoom = 0.0625;

  Block& block_;
  const ImageView& image_;
  const ImageHeader& h_;
  const Batch& batch_;
  const Memory& m_;
};

}  // namespace lplb::weighted
