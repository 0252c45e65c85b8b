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

  LPLB_DEVICE SweepRule rule() const { return sweep_rule(c_.task.is_wide != 0, c_.task.num_ranks); }

  LPLB_DEVICE int equalize(int max_sweeps) {
    ClassStep<Simt, kRanksPerLane> step(c_, table_);
    return c_.equalize(max_sweeps, rule(), [&] { step.run_sweep(); });
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
        amount[i] = c_.is_rank(i) ? table_.amounts[index] : 0;
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
        c_.outlets[i] = c_.outlets[i].joined(amount[i] > 0 ? members[i] : Ranks{});
      }
      fetch(std::min(color, c_.task.num_colors - 1));
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
      push_level(distance, rooms);
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

  /// A rank that pushes, and what it has too much.
  struct Pusher {
    int rank;
    int excess;
    Ranks nearer;
  };

  /// The ranks of a lane one after the other: most lanes have one that pushes at most, so that the warp goes once.
  LPLB_DEVICE void push_level(int distance, const int* rooms) {
    int excess[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      excess[i] = c_.distance[i] == distance ? table_.scratch[c_.rank_at(i)] - c_.outcome.target : 0;
    }
    LPLB_ROLL
    for (int n = 0; n < kRanksPerLane; ++n) {
      Pusher pusher{.rank = 0, .excess = 0, .nearer = {}};
      bool is_found = false;
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        if (!is_found && excess[i] > 0) {
          is_found = true;
          pusher = {.rank = c_.rank_at(i), .excess = excess[i], .nearer = c_.nearer[i]};
          excess[i] = 0;
        }
      }
      if (is_found) {
        push_from(pusher, distance == 1 ? rooms : nullptr);
      }
    }
  }

  /// Color by color, nearer members ascending; `rooms` of sinks, null where the nearer ones are none and take all.
  /// Others add to what they take at the same time; nobody gives to a rank of this distance.
  LPLB_DEVICE void push_from(const Pusher& from, const int* rooms) {
    int excess = from.excess;
    Ranks members = table_.masks[table_.index_of(0, from.rank)];
    int amount = table_.amounts[table_.index_of(0, from.rank)];
    LPLB_ROLL
    for (int color = 0; color < c_.task.num_colors; ++color) {
      Ranks takers = members.common(from.nearer);
      const int most = std::min(excess, amount);
      const int left_behind = amount - most;
      const int next = table_.index_of(std::min(color + 1, c_.task.num_colors - 1), from.rank);
      members = table_.masks[next];
      amount = table_.amounts[next];
      if (most > 0 && !takers.is_empty()) {
        const int left = push_over(color, takers, most, rooms);
        table_.amounts[table_.index_of(color, from.rank)] = left_behind + left;
        excess -= most - left;
      }
    }
    table_.scratch[from.rank] = c_.outcome.target + excess;
  }

  /// Returns what of `most` the takers have no room for.
  LPLB_DEVICE int push_over(int color, Ranks takers, int most, const int* rooms) {
    int left = most;
    LPLB_ROLL
    while (left > 0 && !takers.is_empty()) {
      const int taker = takers.lowest();
      takers.remove(taker);
      const int move = rooms == nullptr ? left : std::min(left, rooms[taker]);
      left -= move;
      Simt::add(table_.amounts + table_.index_of(color, taker), move);
      Simt::add(table_.scratch + taker, move);
    }
    return left;
  }

  WarpComponent<Simt, kRanksPerLane> c_;
  ClassTable<Simt, kRanksPerLane> table_;
  int rank_[kRanksPerLane];  // by its number in the placement
};

}  // namespace lplb::cuda
