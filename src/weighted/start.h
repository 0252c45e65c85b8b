#pragma once

// The batch put into memory, and the first iterate: tokens in proportion to the copies' speeds, leaning to ranks that
// are fast then, a largest time a little above theirs, and duals that make slack times dual the same on every rank. It
// is strictly feasible but for extra rows, whose shortfall is kept as an excess that the iterations remove.

#include "weighted/problem.h"
#include "weighted/shares.h"

namespace lplb::weighted {

template <class Block>
class Start {
 public:
  LPLB_WEIGHTED Start(Block& block, const ImageView& image, const Batch& batch, const Memory& memory)
      : block_(block), image_(image), h_(image.header), batch_(batch), m_(memory) {}

  /// After FixedTimes::add_up by `num_adders` threads, and a barrier. Returns whether there is something to decide.
  LPLB_WEIGHTED bool run(int num_adders) {
    const int num_active = block_.sum(stage_experts());
    const double largest_base = block_.max(set_base(num_adders));
    set_extra_base();
    if (block_.thread() == 0) {
      m_.scalars().largest_base = largest_base;
      m_.scalars().products_inverse = Block::inverse(static_cast<double>(num_active + h_.num_rows));
    }
    if (h_.num_time_rows > h_.num_rank_rows) {
      set_floor();
    }
    block_.sync();
    lean_to_fast_ranks();
    set_slacks(largest_base);
    set_dual_slacks();
    block_.sync();
    return num_active > 0;
  }

 private:
  /// Returns the number of columns that have tokens to divide.
  LPLB_WEIGHTED int stage_experts() {
    int num_active = 0;
    deal(block_, h_.num_experts, [&](int j) {
      const double tokens = batch_.counts[image_.ints(h_.expert_id)[j]];
      const int begin = image_.ints(h_.expert_begin)[j];
      const int end = image_.ints(h_.expert_begin)[j + 1];
      m_.tokens()[j] = tokens;
      num_active += tokens > 0 ? end - begin : 0;
      LPLB_WEIGHTED_ROLL
      for (int p = begin; p < end; ++p) {
        m_.x()[p] = tokens * image_.doubles(h_.column_start)[p];
        m_.z()[p] = 1;
        m_.weight()[p] = m_.part()[p] = m_.left()[p] = m_.right()[p] = m_.work()[p] = m_.move()[p] = 0;
      }
      LPLB_WEIGHTED_ROLL
      for (int r = 0; r < num_extra_rows<Block>(h_); ++r) {
        m_.mean()[r * h_.num_experts + j] = 0;
      }
    });
    return num_active;
  }

  /// Returns the largest time of all ranks.
  LPLB_WEIGHTED double set_base(int num_adders) {
    double largest = 0;
    const int bits = FixedTimes::lane_bits(h_, num_adders);
    deal(block_, h_.num_ranks, [&](int rank) {
      const int row = image_.ints(h_.rank_row)[rank];
      double time = batch_.base_time != nullptr && row != kNone ? batch_.base_time[rank] : 0;
      LPLB_WEIGHTED_UNROLL_4
      for (int lane = 0; lane < 1 << bits; ++lane) {
        time += m_.partial()[(rank << bits) + lane];
      }
      m_.rank_base()[rank] = time;
      if (row >= 0 && row < h_.num_rank_rows) {
        m_.base()[row] = time;
      }
      largest = larger(largest, time);
    });
    return largest;
  }

  /// The largest time of the ranks without columns.
  LPLB_WEIGHTED void set_floor() {
    double floor = 0;
    deal(block_, h_.num_ranks, [&](int rank) {
      floor = larger(floor, image_.ints(h_.rank_row)[rank] == h_.num_rank_rows ? m_.rank_base()[rank] : 0);
    });
    floor = block_.max(floor);
    if (block_.thread() == 0) {
      m_.base()[h_.num_rank_rows] = floor;
    }
    block_.sync();
  }

  LPLB_WEIGHTED void set_extra_base() {
    deal(block_, num_extra_rows<Block>(h_), [&](int r) {
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

  LPLB_WEIGHTED double time_of_row(int i) const {
    double time = m_.base()[i];
    if (i < h_.num_rank_rows) {
      LPLB_WEIGHTED_UNROLL_4
      for (int c = image_.ints(h_.row_columns)[i]; c < image_.ints(h_.row_columns)[i + 1]; ++c) {
        time += image_.doubles(h_.row_time)[c] * m_.x()[image_.ints(h_.row_column)[c]];
      }
    }
    return time;
  }

  /// Divides the tokens again, in proportion to the copies' speeds over the fourth power of their ranks' times, within
  /// limits: about half an iteration less is needed from there, for a tenth of one.
  LPLB_WEIGHTED void lean_to_fast_ranks() {
    deal(block_, h_.num_rank_rows, [&](int i) { m_.slack()[i] = time_of_row(i); });
    block_.sync();
    deal(block_, h_.num_experts, [&](int j) {
      const int begin = image_.ints(h_.expert_begin)[j];
      const int end = image_.ints(h_.expert_begin)[j + 1];
      double least = time_at(begin);
      for_pairs(begin, end, [&](int p, int q) { least = smaller(least, smaller(time_at(p), time_at(q))); });
      double sum = 0;
      for_pairs(begin, end, [&](int p, int q) {
        const double x_p = image_.doubles(h_.column_start)[p] * leaning(least, time_at(p));
        const double x_q = image_.doubles(h_.column_start)[q] * leaning(least, time_at(q));
        m_.x()[p] = x_p;
        m_.x()[q] = x_q;
        sum += x_p;
        sum += q != p ? x_q : 0;
      });
      const double tokens = m_.tokens()[j] * Block::inverse(sum);
      for_pairs(begin, end, [&](int p, int q) {
        const double x_p = m_.x()[p] * tokens;
        const double x_q = m_.x()[q] * tokens;
        m_.x()[p] = x_p;
        m_.x()[q] = x_q;
      });
    });
    block_.sync();
  }

  /// Of the rank of column p, which lean_to_fast_ranks() keeps in `slack`.
  LPLB_WEIGHTED double time_at(int p) const { return m_.slack()[image_.ints(h_.column_row)[p]]; }

  LPLB_WEIGHTED static double leaning(double least, double time) {
    const double part = time > 0 ? least * Block::inverse(time) : 1;
    return larger(part * part * part * part, kLeastPart);
  }

  LPLB_WEIGHTED void set_slacks(double largest) {
    deal(block_, h_.num_rows, [&](int i) {
      const double time = time_of_row(i);
      m_.slack()[i] = time;
      m_.excess()[i] = 0;
      largest = larger(largest, is_time_row<Block>(h_, i) ? time : 0);
    });
    const double needed = block_.max(largest);
    const double allowed = needed > 0 ? kRoom * needed : 1;
    double inverses = 0;
    deal(block_, h_.num_time_rows, [&](int i) {
      m_.slack()[i] = allowed - m_.slack()[i];
      m_.dual()[i] = Block::inverse(m_.slack()[i]);
      inverses += m_.dual()[i];
    });
    const double product = Block::inverse(block_.sum(inverses));
    deal(block_, h_.num_time_rows, [&](int i) { m_.dual()[i] *= product; });
    if (block_.thread() == 0) {
      m_.scalars().time = allowed;
    }
    block_.sync();
    deal(block_, num_extra_rows<Block>(h_), [&](int r) { set_extra_slack(r, product); });
    block_.sync();
  }

  LPLB_WEIGHTED void set_extra_slack(int r, double product) {
    const int i = h_.num_time_rows + r;
    double value = m_.base()[i];
    LPLB_WEIGHTED_ROLL
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
    deal(block_, h_.num_experts, [&](int j) {
      if (m_.tokens()[j] <= 0) {
        return;
      }
      const int begin = image_.ints(h_.expert_begin)[j];
      const int end = image_.ints(h_.expert_begin)[j + 1];
      double lowest = 0;
      for_pairs(begin, end, [&](int p, int q) {
        const double price_p = column_sum<Block>(image_, p, m_.dual());
        const double price_q = column_sum<Block>(image_, q, m_.dual());
        m_.z()[p] = price_p;
        m_.z()[q] = price_q;
        const double lower = smaller(price_p, price_q);
        lowest = p == begin ? lower : smaller(lowest, lower);
      });
      const double product = m_.slack()[0] * m_.dual()[0];
      const double least = product * (end - begin) * Block::inverse(m_.tokens()[j]);
      for_pairs(begin, end, [&](int p, int q) {
        const double z_p = m_.z()[p] + (least - lowest);
        const double z_q = m_.z()[q] + (least - lowest);
        m_.z()[p] = z_p;
        m_.z()[q] = z_q;
      });
    });
  }

  /// The first largest time, in units of what the start needs; the first slack of an extra row, in units of its size.
  static constexpr double kRoom = 1.02;
  static constexpr double kExtraRoom = 0.0625;
  static constexpr double kLeastPart = 0.02;  // of its speed that a copy keeps, however slow its rank

  Block& block_;
  const ImageView& image_;
  const ImageHeader& h_;
  const Batch& batch_;
  const Memory& m_;
};

}  // namespace lplb::weighted
