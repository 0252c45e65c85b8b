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
  static constexpr int kColorsAtOnce = class_colors_at_once(kRanksPerLane);

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
    const int stride = table_.num_columns();
    const Ranks* masks = table_.masks;
    const int* amounts = table_.amounts;
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      c_.outlets[i] = Ranks{};
    }
    LPLB_ROLL
    for (int num_left = c_.task.num_colors; num_left > 0; num_left -= kColorsAtOnce) {
      Ranks members[kColorsAtOnce][kRanksPerLane];
      int amount[kColorsAtOnce][kRanksPerLane];
      LPLB_UNROLL
      for (int k = 0; k < kColorsAtOnce; ++k) {
        LPLB_UNROLL
        for (int i = 0; i < kRanksPerLane; ++i) {
          const int column = table_.column(c_.rank_at(i));
          members[k][i] = masks[k * stride + column];
          amount[k][i] = table_.kHasAllColumns || c_.is_rank(i) ? amounts[k * stride + column] : 0;
        }
      }
      masks += kColorsAtOnce * stride;
      amounts += kColorsAtOnce * stride;
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
      table_.scratch[c_.rank_at(i)] = c_.load[i];
      rooms[c_.rank_at(i)] = c_.outcome.target - c_.load[i];
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
    const bool to_sinks = distance == 1;
    int excess[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      excess[i] = c_.distance[i] == distance ? table_.scratch[c_.rank_at(i)] - c_.outcome.target : 0;
    }
    bool is_any_left = true;
    LPLB_ROLL
    while (is_any_left) {
      push_from(next_pusher(excess), to_sinks, rooms);
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
        pusher = {.rank = table_.column(c_.rank_at(i)), .excess = std::max(excess[i], 0), .nearer = c_.nearer[i]};
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
  LPLB_DEVICE void push_from(const Pusher& from, bool to_sinks, const int* rooms) {
    int excess = from.excess;
    const Ranks* members = table_.masks + from.rank;
    int* of_color = table_.amounts;
    Ranks next_members = *members;
    // Where a lane has no rank and no column, it has another lane's, which may write there.
    const bool reads = table_.kHasAllColumns || from.excess > 0;
    int next_amount = reads ? of_color[from.rank] : 0;
    LPLB_ROLL
    for (int num_left = c_.task.num_colors; num_left > 0; --num_left) {
      const Ranks takers = next_members.common(from.nearer);
      const int amount = next_amount;
      const int most = std::min(excess, amount);
      const bool goes_on = most > 0 && !takers.is_empty();
      int* const here = of_color;
      const int stride = num_left > 1 ? table_.num_columns() : 0;
      members += stride;
      of_color += stride;
      next_members = *members;
      next_amount = reads ? of_color[from.rank] : 0;
      if (Simt::ballot(goes_on) != 0) {
        excess -= push_to(takers, most, goes_on, to_sinks, rooms, here, from.rank, amount);
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
  LPLB_DEVICE int push_to(Ranks takers, int most, bool goes_on, bool to_sinks, const int* rooms, int* of_color,
                          int rank, int amount) const {
    int left = most;
    bool is_any_left = true;
    LPLB_ROLL
    while (is_any_left) {
      const int taker = takers.lowest();
      int move = goes_on ? left : 0;
      if (goes_on && to_sinks) {
        move = std::min(left, rooms[taker]);  // the others take any number
      }
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
  int rank_[kRanksPerLane];  // by its number in the placement
};

}  // namespace lplb::cuda
