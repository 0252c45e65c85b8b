#pragma once

// The unknowns of one solve and the contracts of its two phases. Both phases move tokens between ranks inside a class,
// so every state is a legal split; `equalize` makes it nearly balanced, `finish` makes it optimal and proves it.

#include <cstdint>
#include <vector>

#include "lplb/types.h"
#include "solve/split_graph.h"

namespace lplb {

struct SolveWorkspace::Impl {
  std::vector<Tokens> fixed_load;  // [G] base + solo
  std::vector<Tokens> load;        // [G] base + solo + classes
  std::vector<Tokens> amount;      // [num_arcs] tokens of the class on the arc's rank
  // Breadth-first search of `finish`.
  std::vector<std::int32_t> distance;      // [G] arcs to the nearest rank below the target; kUnreached
  std::vector<std::int32_t> queue;         // [G] ranks by distance
  std::vector<Tokens> room;                // [G] of ranks below the target: tokens to it when the search began
  std::vector<std::uint32_t> class_stamp;  // [num_classes] search that saw the class last
  std::uint32_t stamp = 0;
  // Outcome of a component.
  Tokens target = 0;                        // proved lower bound
  std::vector<std::uint8_t> in_bottleneck;  // [G]
  std::int32_t num_sweeps = 0;
  std::int32_t num_waves = 0;
  std::int32_t num_raises = 0;
};

using SolveState = SolveWorkspace::Impl;

/// Levels the loads of each class's ranks in turn, color by color, for as many sweeps as help, up to max_sweeps. Stops
/// early when no rank of the component is above state.target.
void equalize(const SplitGraph::Impl& graph, const Component& component, int max_sweeps, SolveState& state);

/// Moves tokens along shortest residual paths from ranks above the target to ranks below it, and raises the target to
/// what a closed set of ranks proves. On return no rank of the component is above state.target, and in_bottleneck
/// proves it.
void finish(const SplitGraph::Impl& graph, const Component& component, SolveState& state);

}  // namespace lplb
