#pragma once

// A component of up to 128 ranks with classes of any size, by one warp. Lane l has ranks l, l + 32, ..; the amounts, by
// color and rank, and the loads as the other lanes see them lie in the block's memory. A rank has one class a color at
// most, so that a color is one parallel step: class_step.h. docs/solver.md specifies the orders.

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

  LPLB_DEVICE void run(SolveOutcome& outcome) {
    start();
    c_.balance(*this);
    c_.write_loads(rank_);
    c_.write_outcome(outcome);
  }

  LPLB_DEVICE int equalize(int max_sweeps) {
    ClassStep<Simt, kRanksPerLane> step(c_, table_);
    return c_.equalize(max_sweeps, [&] {
      step.begin_sweep();
      LPLB_ROLL
      for (int color = 0; color < c_.task.num_colors; ++color) {
        step.level(color);
      }
    });
  }

  LPLB_DEVICE void find_outlets() {
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      c_.outlets[i] = Ranks{};
      LPLB_UNROLL_BY_4
      for (int color = 0; color < c_.task.num_colors; ++color) {
        const int index = table_.index_of(color, table_.some_rank(c_.rank_at(i)));
        const Ranks members = table_.masks[index];
        c_.outlets[i] = c_.is_rank(i) && table_.amounts[index] > 0 ? c_.outlets[i].joined(members) : c_.outlets[i];
      }
    }
  }

  /// Level by level, farthest first; the ranks of a level are independent of each other.
  LPLB_DEVICE void push_wave() {
    int* const rooms = table_.scratch + kRanksPerLane * kWarpSize;
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
      rank_[i] = section<int>(c_.arrays.image, c_.task.ranks)[c_.rank_at(i)];
      fixed[i] = c_.arrays.fixed_load[rank_[i]].sum();
      c_.load[i] = fixed[i];
      LPLB_UNROLL_BY_4
      for (int color = 0; color < c_.task.num_colors; ++color) {
        const int index = table_.index_of(color, table_.some_rank(c_.rank_at(i)));
        const int amount = even_share(table_.arcs[index]);
        if (c_.is_rank(i)) {
          table_.amounts[index] = amount;
        }
        c_.load[i] += c_.is_rank(i) ? amount : 0;
      }
    }
    c_.start_bound(fixed);
  }

  LPLB_DEVICE int even_share(SolveArc arc) const {
    const unsigned num_members = arc.head & 255;
    const unsigned tokens = c_.arrays.class_total[arc.head >> 16];
    const unsigned share = divide(tokens, num_members, c_.reciprocal(num_members));
    const bool has_more = (arc.head >> 8 & 255) < tokens - share * num_members;
    return num_members == 0 ? 0 : static_cast<int>(share + (has_more ? 1 : 0));
  }

  /// Color by color, nearer members ascending. Others add to what they take at the same time.
  LPLB_DEVICE void push_from(int i, const int* rooms) {
    int* const loads = table_.scratch;
    int excess = loads[c_.rank_at(i)] - c_.outcome.target;
    LPLB_ROLL
    for (int color = 0; color < c_.task.num_colors && excess > 0; ++color) {
      const int own = table_.index_of(color, c_.rank_at(i));
      Ranks takers = table_.masks[own].common(c_.nearer[i]);
      const int most = takers.is_empty() ? 0 : std::min(excess, table_.amounts[own]);
      int left = most;
      LPLB_ROLL
      for (int taker = takers.lowest(); taker >= 0 && left > 0; taker = takers.lowest()) {
        takers.remove(taker);
        const int move = std::min(left, rooms[taker]);
        left -= move;
        Simt::add(table_.amounts + table_.index_of(color, taker), move);
        Simt::add(loads + taker, move);
      }
      if (left < most) {
        table_.amounts[own] -= most - left;
        loads[c_.rank_at(i)] -= most - left;
        excess -= most - left;
      }
    }
  }

  WarpComponent<Simt, kRanksPerLane> c_;
  ClassTable<Simt, kRanksPerLane> table_;
  int rank_[kRanksPerLane];  // by its number in the placement
};

}  // namespace lplb::cuda
