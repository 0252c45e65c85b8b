// Phase 2: exact. Push-relabel (Goldberg and Tarjan, 1988) with exact labels from a breadth-first search before each
// wave: the sinks are the ranks below the target, and a wave pushes the excess of the ranks above it down the
// distances, level by level. Where ranks above the target reach no sink, the set that they reach is closed, its tokens
// cannot leave it, and ceil(tokens / ranks) of it is a larger lower bound: a Newton step on the target, and the
// certificate of the last one.

#include <algorithm>
#include <limits>
#include <span>

#include "solve/state.h"
#include "solve/sweeps.h"

namespace lplb {
namespace {

constexpr std::int32_t kUnreached = std::numeric_limits<std::int32_t>::max();

class Finisher {
 public:
  Finisher(const SplitGraph::Impl& graph, const Component& component, SolveState& state)
      : graph_(graph),
        state_(state),
        component_(component),
        ranks_(std::span(graph.component_ranks).subspan(component.first_rank, component.num_ranks)) {}

  void run() {
    while (count_above() > 0) {
      if (search_distances() == 0) {
        push_wave();
        ++state_.num_waves;
      } else {
        raise_target();
        ++state_.num_raises;
        equalize(graph_, component_, sweep_rule(component_.is_wide, component_.num_ranks).sweeps_after_raise, state_);
      }
    }
  }

 private:
  std::span<const Incidence> incidences_of(std::int32_t rank) const {
    return std::span(graph_.incidences)
        .subspan(graph_.incidence_begin[rank], graph_.incidence_begin[rank + 1] - graph_.incidence_begin[rank]);
  }

  int count_above() const {
    return static_cast<int>(
        std::ranges::count_if(ranks_, [&](std::int32_t rank) { return state_.load[rank] > state_.target; }));
  }

  /// Distance of every rank to the nearest sink against the residual arcs, until all ranks above the target are
  /// reached. Returns how many of them are not.
  int search_distances() {
    int num_missing = 0;
    tail_ = 0;
    for (const std::int32_t rank : ranks_) {
      state_.distance[rank] = kUnreached;
      if (state_.load[rank] < state_.target) {
        state_.distance[rank] = 0;
        state_.room[rank] = state_.target - state_.load[rank];
        state_.queue[tail_++] = rank;
      } else if (state_.load[rank] > state_.target) {
        ++num_missing;
      }
    }
    ++state_.stamp;
    int done_distance = kUnreached;  // finish the level on which the last rank above the target was found
    for (int head = 0; head < tail_; ++head) {
      const std::int32_t rank = state_.queue[head];
      if (state_.distance[rank] >= done_distance) {
        break;
      }
      num_missing -= reach_from(rank);
      if (num_missing == 0) {
        done_distance = std::min(done_distance, state_.distance[rank] + 1);
      }
    }
    return num_missing;
  }

  /// Labels the unreached ranks that can push to `rank`; returns how many of them are above the target.
  int reach_from(std::int32_t rank) {
    int num_found = 0;
    for (const Incidence& incidence : incidences_of(rank)) {
      if (state_.class_stamp[incidence.class_idx] == state_.stamp) {
        continue;  // all ranks with tokens of this class are labelled already
      }
      state_.class_stamp[incidence.class_idx] = state_.stamp;
      const ExpertClass& c = graph_.classes[incidence.class_idx];
      for (std::int32_t arc = c.first_arc; arc < c.first_arc + c.num_members; ++arc) {
        const std::int32_t other = graph_.arc_rank[arc];
        if (state_.distance[other] == kUnreached && state_.amount[arc] > 0) {
          state_.distance[other] = state_.distance[rank] + 1;
          state_.queue[tail_++] = other;
          num_found += state_.load[other] > state_.target ? 1 : 0;
        }
      }
    }
    return num_found;
  }

  /// Pushes excess from distance to distance, farthest first.
  void push_wave() {
    int end = tail_;
    while (state_.distance[state_.queue[end - 1]] > 0) {
      const std::int32_t distance = state_.distance[state_.queue[end - 1]];
      for (; state_.distance[state_.queue[end - 1]] == distance; --end) {
        push_from(state_.queue[end - 1]);
      }
    }
  }

  /// Ranks of one distance are independent of each other: what a sink takes from each is bounded by the room that it
  /// had when the wave began, and a sink that takes from several may end above the target.
  void push_from(std::int32_t rank) {
    for (const Incidence& incidence : incidences_of(rank)) {
      if (state_.load[rank] <= state_.target) {
        return;
      }
      if (state_.amount[incidence.arc] > 0) {
        push_over(rank, incidence);
      }
    }
  }

  /// Members of the class that are one arc nearer to a sink take what `rank` has too much.
  void push_over(std::int32_t rank, const Incidence& incidence) {
    const ExpertClass& c = graph_.classes[incidence.class_idx];
    for (std::int32_t arc = c.first_arc; arc < c.first_arc + c.num_members; ++arc) {
      const std::int32_t other = graph_.arc_rank[arc];
      if (state_.distance[other] != state_.distance[rank] - 1) {
        continue;
      }
      Tokens move = std::min(state_.load[rank] - state_.target, state_.amount[incidence.arc]);
      if (state_.distance[other] == 0) {
        move = std::min(move, state_.room[other]);
      }
      state_.amount[incidence.arc] -= move;
      state_.amount[arc] += move;
      state_.load[rank] -= move;
      state_.load[other] += move;
    }
  }

  /// The ranks that the unreached ranks above the target reach; no token on them can leave them.
  void raise_target() {
    tail_ = 0;
    ++state_.stamp;
    std::int64_t closed_load = 0;
    for (const std::int32_t rank : ranks_) {
      const bool is_source = state_.distance[rank] == kUnreached && state_.load[rank] > state_.target;
      state_.in_bottleneck[rank] = is_source ? 1 : 0;
      if (is_source) {
        state_.queue[tail_++] = rank;
      }
    }
    for (int head = 0; head < tail_; ++head) {
      const std::int32_t rank = state_.queue[head];
      closed_load += state_.load[rank];
      for (const Incidence& incidence : incidences_of(rank)) {
        if (state_.class_stamp[incidence.class_idx] != state_.stamp && state_.amount[incidence.arc] > 0) {
          state_.class_stamp[incidence.class_idx] = state_.stamp;
          close_over(graph_.classes[incidence.class_idx]);
        }
      }
    }
    state_.target = static_cast<Tokens>((closed_load + tail_ - 1) / tail_);
  }

  void close_over(const ExpertClass& c) {
    for (std::int32_t arc = c.first_arc; arc < c.first_arc + c.num_members; ++arc) {
      const std::int32_t rank = graph_.arc_rank[arc];
      if (state_.in_bottleneck[rank] == 0) {
        state_.in_bottleneck[rank] = 1;
        state_.queue[tail_++] = rank;
      }
    }
  }

  const SplitGraph::Impl& graph_;
  SolveState& state_;
  const Component& component_;
  std::span<const std::int32_t> ranks_;
  int tail_ = 0;  // end of state_.queue
};

}  // namespace

void finish(const SplitGraph::Impl& graph, const Component& component, SolveState& state) {
  Finisher(graph, component, state).run();
}

}  // namespace lplb
