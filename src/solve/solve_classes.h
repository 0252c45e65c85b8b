#pragma once

// A component of up to 128 ranks with classes of any size, by one warp. Lane l has ranks l, l + 32, ..; their loads and
// the amounts, by color and rank, lie in the block's memory, where the other members of a class find them. A rank has
// one class a color at most, whose members all read before any writes. docs/solver.md specifies the orders.

#include <algorithm>
#include <limits>

#include "solve/rank_set.h"
#include "solve/simt.h"
#include "solve/solve_image.h"
#include "solve/water_level.h"

namespace lplb::cuda {

template <class Simt, int kRanksPerLane>
class ClassSolver {
  static constexpr int kWords = kRanksPerLane;
  using Ranks = RankSet<Simt, kWords>;

 public:
  LPLB_DEVICE ClassSolver(const SolveTask& task, const SolveArrays& arrays)
      : task_(task),
        arrays_(arrays),
        lane_(Simt::lane()),
        arcs_(section<SolveArc>(arrays.image, task.arcs)),
        masks_(section<Ranks>(arrays.image, task.masks)),
        amounts_(arrays.amounts + task.first_amount),
        loads_(arrays.scratch),
        floors_(arrays.scratch + kRanksPerLane * kWarpSize) {}

  LPLB_DEVICE SolveOutcome run() {
    start();
    equalize();
    finish();
    write();
    return outcome_;
  }

 private:
  LPLB_DEVICE int rank_at(int i) const { return lane_ + i * kWarpSize; }
  LPLB_DEVICE bool is_rank(int i) const { return rank_at(i) < task_.num_ranks; }
  LPLB_DEVICE int global_rank(int i) const { return section<int>(arrays_.image, task_.ranks)[rank_at(i)]; }
  /// Index of the arcs, the masks and the amounts.
  LPLB_DEVICE int index_of(int color, int rank) const { return color * task_.num_ranks + rank; }
  LPLB_DEVICE SolveArc arc_at(int color, int i) const {
    return is_rank(i) ? arcs_[index_of(color, rank_at(i))] : SolveArc{0, 0};
  }
  LPLB_DEVICE bool is_wide(int color) const { return (task_.wide_colors >> std::min(color, 31) & 1) != 0; }

  LPLB_DEVICE void start() {
    int fixed[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      fixed[i] = is_rank(i) ? arrays_.fixed_load[global_rank(i)] : 0;
      load_[i] = fixed[i];
      LPLB_UNROLL_BY_4
      for (int color = 0; color < task_.num_colors; ++color) {
        if (is_rank(i)) {
          const int amount = even_share(arcs_[index_of(color, rank_at(i))]);
          amounts_[index_of(color, rank_at(i))] = amount;
          load_[i] += amount;
        }
      }
      loads_[rank_at(i)] = load_[i];
    }
    bottleneck_ = Ranks::start_bound(load_, fixed, task_, outcome_.target);
    Simt::sync_warp();
  }

  LPLB_DEVICE int even_share(SolveArc arc) const {
    const unsigned num_members = arc.head & 255;
    if (num_members == 0) {
      return 0;
    }
    const unsigned tokens = arrays_.class_total[arc.head >> 16];
    const unsigned share = divide_small(tokens, num_members);
    return static_cast<int>(share + ((arc.head >> 8 & 255) < tokens - share * num_members ? 1 : 0));
  }

  LPLB_DEVICE void equalize() {
    const int quarter_mask = task_.has_cycle != 0 ? ~0 : 0;
    int excess = Ranks::largest(load_) - outcome_.target;
    LPLB_ROLL
    while (outcome_.num_sweeps < kMaxSweeps && excess > 0) {
      LPLB_ROLL
      for (int color = 0; color < task_.num_colors; ++color) {
        level(color, quarter_mask);
      }
      ++outcome_.num_sweeps;
      const int before = excess;
      excess = Ranks::largest(load_) - outcome_.target;
      if (excess > before - before / 8) {
        break;
      }
    }
  }

  LPLB_DEVICE void level(int color, int quarter_mask) {
    SolveArc arc[kRanksPerLane];
    int amount[kRanksPerLane];
    int fresh[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      arc[i] = arc_at(color, i);
      amount[i] = is_rank(i) ? amounts_[index_of(color, rank_at(i))] : 0;
    }
    if (is_wide(color)) {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        const unsigned num_members = arc[i].head & 255;
        if (num_members > 2 && num_members <= 4) {
          floors_[arc[i].members + (arc[i].head >> 8 & 255)] = load_[i] - amount[i];
        }
      }
      Simt::sync_warp();
    }
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const int num_members = static_cast<int>(arc[i].head & 255);
      fresh[i] = amount[i];
      if (num_members == 2) {
        fresh[i] -= pair_move(color, i, arc[i], amount[i], quarter_mask);
      } else if (num_members > 2 && num_members <= 4) {
        fresh[i] = poured(*reinterpret_cast<const FourFloors*>(floors_ + arc[i].members), num_members,
                          static_cast<int>(arc[i].head >> 8 & 255), arrays_.class_total[arc[i].head >> 16]);
      }
    }
    if (is_wide(color)) {
      pour_together(color, arc, amount, fresh);
    }
    Simt::sync_warp();
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      if (arc[i].head != 0) {
        load_[i] += fresh[i] - amount[i];
        loads_[rank_at(i)] = load_[i];
        amounts_[index_of(color, rank_at(i))] = fresh[i];
      }
    }
    Simt::sync_warp();
  }

  /// Classes of more than four ranks, one after another, each by all lanes.
  LPLB_DEVICE void pour_together(int color, const SolveArc (&arc)[kRanksPerLane], const int (&amount)[kRanksPerLane],
                                 int (&fresh)[kRanksPerLane]) {
    Ranks first_members;
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      first_members.word[i] = Simt::ballot((arc[i].head & 255) > 4 && (arc[i].head >> 8 & 255) == 0);
    }
    LPLB_ROLL
    for (int rank = first_members.lowest(); rank >= 0; rank = first_members.lowest()) {
      first_members.remove(rank);
      const int index = index_of(color, rank);
      const Ranks members = masks_[index];
      int floor[kRanksPerLane];
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        floor[i] = load_[i] - amount[i];
      }
      const WaterLevel<Simt, kWords> water(members, floor, arrays_.class_total[arcs_[index].head >> 16]);
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        fresh[i] = members.has_own(i, lane_) ? water.poured_on(i, floor[i]) : fresh[i];
      }
    }
  }

  LPLB_DEVICE int pair_move(int color, int i, SolveArc arc, int amount, int quarter_mask) const {
    const int partner = static_cast<int>(arc.members >> ((arc.head >> 8 & 1) != 0 ? 0 : 8) & 255);
    const int wish = wished_move(load_[i] - loads_[partner], quarter_mask);
    return std::max(std::min(wish, amount), -amounts_[index_of(color, partner)]);
  }

  LPLB_DEVICE void finish() {
    LPLB_ROLL
    for (int round = max_rounds(task_.num_ranks); round > 0; --round) {
      Ranks above;
      LPLB_UNROLL
      for (int i = 0; i < kWords; ++i) {
        above.word[i] = Simt::ballot(load_[i] > outcome_.target);
      }
      if (above.is_empty()) {
        return;
      }
      find_outlets();
      const Ranks missing = above.without(search_distances(above));
      if (missing.is_empty()) {
        push_wave();
      } else {
        raise_target(missing);
      }
    }
  }

  /// Ranks that share a class which has tokens here.
  LPLB_DEVICE void find_outlets() {
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      outlets_[i] = Ranks{};
      LPLB_UNROLL_BY_4
      for (int color = 0; color < task_.num_colors; ++color) {
        const int index = index_of(color, rank_at(i));
        if (is_rank(i) && amounts_[index] > 0) {
          outlets_[i] = outlets_[i].joined(masks_[index]);
        }
      }
    }
  }

  /// Labels ranks by their distance to the nearest sink until all above the target are reached; returns the reached.
  LPLB_DEVICE Ranks search_distances(const Ranks& above) {
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      const bool is_sink = is_rank(i) && load_[i] < outcome_.target;
      sinks_.word[i] = Simt::ballot(is_sink);
      distance_[i] = is_sink ? 0 : kUnreached;
    }
    Ranks reached = sinks_;
    LPLB_ROLL
    for (depth_ = 0; !above.without(reached).is_empty();) {
      Ranks found;
      bool is_found[kRanksPerLane];
      LPLB_UNROLL
      for (int i = 0; i < kWords; ++i) {
        is_found[i] = distance_[i] == kUnreached && outlets_[i].meets(reached);
        found.word[i] = Simt::ballot(is_found[i]);
      }
      if (found.is_empty()) {
        break;
      }
      ++depth_;
      LPLB_UNROLL
      for (int i = 0; i < kWords; ++i) {
        if (is_found[i]) {
          distance_[i] = depth_;
          outlets_[i] = outlets_[i].common(reached);  // nearer ones would have labelled this rank before
        }
      }
      reached = reached.joined(found);
    }
    return reached;
  }

  LPLB_DEVICE void push_wave() {
    ++outcome_.num_waves;
    LPLB_ROLL
    for (int distance = depth_; distance > 1; --distance) {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        if (distance_[i] == distance && load_[i] > outcome_.target) {
          push_far(i);
        }
      }
      reload();
    }
    push_to_sinks();
  }

  /// Ranks that push to others than sinks are independent of each other: the lowest nearer member takes all.
  LPLB_DEVICE void push_far(int i) {
    int excess = load_[i] - outcome_.target;
    LPLB_ROLL
    for (int color = 0; color < task_.num_colors && excess > 0; ++color) {
      const int own = index_of(color, rank_at(i));
      const Ranks takers = masks_[own].common(outlets_[i]);
      const int move = takers.is_empty() ? 0 : std::min(excess, amounts_[own]);
      if (move > 0) {
        const int taker = takers.lowest();
        excess -= move;
        amounts_[own] -= move;
        Simt::add(amounts_ + index_of(color, taker), move);
        Simt::add(loads_ + taker, move);
      }
    }
    loads_[rank_at(i)] = outcome_.target + excess;
  }

  LPLB_DEVICE void reload() {
    Simt::sync_warp();
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      load_[i] = is_rank(i) ? loads_[rank_at(i)] : 0;
    }
    Simt::sync_warp();
  }

  /// Distance 1: color by color, because a sink has room for so much only.
  LPLB_DEVICE void push_to_sinks() {
    const unsigned colors = colors_to_sinks();
    LPLB_ROLL
    for (int color = 0; color < task_.num_colors; ++color) {
      if ((colors >> std::min(color, 31) & 1) == 0) {
        continue;
      }
      Ranks givers;
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        givers.word[i] = Simt::ballot(is_giver(i) && gives_by(color, i));
      }
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        if (givers.has_own(i, lane_)) {
          fill_sinks(color, i, givers);
        }
      }
      reload();
    }
  }

  LPLB_DEVICE bool is_giver(int i) const { return distance_[i] == 1 && load_[i] > outcome_.target; }
  LPLB_DEVICE bool gives_by(int color, int i) const {
    const int index = index_of(color, rank_at(i));
    return amounts_[index] > 0 && masks_[index].meets(outlets_[i]);
  }

  /// Bit k: some rank may push by color k; bit 31 stands for all colors from 31 on.
  LPLB_DEVICE unsigned colors_to_sinks() const {
    unsigned colors = 0;
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      if (is_giver(i)) {
        LPLB_UNROLL_BY_4
        for (int color = 0; color < task_.num_colors; ++color) {
          colors |= gives_by(color, i) ? 1U << std::min(color, 31) : 0;
        }
      }
    }
    return Simt::reduce_or(colors);
  }

  /// The first giver of a class acts for all of them: givers ascending, each over the sinks ascending.
  LPLB_DEVICE void fill_sinks(int color, int i, const Ranks& all_givers) {
    const Ranks members = masks_[index_of(color, rank_at(i))];
    Ranks givers = members.common(all_givers);
    if (givers.lowest() != rank_at(i)) {
      return;
    }
    LPLB_ROLL
    for (int giver = rank_at(i); giver >= 0; giver = givers.lowest()) {
      givers.remove(giver);
      int left = std::min(loads_[giver] - outcome_.target, amounts_[index_of(color, giver)]);
      Ranks sinks = members.common(sinks_);
      LPLB_ROLL
      for (int sink = sinks.lowest(); sink >= 0 && left > 0; sink = sinks.lowest()) {
        sinks.remove(sink);
        const int move = std::min(left, outcome_.target - loads_[sink]);
        left -= move;
        loads_[giver] -= move;
        loads_[sink] += move;
        amounts_[index_of(color, giver)] -= move;
        amounts_[index_of(color, sink)] += move;
      }
    }
  }

  /// A missing rank, and all that it reaches, has all its outlets yet: a search narrows those of labelled ranks alone.
  LPLB_DEVICE void raise_target(const Ranks& missing) {
    ++outcome_.num_raises;
    bottleneck_ = Ranks::closure(missing, outlets_);
    outcome_.target = bottleneck_.ceil_mean(load_);
  }

  LPLB_DEVICE void write() const {
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      if (is_rank(i)) {
        arrays_.load[global_rank(i)] = load_[i];
        arrays_.in_bottleneck[global_rank(i)] = bottleneck_.has_own(i, lane_) ? 1 : 0;
      }
    }
  }

  static constexpr int kUnreached = std::numeric_limits<int>::max();

  const SolveTask task_;
  const SolveArrays& arrays_;
  const int lane_;
  const SolveArc* const arcs_;  // [num_colors, R]
  const Ranks* const masks_;    // [num_colors, R] members of the class
  int* const amounts_;          // [num_colors, R]
  int* const loads_;            // [R] as the other lanes see them
  int* const floors_;           // of a color: loads without the class, class by class
  int load_[kRanksPerLane];
  int distance_[kRanksPerLane];
  Ranks outlets_[kRanksPerLane];  // ranks that can take tokens from this one; once labelled, the nearer ones
  Ranks sinks_;
  Ranks bottleneck_;
  int depth_;  // largest distance of the last search
  SolveOutcome outcome_;
};

}  // namespace lplb::cuda
