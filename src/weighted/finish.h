#pragma once

// From the last iterate to what is handed over: shares that add up to the tokens exactly, the times that follow, a
// lower bound that rounding cannot make wrong, quotas, and the status. Nothing here trusts that the iterations
// converged.

#include "weighted/problem.h"
#include "weighted/row_proof.h"
#include "weighted/shares.h"

namespace lplb::weighted {

template <class Block>
class Finish {
 public:
  LPLB_WEIGHTED Finish(Block& block, const ImageView& image, const Batch& batch, const Memory& memory,
                       const Output& output)
      : block_(block), image_(image), h_(image.header), batch_(batch), m_(memory), out_(output) {}

  LPLB_WEIGHTED void run(int num_iterations) {
    share_out_experts();
    block_.sync();
    WeightedSummary summary{};
    summary.num_iterations = num_iterations;
    double quota_time = 0;
    summary.max_time = block_.max(largest_rank_time(quota_time));
    summary.quota_max_time = out_.quota != nullptr ? block_.max(quota_time) : 0;
    summary.row_excess = num_extra_rows<Block>(h_) > 0 ? block_.max(largest_row_excess()) : 0;
    summary.lower_bound = prove();
    judge(summary, RowProof<Block>(block_, image_, m_).run());
    if (block_.thread() == 0) {
      *out_.summary = summary;
    }
  }

 private:
  /// Columns rounded down to units; what is missing, or too much, goes to the largest. Leaves whole units in x, and
  /// what the column's quotas sum to in `move`.
  LPLB_WEIGHTED void share_out_experts() {
    deal(block_, h_.num_experts, [&](int j) {
      const auto tokens = static_cast<Tokens>(m_.tokens()[j]);
      const int bits = tokens > 0 ? unit_bits<Block>(tokens) : 0;
      const double units_per_token = power_of_two(bits);
      const double unit = power_of_two(-bits);
      const int begin = image_.ints(h_.expert_begin)[j];
      const int end = image_.ints(h_.expert_begin)[j + 1];
      long long left = static_cast<long long>(tokens) << bits;
      int largest = begin;
      double most = m_.x()[begin];
      for_pairs(begin, end, [&](int p, int q) {
        const double x_p = m_.x()[p];
        const double x_q = m_.x()[q];
        const auto units_p = static_cast<long long>(smaller(x_p, m_.tokens()[j]) * units_per_token);
        const auto units_q = static_cast<long long>(smaller(x_q, m_.tokens()[j]) * units_per_token);
        m_.move()[p] = static_cast<double>(units_p);
        m_.move()[q] = static_cast<double>(units_q);
        left -= units_p + (q != p ? units_q : 0);
        largest = x_p > most ? p : largest;
        most = larger(most, x_p);
        largest = x_q > most ? q : largest;
        most = larger(most, x_q);
      });
      m_.move()[largest] += static_cast<double>(left);
      LPLB_WEIGHTED_ROLL
      for (int p = begin; p < end; ++p) {
        write_shares<Block>(cell_of(image_, p), static_cast<long long>(m_.move()[p]), unit, out_.share);
        m_.x()[p] = m_.move()[p] * unit;
      }
      if (out_.quota != nullptr) {
        round_to_quotas(tokens, bits, begin, end);
      }
    });
  }

  /// Largest remainder over the slots of columns [begin, end), whose units are in `move`.
  LPLB_WEIGHTED void round_to_quotas(Tokens tokens, int bits, int begin, int end) const {
    const long long mask = (1LL << bits) - 1;
    Tokens left = tokens;
    for_slots(begin, end, [&](int, int, long long units) { left -= static_cast<Tokens>(units >> bits); });
    LPLB_WEIGHTED_ROLL
    for (int p = begin; p < end; ++p) {
      Tokens sum = 0;
      for_slots(p, p + 1, [&](int, int slot, long long units) {
        int num_before = 0;  // slots that come first when what is left over is handed out
        for_slots(begin, end, [&](int, int other, long long other_units) {
          const long long difference = (other_units & mask) - (units & mask);
          num_before += difference > 0 || (difference == 0 && other < slot) ? 1 : 0;
        });
        const Tokens quota = static_cast<Tokens>(units >> bits) + (num_before < left ? 1 : 0);
        out_.quota[slot] = quota;
        sum += quota;
      });
      m_.z()[p] = sum;
    }
    LPLB_WEIGHTED_ROLL
    for (int p = begin; p < end; ++p) {
      m_.move()[p] = m_.z()[p];
    }
  }

  template <class F>
  LPLB_WEIGHTED void for_slots(int begin, int end, F f) const {
    for (int p = begin; p < end; ++p) {
      const CellSlots cell = cell_of(image_, p);
      LPLB_WEIGHTED_ROLL
      for (int i = 0; i < cell.count; ++i) {
        f(p, cell.slots[i], part_of<Block>(static_cast<long long>(m_.move()[p]), cell.count, i));
      }
    }
  }

  /// Of the shares; leaves that of the quotas in `largest_quota`.
  LPLB_WEIGHTED double largest_rank_time(double& largest_quota) const {
    double largest = 0;
    deal(block_, h_.num_ranks, [&](int rank) {
      const int row = image_.ints(h_.rank_row)[rank];
      double time = m_.rank_base()[rank];
      double quota_time = time;
      if (row >= 0 && row < h_.num_rank_rows) {
        LPLB_WEIGHTED_UNROLL_4
        for (int c = image_.ints(h_.row_columns)[row]; c < image_.ints(h_.row_columns)[row + 1]; ++c) {
          const int p = image_.ints(h_.row_column)[c];
          time += image_.doubles(h_.row_time)[c] * m_.x()[p];
          quota_time += image_.doubles(h_.row_time)[c] * m_.move()[p];
        }
      }
      largest = larger(largest, time);
      largest_quota = larger(largest_quota, quota_time);
      if (out_.rank_time != nullptr) {
        out_.rank_time[rank] = time;
      }
    });
    return largest;
  }

  LPLB_WEIGHTED double largest_row_excess() const {
    double largest = 0;
    deal(block_, num_extra_rows<Block>(h_), [&](int r) {
      const int i = h_.num_time_rows + r;
      double value = m_.base()[i];
      double size = m_.fixed()[i];
      LPLB_WEIGHTED_ROLL
      for (int p = 0; p < h_.num_columns; ++p) {
        const double part = image_.doubles(h_.coefficient)[r * h_.num_columns + p] * m_.x()[p];
        value += part;
        size += magnitude(part);
      }
      largest = value > 0 ? larger(largest, value / size) : largest;
    });
    return largest;
  }

  /// Weak duality: for any duals that are not negative, with each expert at its lowest price, the duals' value over the
  /// sum of the time rows' duals is a lower bound. Every sum is lowered by more than its roundings.
  LPLB_WEIGHTED double prove() {
    Sums sums;
    deal(block_, h_.num_rows, [&](int i) {
      const double part = m_.dual()[i] * m_.base()[i];
      sums.value += part;
      sums.size += is_time_row<Block>(h_, i) ? part : m_.dual()[i] * m_.fixed()[i];
      sums.duals += is_time_row<Block>(h_, i) ? m_.dual()[i] : 0;
    });
    deal(block_, h_.num_experts, [&](int j) { add_lowest_price(sums, j); });
    double all[3] = {sums.value, sums.size, sums.duals};
    block_.sum(all);
    const double rounding = rounding_of(h_);
    const double value = all[0] - rounding * all[1];
    const double duals = all[2] * (1 + rounding);
    return larger(m_.scalars().largest_base * (1 - rounding), value / duals);
  }

  struct Sums {
    double value = 0;
    double size = 0;
    double duals = 0;
  };

  struct Price {
    double value;
    double size;
  };
  LPLB_WEIGHTED Price price_of(int p) const {
    const double time_price = image_.doubles(h_.column_time)[p] * m_.dual()[image_.ints(h_.column_row)[p]];
    Price price{time_price, time_price};
    LPLB_WEIGHTED_ROLL
    for (int r = 0; r < num_extra_rows<Block>(h_); ++r) {
      const double part = image_.doubles(h_.coefficient)[r * h_.num_columns + p] * m_.dual()[h_.num_time_rows + r];
      price.value += part;
      price.size += magnitude(part);
    }
    return price;
  }

  LPLB_WEIGHTED void add_lowest_price(Sums& sums, int j) const {
    double lowest = 0;
    double size = 0;
    const int begin = image_.ints(h_.expert_begin)[j];
    for_pairs(begin, image_.ints(h_.expert_begin)[j + 1], [&](int p, int q) {
      const Price price_p = price_of(p);
      const Price price_q = price_of(q);
      const double lower = smaller(price_p.value, price_q.value);
      lowest = p == begin ? lower : smaller(lowest, lower);
      size = larger(size, larger(price_p.size, price_q.size));
    });
    sums.value += m_.tokens()[j] * lowest;
    sums.size += m_.tokens()[j] * size;
  }

  LPLB_WEIGHTED void judge(WeightedSummary& summary, bool rows_contradict) const {
    const double excess = summary.max_time - summary.lower_bound;
    summary.gap = excess > 0 ? excess / summary.lower_bound : 0;
    if (summary.row_excess > kRowTolerance) {
      summary.status = rows_contradict ? WeightedStatus::kInfeasible : WeightedStatus::kRowsBroken;
    } else {
      summary.status = summary.gap <= batch_.tolerance ? WeightedStatus::kConverged : WeightedStatus::kFeasible;
    }
  }

  static constexpr double kRowTolerance = 1e-9;

  Block& block_;
  const ImageView& image_;
  const ImageHeader& h_;
  const Batch& batch_;
  const Memory& m_;
  const Output& out_;
};

}  // namespace lplb::weighted
