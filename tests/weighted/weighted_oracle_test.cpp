// The weighted split against COIN CLP, and against the exact split where every token costs the same.

#include <gtest/gtest.h>

#include "lplb/solve.h"
#include "support/named_instances.h"
#include "weighted/clp_weighted.h"

namespace lplb::testing {
namespace {

TEST(WeightedOracle, BracketsTheOptimumOfClp) {
  Rng rng(31);
  for (int i = 0; i < 300; ++i) {
    const WeightedInstance instance = random_weighted_instance(rng, {});
    const double optimum = clp_optimum(instance).value();
    const WeightedResult result = solve_weighted(instance.model(), instance.input(), {.tolerance = 1e-7});
    EXPECT_EQ(result.status, WeightedStatus::kConverged) << i;
    EXPECT_LE(result.lower_bound, optimum * (1 + 1e-7)) << i;
    EXPECT_GE(result.max_time, optimum * (1 - 1e-7)) << i;
  }
}

TEST(WeightedOracle, WithRowsBracketsTheOptimumOfClpOrProvesThatThereIsNone) {
  Rng rng(32);
  int num_infeasible = 0;
  for (int i = 0; i < 300; ++i) {
    const WeightedInstance instance = random_weighted_instance(rng, {.with_rows = true});
    const std::optional<double> optimum = clp_optimum(instance);
    const WeightedResult result = solve_weighted(instance.model(), instance.input());
    if (!optimum) {
      ++num_infeasible;
      EXPECT_EQ(result.status, WeightedStatus::kInfeasible) << i;
      continue;
    }
    EXPECT_EQ(result.status, WeightedStatus::kConverged) << i;
    EXPECT_LE(result.lower_bound, *optimum * (1 + 1e-6)) << i;
    EXPECT_GE(result.max_time, *optimum * (1 - 1e-6)) << i;
  }
  EXPECT_GT(num_infeasible, 10);
}

TEST(WeightedOracle, EqualTimesGiveTheExactSplit) {
  for (const NamedCase& named : named_cases()) {
    if (named.num_ranks > 64) {
      continue;  // the cube of the number of ranks is felt in a build with sanitizers
    }
    for (const PlacedBatches& placed : place_and_draw(named, 1, 2, 33)) {
      const WeightedModel model(placed.placement,
                                {.time_per_token = std::vector<double>(placed.placement.num_ranks(), 1)});
      for (const auto& batch : placed.batches) {
        const Plan exact = split(placed.placement, batch);
        const WeightedResult result = solve_weighted(model, {.counts = batch}, {.tolerance = 1e-8});
        EXPECT_EQ(result.status, WeightedStatus::kConverged) << named.name;
        EXPECT_LE(result.lower_bound, exact.max_load);
        EXPECT_GT(result.max_time, exact.max_load - 1);
        // The integer optimum is the real one rounded up.
        EXPECT_EQ(std::ceil(result.lower_bound - 1e-3), exact.max_load) << named.name;
      }
    }
  }
}

}  // namespace
}  // namespace lplb::testing
