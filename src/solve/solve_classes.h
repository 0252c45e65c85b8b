#pragma once

// A component of up to 128 ranks with classes of any size, by one warp. Lane l has ranks l, l + 32, ..; the amounts, by
// color and rank, lie in the block's memory, and in a wave the loads, too. A rank has one class a color at most, so
// that a color is one parallel step, or two: class_step.h. docs/solver.md specifies the orders.

#include <algorithm>

#include "solve/class_step.h"
#include "solve/simt.h"
#include "solve/solve_arrays.h"
#include "solve/warp_component.h"

namespace lplb::cuda {

template <class Simt, int kRanksPerLane>
class ClassSolver {
  using Ranks = RankSet<Simt, kRanksPerLane>;

 public:
  LPLB_DEVICE ClassSolver(const SolveTask& task, const SolveArrays& arrays) : c_(task, arrays), table_(c_) {}

  LPLB_DEVICE void run() {
    start();
    c_.balance(*this);
    c_.write_loads(rank_);
  }
  LPLB_DEVICE const WarpComponent<Simt, kRanksPerLane>& component() const { return c_; }

  LPLB_DEVICE int equalize(int max_sweeps) {
    ClassStep<Simt, kRanksPerLane> step(c_, table_);
    return c_.equalize(max_sweeps, [&] { step.run_sweep(); });
  }

  /// What the next color needs is on its way while one is taken in.
  LPLB_DEVICE void find_outlets() {
    Ranks members[kRanksPerLane];
    int amount[kRanksPerLane];
    const auto fetch = [&](int color) {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        const int index = table_.some_index(color, c_.rank_at(i));
        members[i] = table_.masks[index];
        amount[i] = table_.amounts[index];
      }
    };
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      c_.outlets[i] = Ranks{};
    }
    fetch(0);
    LPLB_ROLL
    for (int color = 1; color <= c_.task.num_colors; ++color) {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        const bool has_tokens = c_.is_rank(i) && amount[i] > 0;
        c_.outlets[i] = c_.outlets[i].joined(has_tokens ? members[i] : Ranks{});
      }
      fetch(std::min(color, c_.task.num_colors - 1));
    }
  }

  /// Level by level, farthest first; the ranks of a level are independent of each other.
  LPLB_DEVICE void push_wave() {
    int* const rooms = table_.scratch + kRanksPerLane * kWarpSize;
    find_useful_colors();
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      table_.scratch[c_.rank_at(i)] = c_.load[i];
      rooms[c_.rank_at(i)] = c_.room(i);
    }
    Simt::sync_warp();
    LPLB_ROLL
    for (int distance = c_.depth; distance > 0; --distance) {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        if (c_.distance[i] == distance) {
          push_from(i, rooms);
        }
      }
      Simt::sync_warp();
    }
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      c_.load[i] = table_.scratch[c_.rank_at(i)];
    }
    Simt::sync_warp();
  }

 private:
  LPLB_DEVICE void start() {
    int fixed[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const int position = c_.task.first_rank + c_.rank_at(i);
      rank_[i] = section<int>(c_.arrays.image, c_.task.ranks)[c_.rank_at(i)];
      fixed[i] = c_.is_rank(i) ? c_.arrays.fixed_load[position] : 0;
      c_.load[i] = c_.is_rank(i) ? fixed[i] + c_.arrays.shares[position] : 0;
    }
    c_.start_bound(fixed);
  }

  /// Of each rank the colors whose classes have nearer members, as bits; bit 31 stands for all from 31 on.
  LPLB_DEVICE void find_useful_colors() {
    Ranks members[kRanksPerLane];
    const auto fetch = [&](int color) {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        members[i] = table_.masks[table_.some_index(color, c_.rank_at(i))];
      }
    };
    fetch(0);
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      useful_colors_[i] = 0;
    }
    LPLB_ROLL
    for (int color = 0; color < c_.task.num_colors; ++color) {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        useful_colors_[i] |= members[i].meets(c_.nearer[i]) ? 1U << std::min(color, 31) : 0;
      }
      fetch(std::min(color + 1, c_.task.num_colors - 1));
    }
  }

  /// The first useful color from `color` on.
  LPLB_DEVICE int useful_color(int i, int color) const {
    if (color > 31) {
      return color;
    }
    const unsigned rest = useful_colors_[i] >> color;
    return rest == 0 ? c_.task.num_colors : color + Simt::lowest_bit(rest);
  }

  /// Color by color, nearer members ascending. Others add to what they take at the same time.
  LPLB_DEVICE void push_from(int i, const int* rooms) {
    int* const loads = table_.scratch;
    int excess = loads[c_.rank_at(i)] - c_.outcome.target;
    LPLB_ROLL
    for (int color = useful_color(i, 0); color < c_.task.num_colors && excess > 0; color = useful_color(i, color + 1)) {
      const int own = table_.index_of(color, c_.rank_at(i));
      Ranks takers = table_.masks[own].common(c_.nearer[i]);
      const int most = std::min(excess, table_.amounts[own]);
      int left = most;
      LPLB_ROLL
      for (int taker = takers.lowest(); taker >= 0 && left > 0; taker = takers.lowest()) {
        takers.remove(taker);
        const int move = std::min(left, rooms[taker]);
        left -= move;
        Simt::add(table_.amounts + table_.index_of(color, taker), move);
        Simt::add(loads + taker, move);
      }
      Simt::add(table_.amounts + own, left - most);
      Simt::add(loads + c_.rank_at(i), left - most);
      excess -= most - left;
    }
  }

  WarpComponent<Simt, kRanksPerLane> c_;
  ClassTable<Simt, kRanksPerLane> table_;
  int rank_[kRanksPerLane];  // by its number in the placement
  unsigned useful_colors_[kRanksPerLane];
};

}  // namespace lplb::cuda
