#pragma once

// What one warp holds of the component that it solves, and the order of the phases, which are the same for any kind of
// classes: sweeps, then searches, waves and raises until no rank is above the target. docs/solver.md specifies them.

#include <algorithm>
#include <limits>

#include "solve/rank_set.h"
#include "solve/simt.h"
#include "solve/solve_arrays.h"
#include "solve/sweeps.h"

namespace lplb::cuda {

template <class Simt, int kRanksPerLane>
struct WarpComponent {
  using Ranks = RankSet<Simt, kRanksPerLane>;
  static constexpr int kUnreached = std::numeric_limits<int>::max();

  LPLB_DEVICE WarpComponent(const SolveTask& solve_task, const SolveArrays& solve_arrays)
      : task(solve_task), arrays(solve_arrays), lane(Simt::lane()) {}

  LPLB_DEVICE int rank_at(int i) const { return lane + i * kWarpSize; }
  LPLB_DEVICE bool is_rank(int i) const { return rank_at(i) < task.num_ranks; }
  LPLB_DEVICE unsigned reciprocal(unsigned n) const { return section<unsigned>(arrays.image, task.reciprocals)[n]; }

  /// The first bound and what proves it: all ranks their mean, or the fullest one the load that it cannot lose.
  LPLB_DEVICE void start_bound(const int (&fixed)[kRanksPerLane]) {
    const int most = Ranks::largest(fixed);
    outcome.target = ceil_div(Ranks::total(load), task.num_ranks, task.reciprocal);
    if (most <= outcome.target) {
      bottleneck = Ranks::first(task.num_ranks);
      return;
    }
    outcome.target = most;
    Ranks fullest;
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      fullest.word[i] = Simt::ballot(is_rank(i) && fixed[i] == most);
    }
    bottleneck = Ranks{};
    bottleneck.add_if(true, fullest.lowest());
  }

  /// Phase 1: up to max_sweeps calls of sweep(). Returns the excess of the fullest rank.
  template <class Sweep>
  LPLB_DEVICE int equalize(int max_sweeps, const SweepRule& rule, const Sweep& sweep) {
    int excess = Ranks::largest(load) - outcome.target;
    LPLB_ROLL
    for (int i = 0; i < max_sweeps && excess > 0; ++i) {
      sweep();
      ++outcome.num_sweeps;
      const int before = excess;
      excess = Ranks::largest(load) - outcome.target;
      if (excess > most_left(before, rule)) {
        break;
      }
    }
    return excess;
  }

  /// Both phases. Solver: rule(), equalize(max_sweeps), find_outlets(), push_wave().
  template <class Solver>
  LPLB_DEVICE void balance(Solver& solver) {
    int max_sweeps = solver.rule().max_sweeps;
    LPLB_ROLL
    for (int round = max_rounds(task.num_ranks); round > 0; --round) {
      if (max_sweeps > 0 && solver.equalize(max_sweeps) <= 0) {
        return;
      }
      max_sweeps = 0;
      Ranks above;
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        above.word[i] = Simt::ballot(load[i] > outcome.target);
      }
      if (above.is_empty()) {
        return;
      }
      solver.find_outlets();
      const Ranks missing = above.without(search_distances(above));
      if (missing.is_empty()) {
        ++outcome.num_waves;
        solver.push_wave();
      } else {
        raise_target(missing);
        max_sweeps = solver.rule().sweeps_after_raise;
      }
    }
  }

  /// Labels ranks by their distance to the nearest rank below the target, until all above it are reached. Returns the
  /// reached. A rank that is labelled loses its outlets; one that is not, and all that it reaches, keep them.
  LPLB_DEVICE Ranks search_distances(const Ranks& above) {
    Ranks reached;
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const bool is_sink = is_rank(i) && load[i] < outcome.target;
      reached.word[i] = Simt::ballot(is_sink);
      distance[i] = is_sink ? 0 : kUnreached;
      outlets[i] = is_sink ? Ranks{} : outlets[i];
      nearer[i] = Ranks{};
    }
    depth = 0;
    LPLB_ROLL
    while (!above.without(reached).is_empty()) {
      Ranks found;
      Ranks hit[kRanksPerLane];
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        hit[i] = outlets[i].common(reached);
        found.word[i] = Simt::ballot(!hit[i].is_empty());
      }
      if (found.is_empty()) {
        break;
      }
      ++depth;
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        if (!hit[i].is_empty()) {
          distance[i] = depth;
          nearer[i] = hit[i];
          outlets[i] = Ranks{};
        }
      }
      reached = reached.joined(found);
    }
    return reached;
  }

  LPLB_DEVICE void raise_target(const Ranks& missing) {
    ++outcome.num_raises;
    bottleneck = Ranks::closure(missing, outlets);
    const unsigned size = bottleneck.size();
    outcome.target = ceil_div(bottleneck.total_of(load), size, reciprocal(size));
  }

  /// Tokens that a rank takes in a wave: a sink what it had room for at the start, another one any number.
  LPLB_DEVICE int room(int i) const { return distance[i] == 0 ? outcome.target - load[i] : kUnreached; }

  LPLB_DEVICE void write_loads(const int (&global_rank)[kRanksPerLane]) const {
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      if (is_rank(i)) {
        arrays.load[global_rank[i]] = load[i];
        arrays.in_bottleneck[global_rank[i]] = bottleneck.has_own(i, lane) ? 1 : 0;
      }
    }
  }

  const SolveTask task;
  const SolveArrays& arrays;
  const int lane;
  int load[kRanksPerLane];
  int distance[kRanksPerLane];
  Ranks outlets[kRanksPerLane];  // ranks that can take tokens from this one
  Ranks nearer[kRanksPerLane];   // of them, those whose distance is smaller by one
  Ranks bottleneck;
  int depth;  // largest distance of the last search
  SolveOutcome outcome;
};

}  // namespace lplb::cuda
