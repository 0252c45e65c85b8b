#pragma once

// One color of a sweep over classes of any size. A pair moves tokens as in solve_pairs.h. Larger classes are poured,
// all of the color at once: a lane knows the members of its rank's class as bits, sums over them are atomics in the
// block's memory, and each lane finds its class's level by Newton's steps from the members that have tokens. A step
// divides the tokens and the floors of the members under water by their number; its level is not below the true one
// from any set of members, and sinks from step to step until the set stays.

#include <algorithm>

#include "solve/simt.h"
#include "solve/solve_arrays.h"
#include "solve/warp_component.h"

namespace lplb::cuda {

/// What the lanes of a warp share of the classes of its component.
template <class Simt, int kRanksPerLane>
struct ClassTable {
  using Ranks = RankSet<Simt, kRanksPerLane>;

  LPLB_DEVICE explicit ClassTable(const WarpComponent<Simt, kRanksPerLane>& c)
      : num_ranks(c.task.num_ranks),
        arcs(section<SolveArc>(c.arrays.image, c.task.arcs)),
        masks(section<Ranks>(c.arrays.image, c.task.masks)),
        amounts(c.arrays.amounts + c.task.first_amount),
        scratch(c.arrays.scratch) {}

  /// A rank that exists, so that every lane can read.
  LPLB_DEVICE int some_rank(int rank) const { return std::min(rank, num_ranks - 1); }

  /// Index of the arcs, the masks and the amounts.
  LPLB_DEVICE int index_of(int color, int rank) const { return color * num_ranks + rank; }

  const int num_ranks;
  const SolveArc* const arcs;  // [num_colors, R]
  const Ranks* const masks;    // [num_colors, R] members of the class
  int* const amounts;          // [num_colors, R]
  int* const scratch;          // [kScratchPerRank, lanes' ranks]
};

template <class Simt, int kRanksPerLane>
class ClassStep {
  using Ranks = RankSet<Simt, kRanksPerLane>;
  static constexpr int kNumRanks = kRanksPerLane * kWarpSize;

 public:
  LPLB_DEVICE ClassStep(WarpComponent<Simt, kRanksPerLane>& component, const ClassTable<Simt, kRanksPerLane>& table)
      : c_(component), table_(table), loads_(table.scratch), sums_(table.scratch + 2 * kNumRanks) {
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      loads_[c_.rank_at(i)] = c_.load[i];
      sums_[c_.rank_at(i)] = 0;
    }
    Simt::sync_warp();
  }

  LPLB_DEVICE void begin_sweep() {
    fetch(0);
    fetch_totals();
  }

  /// A step on the color that was fetched; fetches the one after it. Written without branches, which would cost more
  /// than what they skip.
  LPLB_DEVICE void level(int color) {
    SolveArc arc[kRanksPerLane];
    int amount[kRanksPerLane];
    int fresh[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      arc[i] = arc_[i];
      amount[i] = amount_[i];
    }
    fetch(std::min(color + 1, c_.task.num_colors - 1));
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      fresh[i] = amount[i] - pair_move(i, arc[i], amount[i]);
    }
    if (is_wide(color)) {
      pour(color, arc, amount, fresh);
    }
    fetch_totals();
    int* const next_loads = other(loads_, table_.scratch);
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      c_.load[i] += fresh[i] - amount[i];
      next_loads[c_.rank_at(i)] = c_.load[i];
      if (arc[i].head != 0) {
        table_.amounts[table_.index_of(color, c_.rank_at(i))] = fresh[i];
      }
    }
    loads_ = next_loads;
    Simt::sync_warp();
  }

 private:
  LPLB_DEVICE bool is_wide(int color) const { return (c_.task.wide_colors >> std::min(color, 31) & 1) != 0; }

  /// Of two arrays that take turns, the first of which begins at `both`.
  LPLB_DEVICE static int* other(int* current, int* both) { return current == both ? both + kNumRanks : both; }

  /// Brings what the next step reads of the lane's own ranks, and, once that has come, of their classes.
  LPLB_DEVICE void fetch(int color) {
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const int index = table_.index_of(color, table_.some_rank(c_.rank_at(i)));
      arc_[i] = table_.arcs[index];
      arc_[i].head = c_.is_rank(i) ? arc_[i].head : 0;
      amount_[i] = c_.is_rank(i) ? table_.amounts[index] : 0;
    }
  }
  LPLB_DEVICE void fetch_totals() {
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      total_[i] = c_.arrays.class_total[arc_[i].head >> 16];
    }
  }

  LPLB_DEVICE int pair_move(int i, SolveArc arc, int amount) const {
    const bool is_pair = (arc.head & 255) == 2;
    const unsigned pair = arc.members >> ((arc.head >> 8 & 1) != 0 ? 0 : 8) & 255;
    const int partner = is_pair ? static_cast<int>(pair) : c_.lane;
    const int wish = wished_move(c_.load[i] - loads_[partner], c_.task.has_cycle != 0 ? ~0 : 0);
    const int move = std::max(std::min(wish, amount), amount - total_[i]);
    return is_pair ? move : 0;
  }

  LPLB_DEVICE void pour(int color, const SolveArc (&arc)[kRanksPerLane], const int (&amount)[kRanksPerLane],
                        int (&fresh)[kRanksPerLane]) {
    Ranks members[kRanksPerLane];  // of the class; none where it is no larger than a pair
    int* sum[kRanksPerLane];       // of the class; a place of the lane's own where there is none
    int floor[kRanksPerLane];
    bool is_under[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const bool is_wide = (arc[i].head & 255) > 2;
      const Ranks all = table_.masks[table_.index_of(color, table_.some_rank(c_.rank_at(i)))];
      members[i] = is_wide ? all : Ranks{};
      sum[i] = is_wide ? sums_ + arc[i].members : other(loads_, table_.scratch) + c_.rank_at(i);
      floor[i] = c_.load[i] - amount[i];
      is_under[i] = is_wide && amount[i] > 0;
      Simt::add(sum[i], is_under[i] ? c_.load[i] : 0);
      other(sums_, table_.scratch + 2 * kNumRanks)[c_.rank_at(i)] = 0;
    }
    Ranks under = balloted(is_under);
    int level[kRanksPerLane] = {};
    int rest[kRanksPerLane] = {};
    LPLB_ROLL
    for (int step = c_.task.num_ranks + 1; step > 0; --step) {
      Simt::sync_warp();
      bool is_next[kRanksPerLane];
      bool is_changing = false;
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        const unsigned size = members[i].common(under).size();
        const unsigned volume = *sum[i];
        const unsigned quotient = divide(volume, size, c_.reciprocal(size));
        level[i] = static_cast<int>(quotient);
        rest[i] = static_cast<int>(volume - quotient * size);
        is_next[i] = size > 0 && floor[i] <= level[i];
        is_changing = is_changing || is_next[i] != is_under[i];
      }
      if (Simt::ballot(is_changing) == 0) {
        break;
      }
      Simt::sync_warp();
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        const int change = is_next[i] ? floor[i] : -floor[i];
        Simt::add(sum[i], is_next[i] != is_under[i] ? change : 0);
        is_under[i] = is_next[i];
      }
      under = balloted(is_under);
    }
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const int num_lower = members[i].common(under).size_below(i, c_.lane);
      const int poured = is_under[i] ? level[i] - floor[i] + (num_lower < rest[i] ? 1 : 0) : 0;
      fresh[i] = members[i].is_empty() ? fresh[i] : poured;
    }
    sums_ = other(sums_, table_.scratch + 2 * kNumRanks);
  }

  LPLB_DEVICE static Ranks balloted(const bool (&flags)[kRanksPerLane]) {
    Ranks ranks;
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      ranks.word[i] = Simt::ballot(flags[i]);
    }
    return ranks;
  }

  WarpComponent<Simt, kRanksPerLane>& c_;
  const ClassTable<Simt, kRanksPerLane>& table_;
  int* loads_;  // [lanes' ranks] before this step; the step writes the other one of two
  int* sums_;   // by number of the class in the color; likewise, and the other one is cleared meanwhile
  SolveArc arc_[kRanksPerLane];
  int amount_[kRanksPerLane];
  int total_[kRanksPerLane];  // of the class
};

}  // namespace lplb::cuda
