// A refresh is worth it when what it gains until the next one exceeds what its moves cost, with hysteresis against
// moving to and fro for noise.

#include "base/check.h"
#include "lplb/optimize.h"

namespace lplb {
namespace {

/// What is to be expected of the next batches: half as the window, half as its noise.
double expected_imbalance(const PlacementScore& score) {
  return 0.5 *
         (score.imbalance[static_cast<int>(Scenario::kRecorded)] + score.imbalance[static_cast<int>(Scenario::kNoise)]);
}

}  // namespace

RefreshDecision decide_refresh(const RefreshPolicy& policy, const PlacementScore& now, const PlacementScore& then,
                               int num_moved, int num_batches) {
  check(policy.cost_per_copy >= 0, "[decide_refresh] cost_per_copy (", policy.cost_per_copy, ") must not be negative");
  check(policy.hysteresis >= 1, "[decide_refresh] hysteresis (", policy.hysteresis, ") must be at least 1");
  check(num_batches >= 1, "[decide_refresh] num_batches (", num_batches, ") must be at least 1");
  const double gain_per_batch = expected_imbalance(now) - expected_imbalance(then);
  RefreshDecision decision{.gain = gain_per_batch * num_batches, .cost = policy.cost_per_copy * num_moved};
  decision.refresh =
      num_moved > 0 && gain_per_batch >= policy.least_gain && decision.gain > policy.hysteresis * decision.cost;
  return decision;
}

}  // namespace lplb
