#pragma once

// The objective of a placement, from the excess (imbalance - 1) of single batches. See lplb/optimize.h.

#include <span>

#include "base/natural_log.h"
#include "lplb/optimize.h"

namespace lplb {

/// Mean of the worst tenth, rounded up. `excess` not empty.
double tail_excess(std::span<const double> excess);

/// Excess of a scenario: the mean, weighted (`weights` empty = equally), with the part `tail` from the worst tenth.
double scenario_excess(std::span<const double> excess, std::span<const double> weights, double tail);

/// What moved copies add to the excess of a scenario: they are paid for where the next batches are expected.
constexpr double move_cost(const PlacementObjective& objective, int scenario, int num_moved) {
  return scenario <= static_cast<int>(Scenario::kNoise) ? objective.move_price * num_moved : 0;
}

constexpr double scenario_score(const PlacementObjective& objective, int scenario, double excess) {
  return objective.weight[scenario] * natural_log(excess + objective.floor[scenario]) +
         objective.linear[scenario] * excess;
}

/// How much more the score is for a little more excess.
constexpr double scenario_slope(const PlacementObjective& objective, int scenario, double excess) {
  return objective.weight[scenario] / (excess + objective.floor[scenario]) + objective.linear[scenario];
}

}  // namespace lplb
