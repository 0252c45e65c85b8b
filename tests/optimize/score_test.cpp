// The objective, by hand.

#include "optimize/score.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace lplb {
namespace {

using Values = std::vector<double>;

TEST(Score, TheTailIsTheWorstTenthRoundedUp) {
  EXPECT_DOUBLE_EQ(tail_excess(Values{0.3}), 0.3);
  EXPECT_DOUBLE_EQ(tail_excess(Values{0.1, 0.9, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.0}), 0.9);
  EXPECT_DOUBLE_EQ(tail_excess(Values{0.1, 0.9, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.0, 0.1}), 0.85);
}

TEST(Score, ExcessIsTheMeanWithAPartFromTheTail) {
  const Values excess = {0.1, 0.2, 0.6};
  EXPECT_DOUBLE_EQ(scenario_excess(excess, {}, 0), 0.3);
  EXPECT_DOUBLE_EQ(scenario_excess(excess, {}, 1), 0.6);
  EXPECT_DOUBLE_EQ(scenario_excess(excess, {}, 0.25), 0.75 * 0.3 + 0.25 * 0.6);
}

TEST(Score, WeightsCountInTheMeanAlone) {
  const Values excess = {0.1, 0.2, 0.6};
  const Values weights = {2, 1, 1};
  EXPECT_DOUBLE_EQ(scenario_excess(excess, weights, 0), 0.25);
  EXPECT_DOUBLE_EQ(scenario_excess(excess, weights, 0.5), 0.5 * 0.25 + 0.5 * 0.6);
}

TEST(Score, NoBatchNoExcess) { EXPECT_EQ(scenario_excess({}, {}, 0.5), 0); }

TEST(Score, AScenarioScoresItsLogarithmAndItsExcess) {
  PlacementObjective objective;
  objective.weight = {1, 2, 0, 0};
  objective.floor = {0.5, 0.25, 1, 1};
  objective.linear = {0, 3, 4, 0};
  EXPECT_DOUBLE_EQ(scenario_score(objective, 0, 0.5), 0.0);
  EXPECT_DOUBLE_EQ(scenario_score(objective, 1, 0.25), 2 * std::log(0.5) + 0.75);
  EXPECT_DOUBLE_EQ(scenario_score(objective, 2, 7.0), 28.0);
  EXPECT_EQ(scenario_score(objective, 3, 7.0), 0);
}

TEST(Score, TheSlopeIsTheDerivative) {
  PlacementObjective objective;
  const double step = 1e-6;
  for (int scenario = 0; scenario < kNumScenarios; ++scenario) {
    const double rise =
        scenario_score(objective, scenario, 0.1 + step) - scenario_score(objective, scenario, 0.1 - step);
    EXPECT_NEAR(scenario_slope(objective, scenario, 0.1), rise / (2 * step), 1e-6);
  }
}

}  // namespace
}  // namespace lplb
