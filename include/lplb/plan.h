#pragma once

// The outcome of a split: how many tokens each physical expert gets, and the proof that no split does better.

#include <cstdint>
#include <vector>

#include "lplb/types.h"

namespace lplb {

enum class Status : std::int32_t {
  kOptimal = 0,          // max_load == lower_bound in every component
  kWithinTolerance = 1,  // legal; lower_bound < max_load <= the tolerance that was asked for
  kFallback = 2,         // legal, but from a simpler rule (an even split); counted by the planner
};

/// "optimal", "within_tolerance", "fallback".
const char* to_string(Status status);

/// Quotas and certificate of one layer and batch. Vectors are resized by the solver and may be reused.
struct Plan {
  std::vector<Tokens> quota;      // [P] tokens per physical expert; 0 on dead ranks and empty slots
  std::vector<Tokens> rank_load;  // [G] base load + quotas of the rank
  Tokens max_load = 0;            // largest rank_load
  Tokens lower_bound = 0;         // no split has a smaller largest load
  Status status = Status::kOptimal;
  /// [G] Component of the rank: ranks that share experts, directly or over others. Numbered by their lowest rank.
  std::vector<std::int32_t> component;
  std::vector<Tokens> component_bound;  // [num_components] lower bound of each component, attained when optimal
  /// [G] 1 when the rank is in the certificate of its component: the tokens that cannot leave these ranks, divided by
  /// their number and rounded up, are component_bound.
  std::vector<std::uint8_t> in_bottleneck;
  std::uint64_t digest = 0;     // of quotas and loads; equal on every rank and device
  std::int32_t num_sweeps = 0;  // work done: equalizing sweeps,
  std::int32_t num_waves = 0;   // pushing waves,
  std::int32_t num_raises = 0;  // and raises of the bound, over all components
};

/// Ranks of the certificate of the component with the largest bound (lowest component on a tie), ascending.
std::vector<std::int32_t> bottleneck_ranks(const Plan& plan);

}  // namespace lplb
