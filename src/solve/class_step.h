#pragma once

// One step of a sweep over classes of any size: all parts (class_parts.h) of one round of a color at once, a lane its
// ranks. The members of a part show each other their floors, which are their loads without the class, and what they
// have of it; then each computes for itself what it has after. A pair moves tokens as in solve_pairs.h. Three or four
// are poured: the level is the lowest that the lowest, the two, three or four lowest floors allow.

#include <algorithm>

#include "solve/class_parts.h"
#include "solve/simt.h"
#include "solve/solve_arrays.h"
#include "solve/warp_component.h"

namespace lplb::cuda {

/// What the lanes of a warp share of the classes of its component.
template <class Simt, int kRanksPerLane>
struct ClassTable {
  using Ranks = RankSet<Simt, kRanksPerLane>;

  static constexpr bool kHasAllColumns = kRanksPerLane > 1;

  LPLB_DEVICE explicit ClassTable(const WarpComponent<Simt, kRanksPerLane>& c)
      : num_ranks(c.task.num_ranks),
        steps(section<PartArc>(c.arrays.image, c.task.steps)),
        masks(section<Ranks>(c.arrays.image, c.task.masks)),
        amounts(c.arrays.amounts + c.task.first_amount),
        scratch(c.arrays.scratch) {}

  LPLB_DEVICE int num_columns() const { return class_columns(num_ranks, kRanksPerLane); }

  /// The rank's column; of another rank where the lane has none and there is no column, so that every lane can read.
  LPLB_DEVICE int column(int rank) const { return kHasAllColumns ? rank : std::min(rank, num_ranks - 1); }

  const int num_ranks;
  const PartArc* const steps;  // [num_steps, num_columns]
  const Ranks* const masks;    // [num_rows, num_columns] members of the class
  int* const amounts;          // [num_rows, num_columns]
  int* const scratch;          // scratch_words(lanes' ranks)
};

/// What a rank shows the others of its part. Who has none there has a floor that no level reaches.
struct alignas(8) Shown {
  int floor;
  int amount;
};

/// What `own` gets of the tokens of a part of three or four, of which it has number `own_place`.
LPLB_DEVICE int pour(const Shown& own, const Shown (&others)[3], unsigned own_place, bool has_fourth) {
  const unsigned a = own.floor;
  const unsigned b = others[0].floor;
  const unsigned c = others[1].floor;
  const unsigned d = others[2].floor;
  const unsigned total = own.amount + others[0].amount + (others[1].amount + others[2].amount);
  const unsigned level = part_level(a, b, c, d, has_fourth, total);
  // The tokens that are left over the level go to the lowest members. A member under water that is lower than the own
  // one takes one before it; with its floor lower by one it takes just that.
  unsigned rest = total - tokens_above(level, a);
  LPLB_UNROLL
  for (unsigned i = 0; i < 3; ++i) {
    rest -= tokens_above(level, others[i].floor - (i < own_place ? 1 : 0));
  }
  return static_cast<int>(static_cast<int>(rest) > 0 ? tokens_above(level + 1, a) : tokens_above(level, a));
}

template <class Simt, int kRanksPerLane>
class ClassStep {
  static constexpr int kNumRanks = kRanksPerLane * kWarpSize;
  static constexpr bool kByShuffle = kRanksPerLane == 1;

 public:
  LPLB_DEVICE ClassStep(WarpComponent<Simt, kRanksPerLane>& component, const ClassTable<Simt, kRanksPerLane>& table)
      : c_(component), table_(table) {
    if constexpr (!kByShuffle) {
      shown_ = both_shown();
      if (c_.lane < 2) {
        both_shown()[c_.lane * kNumShown + kNumRanks] = {kNoFloor, 0};
      }
    }
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      load_[i] = c_.is_rank(i) ? c_.load[i] : kNoFloor;
    }
    fetch_next();
    take_next();
    fetch_next();
  }

  LPLB_DEVICE void run_sweep() {
    LPLB_ROLL
    for (int i = 0; i < c_.task.num_steps; ++i) {
      run();
    }
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      c_.load[i] = c_.is_rank(i) ? load_[i] : 0;
    }
    if constexpr (!kByShuffle) {
      Simt::sync_warp();  // a wave writes where others still read
    }
  }

 private:
  static constexpr int kNumShown = kNumRanks + 2;

  /// Whether the tables have something of rank i: nothing that matters where there is a column and no rank.
  LPLB_DEVICE bool has_column(int i) const { return table_.kHasAllColumns || c_.is_rank(i); }

  LPLB_DEVICE Shown* both_shown() const { return reinterpret_cast<Shown*>(table_.scratch); }

  /// The next step, after the last one the first again. What the one after it needs is on its way meanwhile.
  LPLB_DEVICE void run() {
    PartArc arc[kRanksPerLane];
    Shown own[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      arc[i] = arc_[i];
      own[i] = {load_[i] - amount_[i], amount_[i]};
    }
    Shown others[kRanksPerLane][3];
    show(own, arc, others);
    take_next();
    fetch_next();
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const int fresh = levelled(i, arc[i], own[i], others[i]);
      load_[i] += fresh - own[i].amount;
      if (has_column(i)) {
        table_.amounts[arc[i].amount()] = fresh;
      }
      amount_[i] = arc_[i].is_of_color_before() ? fresh : amount_[i];
    }
  }

  LPLB_DEVICE void fetch_next() {
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      next_arc_[i] = table_.steps[next_step_ * table_.num_columns() + table_.column(c_.rank_at(i))];
      next_arc_[i].part = has_column(i) ? next_arc_[i].part : 0;
    }
    next_step_ = next_step_ + 1 == c_.task.num_steps ? 0 : next_step_ + 1;
  }
  LPLB_DEVICE void take_next() {
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      arc_[i] = next_arc_[i];
      amount_[i] = has_column(i) ? table_.amounts[arc_[i].amount()] : 0;
    }
  }

  LPLB_DEVICE void show(const Shown (&own)[kRanksPerLane], const PartArc (&arc)[kRanksPerLane],
                        Shown (&others)[kRanksPerLane][3]) {
    if constexpr (kByShuffle) {
      LPLB_UNROLL
      for (int j = 0; j < 3; ++j) {
        const auto lane = static_cast<int>(arc[0].part >> 8 * j);  // its low five bits count
        others[0][j] = {Simt::shuffle(own[0].floor, lane), Simt::shuffle(own[0].amount, lane)};
      }
    } else {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        shown_[c_.rank_at(i)] = own[i];
      }
      Simt::sync_warp();
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        LPLB_UNROLL
        for (int j = 0; j < 3; ++j) {
          others[i][j] = shown_[arc[i].other(j)];
        }
      }
      shown_ = shown_ == both_shown() ? both_shown() + kNumShown : both_shown();
    }
  }

  /// What rank i has after the step.
  LPLB_DEVICE int levelled(int i, PartArc arc, const Shown& own, const Shown (&others)[3]) const {
    const int others_load = others[0].floor + others[0].amount;
    const int wish = wished_move(load_[i] - others_load, c_.task.has_cycle != 0 ? ~0 : 0);
    const int move = std::max(std::min(wish, own.amount), -others[0].amount);
    int fresh = arc.size() == 2 ? own.amount - move : own.amount;
    if (arc.is_any_wide()) {
      const int poured = pour(own, others, arc.place(), arc.size() == 4);
      fresh = arc.size() > 2 ? poured : fresh;
    }
    return fresh;
  }

  WarpComponent<Simt, kRanksPerLane>& c_;
  const ClassTable<Simt, kRanksPerLane>& table_;
  Shown* shown_ = nullptr;   // [kNumShown] of two, which take turns: who is late still reads the other one
  int next_step_ = 0;        // to be fetched
  int load_[kRanksPerLane];  // no floor where there is no rank
  PartArc next_arc_[kRanksPerLane];
  PartArc arc_[kRanksPerLane];
  int amount_[kRanksPerLane];
};

}  // namespace lplb::cuda
