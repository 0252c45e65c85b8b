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
  static constexpr int kColorsAtOnce = kRanksPerLane < 4 ? 3 : 1;

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

  /// What kColorsAtOnce colors need comes together.
  LPLB_DEVICE void find_outlets() {
    const Ranks* mask[kRanksPerLane];
    const int* of_color[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      mask[i] = table_.masks + table_.some_index(0, c_.rank_at(i));
      of_color[i] = table_.amounts + table_.some_index(0, c_.rank_at(i));
      c_.outlets[i] = Ranks{};
    }
    LPLB_ROLL
    for (int first = 0; first < c_.task.num_colors; first += kColorsAtOnce) {
      Ranks members[kColorsAtOnce][kRanksPerLane];
      int amount[kColorsAtOnce][kRanksPerLane];
      LPLB_UNROLL
      for (int k = 0; k < kColorsAtOnce; ++k) {
        const int stride = first + k + 1 < c_.task.num_colors ? table_.num_ranks : 0;
        LPLB_UNROLL
        for (int i = 0; i < kRanksPerLane; ++i) {
          members[k][i] = *mask[i];
          amount[k][i] = c_.is_rank(i) ? *of_color[i] : 0;  // behind the last color the last one again
          mask[i] += stride;
          of_color[i] += stride;
        }
      }
      LPLB_UNROLL
      for (int k = 0; k < kColorsAtOnce; ++k) {
        LPLB_UNROLL
        for (int i = 0; i < kRanksPerLane; ++i) {
          c_.outlets[i] = c_.outlets[i].joined(amount[k][i] > 0 ? members[k][i] : Ranks{});
        }
      }
    }
  }

  /// Level by level, farthest first; the ranks of a level are independent of each other.
  LPLB_DEVICE void push_wave() {
    int* const rooms = table_.scratch + kRanksPerLane * kWarpSize;
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      some_rank_[i] = std::min(c_.rank_at(i), table_.num_ranks - 1);
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

  /// A rank that pushes; without excess where the lane has none.
  struct Pusher {
    int rank;
    int excess;
    Ranks nearer;
  };

  /// The ranks of a lane one after the other: most lanes have one that pushes at most. All lanes go together, for the
  /// compiler is to know that: in doubt it makes every exchange between lanes a branch.
  LPLB_DEVICE void push_level(int distance, const int* rooms) {
    int excess[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      excess[i] = c_.distance[i] == distance ? table_.scratch[c_.rank_at(i)] - c_.outcome.target : 0;
    }
    bool is_any_left = true;
    LPLB_ROLL
    while (is_any_left) {
      push_from(next_pusher(excess), rooms);
      bool is_left = false;
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        is_left = is_left || excess[i] > 0;
      }
      is_any_left = kRanksPerLane > 1 && Simt::ballot(is_left) != 0;
    }
  }

  /// Takes the first rank of the lane that has excess out of `excess`.
  LPLB_DEVICE Pusher next_pusher(int (&excess)[kRanksPerLane]) const {
    Pusher pusher;
    LPLB_UNROLL
    for (int i = kRanksPerLane - 1; i >= 0; --i) {
      if (i == kRanksPerLane - 1 || excess[i] > 0) {
        pusher = {.rank = some_rank_[i], .excess = std::max(excess[i], 0), .nearer = c_.nearer[i]};
      }
    }
    bool is_taken = false;
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const bool has_excess = excess[i] > 0;
      excess[i] = is_taken ? excess[i] : 0;
      is_taken = is_taken || has_excess;
    }
    return pusher;
  }

  /// Color by color, nearer members ascending, each what it had room for when the wave began, until nothing is left.
  /// Others add to what they take at the same time; nobody gives to a rank that pushes. What the next color needs is on
  /// its way meanwhile.
  LPLB_DEVICE void push_from(const Pusher& from, const int* rooms) {
    int excess = from.excess;
    const Ranks* members = table_.masks + from.rank;
    int* of_color = table_.amounts;
    Ranks next_members = *members;
    int next_amount = of_color[from.rank];
    LPLB_ROLL
    for (int num_left = c_.task.num_colors; num_left > 0; --num_left) {
      Ranks takers = next_members.common(from.nearer);
      const int amount = next_amount;
      const int most = std::min(excess, amount);
      bool goes_on = most > 0 && !takers.is_empty();
      int* const here = of_color;
      const int stride = num_left > 1 ? table_.num_ranks : 0;
      members += stride;
      of_color += stride;
      next_members = *members;
      next_amount = of_color[from.rank];
      if (Simt::ballot(goes_on) != 0) {
        excess -= push_to(takers, most, goes_on, rooms, here, from.rank, amount);
        if (Simt::ballot(excess > 0) == 0) {
          break;
        }
      }
    }
    if (from.excess > 0) {
      table_.scratch[from.rank] = c_.outcome.target + excess;
    }
  }

  /// Up to `most` tokens to the takers of a color; returns how many went.
  LPLB_DEVICE int push_to(Ranks takers, int most, bool goes_on, const int* rooms, int* of_color, int rank,
                          int amount) const {
    int left = most;
    bool is_any_left = true;
    LPLB_ROLL
    while (is_any_left) {
      const int taker = takers.lowest();
      const int room = goes_on ? rooms[taker] : 0;
      const int move = std::min(left, room);
      if (goes_on) {
        Simt::add(of_color + taker, move);
        Simt::add(table_.scratch + taker, move);
      }
      left -= move;
      goes_on = goes_on && left > 0;
      is_any_left = Simt::ballot(goes_on) != 0;
      takers.remove_lowest();
      goes_on = goes_on && !takers.is_empty();
    }
    if (left < most) {
      of_color[rank] = amount - (most - left);
    }
    return most - left;
  }

  WarpComponent<Simt, kRanksPerLane> c_;
  ClassTable<Simt, kRanksPerLane> table_;
  int rank_[kRanksPerLane];       // by its number in the placement
  int some_rank_[kRanksPerLane];  // its number here, and one that there is where the lane has none
};

}  // namespace lplb::cuda
