// When a refresh is worth its moves, by hand.

#include <gtest/gtest.h>

#include "lplb/optimize.h"
#include "support/expect_throw.h"

namespace lplb {
namespace {

using namespace lplb::testing;

PlacementScore scored(double recorded, double noise) {
  PlacementScore score;
  score.imbalance = {recorded, noise, 9, 9};  // the others do not count
  return score;
}

TEST(DecideRefresh, ComparesGainOverTheBatchesWithTheCostOfMoves) {
  const RefreshPolicy policy{.cost_per_copy = 0.5, .hysteresis = 2, .least_gain = 0.01};
  const RefreshDecision decision = decide_refresh(policy, scored(1.3, 1.5), scored(1.1, 1.2), 4, 20);
  EXPECT_NEAR(decision.gain, 20 * 0.25, 1e-12);
  EXPECT_DOUBLE_EQ(decision.cost, 2.0);
  EXPECT_TRUE(decision.refresh);
  EXPECT_FALSE(decide_refresh(policy, scored(1.3, 1.5), scored(1.1, 1.2), 4, 15).refresh);  // 3.75 is not above 4
  EXPECT_FALSE(decide_refresh(policy, scored(1.3, 1.5), scored(1.1, 1.2), 5, 20).refresh);  // 5 is not above 5
}

TEST(DecideRefresh, SmallGainsAndNoMovesAreNoReason) {
  const RefreshPolicy policy{.cost_per_copy = 0, .hysteresis = 1, .least_gain = 0.01};
  EXPECT_FALSE(decide_refresh(policy, scored(1.009, 1.009), scored(1, 1), 1, 1000).refresh);
  EXPECT_TRUE(decide_refresh(policy, scored(1.011, 1.011), scored(1, 1), 1, 1).refresh);
  EXPECT_FALSE(decide_refresh(policy, scored(1.5, 1.5), scored(1, 1), 0, 1000).refresh);
  EXPECT_FALSE(decide_refresh(policy, scored(1, 1), scored(1.5, 1.5), 1, 1000).refresh);
}

TEST(DecideRefreshErrors, NameTheArgument) {
  const auto refusal = [](const RefreshPolicy& policy, int num_batches) {
    return invalid_argument_of([&] { decide_refresh(policy, scored(1, 1), scored(1, 1), 1, num_batches); });
  };
  EXPECT_EQ(refusal({.cost_per_copy = -1}, 1), "[decide_refresh] cost_per_copy (-1) must not be negative");
  EXPECT_EQ(refusal({.hysteresis = 0.5}, 1), "[decide_refresh] hysteresis (0.5) must be at least 1");
  EXPECT_EQ(refusal({}, 0), "[decide_refresh] num_batches (0) must be at least 1");
}

}  // namespace
}  // namespace lplb
