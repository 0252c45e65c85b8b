#pragma once

// The batch put into memory, and the first iterate: tokens in proportion to the copies' speeds, a largest time a little
// above theirs, and duals that make slack times dual the same on every rank. It is strictly feasible but for extra
// rows, whose shortfall is kept as an excess that the iterations remove.

#include "weighted/problem.h"

namespace lplb::weighted {

/// What the start finds out about the batch.
struct StartFacts {
  double largest_base = 0;  // no split is faster
  double num_products = 0;  // pairs of a variable and its slack
  bool has_work = false;    // there is something to decide
};

template <class Block>
class Start {
 public:
  LPLB_WEIGHTED Start(Block& block, const ImageView& image, const Batch& batch, const Memory& memory)
      : block_(block), image_(image), h_(image.header), batch_(batch), m_(memory) {}

  LPLB_WEIGHTED StartFacts run() {
    StartFacts facts;
    stage_experts(facts);
    add_up_fixed();
    const double floor = set_base(facts);
    set_extra_base();
    block_.sync();
    if (floor > -1 && h_.num_time_rows > h_.num_rank_rows && block_.thread() == 0) {
      m_.base[h_.num_rank_rows] = floor;
    }
    block_.sync();
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

  LPLB_WEIGHTED void stage_experts(StartFacts& facts) {
    double num_active = 0;
    share_out(h_.num_experts, [&](int j) {
      const double tokens = batch_.counts[image_.ints(h_.expert_id)[j]];
      const int begin = image_.ints(h_.expert_begin)[j];
      const int end = image_.ints(h_.expert_begin)[j + 1];
      m_.tokens[j] = tokens;
      num_active += tokens > 0 ? end - begin : 0;
      for (int p = begin; p < end; ++p) {
        m_.x[p] = tokens * image_.doubles(h_.column_start)[p];
        m_.z[p] = 1;
        m_.weight[p] = m_.part[p] = m_.left[p] = m_.right[p] = m_.work[p] = m_.move[p] = 0;
      }
      for (int r = 0; r < h_.num_extra; ++r) {
        m_.mean[r * h_.num_experts + j] = 0;
      }
    });
    facts.num_products = block_.sum(num_active);
    facts.has_work = facts.num_products > 0;
    facts.num_products += h_.num_rows;
  }

  /// A few threads a rank, then one.
  LPLB_WEIGHTED void add_up_fixed() {
    const int lanes = larger(1, block_.num_threads() / h_.num_ranks);
    share_out(h_.num_ranks * lanes, [&](int i) {
      const int rank = i / lanes;
      double time = 0;
      for (int f = image_.ints(h_.rank_fixed)[rank] + i % lanes; f < image_.ints(h_.rank_fixed)[rank + 1]; f += lanes) {
        time += batch_.counts[image_.ints(h_.fixed_expert)[f]] * image_.doubles(h_.fixed_time)[f];
      }
      m_.partial[i] = time;
    });
    block_.sync();
    share_out(h_.num_ranks, [&](int rank) {
      const bool is_live = image_.ints(h_.rank_row)[rank] != kNone;
      double time = batch_.base_time != nullptr && is_live ? batch_.base_time[rank] : 0;
      for (int lane = 0; lane < lanes; ++lane) {
        time += m_.partial[rank * lanes + lane];
      }
      m_.rank_base[rank] = time;
    });
  }

  /// Returns the largest time of the ranks without columns, -1 without such.
  LPLB_WEIGHTED double set_base(StartFacts& facts) {
    double floor = -1;
    double largest = 0;
    share_out(h_.num_ranks, [&](int rank) {
      const int row = image_.ints(h_.rank_row)[rank];
      const double time = m_.rank_base[rank];
      if (row >= 0 && row < h_.num_rank_rows) {
        m_.base[row] = time;
      } else if (row >= 0) {
        floor = larger(floor, time);
      }
      largest = larger(largest, time);
    });
    facts.largest_base = block_.max(largest);
    return block_.max(floor);
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
      m_.base[h_.num_time_rows + r] = fixed - batch_.row_bound[r];
      m_.size[h_.num_time_rows + r] = size;
      m_.fixed[h_.num_time_rows + r] = size;
    });
  }

  LPLB_WEIGHTED void set_slacks(const StartFacts& facts) {
    double largest = facts.largest_base;
    share_out(h_.num_rows, [&](int i) {
      double time = m_.base[i];
      if (i < h_.num_rank_rows) {
        for (int c = image_.ints(h_.row_columns)[i]; c < image_.ints(h_.row_columns)[i + 1]; ++c) {
          const int p = image_.ints(h_.row_column)[c];
          time += image_.doubles(h_.column_time)[p] * m_.x[p];
        }
      }
      m_.slack[i] = time;
      m_.excess[i] = 0;
      largest = larger(largest, i < h_.num_time_rows ? time : 0);
    });
    const double needed = block_.max(largest);
    const double allowed = needed > 0 ? kRoom * needed : 1;
    double inverses = 0;
    share_out(h_.num_time_rows, [&](int i) {
      m_.slack[i] = allowed - m_.slack[i];
      m_.dual[i] = Block::inverse(m_.slack[i]);
      inverses += m_.dual[i];
    });
    const double product = Block::inverse(block_.sum(inverses));
    share_out(h_.num_time_rows, [&](int i) { m_.dual[i] *= product; });
    if (block_.thread() == 0) {
      m_.scalar[0] = allowed;
    }
    block_.sync();
    share_out(h_.num_extra, [&](int r) { set_extra_slack(r, product); });
    block_.sync();
  }

  LPLB_WEIGHTED void set_extra_slack(int r, double product) {
    const int i = h_.num_time_rows + r;
    double value = m_.base[i];
    for (int p = 0; p < h_.num_columns; ++p) {
      const double part = image_.doubles(h_.coefficient)[r * h_.num_columns + p] * m_.x[p];
      value += part;
      m_.size[i] += magnitude(part);
    }
    if (m_.size[i] <= 0) {
      m_.size[i] = 1;  // a row of zeros; any unit will do
    }
    m_.slack[i] = larger(-value, kExtraRoom * m_.size[i]);
    m_.excess[i] = m_.slack[i] + value;
    m_.dual[i] = product * Block::inverse(m_.slack[i]);
  }

  LPLB_WEIGHTED void set_dual_slacks() {
    share_out(h_.num_experts, [&](int j) {
      if (m_.tokens[j] <= 0) {
        return;
      }
      const int begin = image_.ints(h_.expert_begin)[j];
      const int end = image_.ints(h_.expert_begin)[j + 1];
      double lowest = 0;
      for (int p = begin; p < end; ++p) {
        double price = image_.doubles(h_.column_time)[p] * m_.dual[image_.ints(h_.column_row)[p]];
        for (int r = 0; r < h_.num_extra; ++r) {
          price += image_.doubles(h_.coefficient)[r * h_.num_columns + p] * m_.dual[h_.num_time_rows + r];
        }
        m_.z[p] = price;
        lowest = p == begin ? price : smaller(lowest, price);
      }
      const double product = m_.slack[0] * m_.dual[0];
      const double least = product * (end - begin) * Block::inverse(m_.tokens[j]);
      for (int p = begin; p < end; ++p) {
        m_.z[p] += least - lowest;
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
