// The batches that a placement is judged on: moments of the drawn ones against what the window shows, and how far back
// a window that drifts is remembered.

#include "optimize/scenarios.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lplb {
namespace {

using Window = std::vector<Tokens>;
using Lanes = std::vector<LaneValues>;

/// Drawn loads of experts, one row a batch.
std::vector<std::vector<double>> draw_many(const ScenarioSampler& sampler, int num_logical, Scenario kind,
                                           int num_blocks) {
  Rng rng(77);
  std::vector<std::vector<double>> rows;
  Lanes lanes(num_logical);
  for (int block = 0; block < num_blocks; ++block) {
    sampler.draw(kind, rng, lanes);
    for (int lane = 0; lane < kLanes; ++lane) {
      std::vector<double> row;
      for (const LaneValues& load : lanes) {
        row.push_back(load[lane]);
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

double mean_of(const std::vector<std::vector<double>>& rows, int e) {
  double sum = 0;
  for (const auto& row : rows) {
    sum += row[e];
  }
  return sum / static_cast<double>(rows.size());
}

double covariance_of(const std::vector<std::vector<double>>& rows, int a, int b) {
  const double mean_a = mean_of(rows, a);
  const double mean_b = mean_of(rows, b);
  double sum = 0;
  for (const auto& row : rows) {
    sum += (row[a] - mean_a) * (row[b] - mean_b);
  }
  return sum / static_cast<double>(rows.size());
}

/// Six experts; 0 and 1 rise together, 2 falls as they rise; the total is the same in every batch.
Window steady_window() {
  Window window;
  for (int batch = 0; batch < 12; ++batch) {
    const int rise = batch % 2 == 0 ? 20 : -20;
    for (const int count : {200 + rise, 200 + rise, 400 - 2 * rise, 100, 60, 40}) {
      window.push_back(count);
    }
  }
  return window;
}

TEST(Scenarios, RecordedBatchesAreInUnitsOfTheMeanRankLoad) {
  const Window window = {1, 3, 0, 2, 2, 4};
  const ScenarioSampler sampler(window, 3, 2);
  EXPECT_EQ(sampler.num_batches(), 2);
  EXPECT_DOUBLE_EQ(sampler.tokens_per_rank(), 3.0);
  Lanes lanes(3);
  put_recorded(sampler.view(), 0, lanes.front().data());
  put_recorded(sampler.view(), 1, lanes.front().data() + 7);
  EXPECT_FLOAT_EQ(lanes[0][0], 0.5F);
  EXPECT_FLOAT_EQ(lanes[1][0], 1.5F);
  EXPECT_FLOAT_EQ(lanes[2][0], 0.0F);
  EXPECT_FLOAT_EQ(lanes[2][7], 1.0F);
}

TEST(Scenarios, NoiseHasTheMeanOfASteadyWindowAndItsSpread) {
  const ScenarioSampler sampler(steady_window(), 6, 4);
  const auto rows = draw_many(sampler, 6, Scenario::kNoise, 1500);
  const double mean[] = {200, 200, 400, 100, 60, 40};
  for (int e = 0; e < 6; ++e) {
    EXPECT_NEAR(mean_of(rows, e), mean[e] * 4 / 1000, 0.02 * mean[e] * 4 / 1000) << "expert " << e;
  }
  // Deviations of 20 in 1000 tokens on 4 ranks; the prior and the rescaling to a full batch move it a little.
  EXPECT_NEAR(std::sqrt(covariance_of(rows, 0, 0)), 20.9 * 4 / 1000, 0.25 * 20.9 * 4 / 1000);
  EXPECT_LT(std::sqrt(covariance_of(rows, 5, 5)), 10.0 * 4 / 1000);
}

TEST(Scenarios, NoiseKeepsWhatRisesAndFallsTogether) {
  const ScenarioSampler sampler(steady_window(), 6, 4);
  const auto rows = draw_many(sampler, 6, Scenario::kNoise, 1500);
  const auto correlation = [&](int a, int b) {
    return covariance_of(rows, a, b) / std::sqrt(covariance_of(rows, a, a) * covariance_of(rows, b, b));
  };
  EXPECT_GT(correlation(0, 1), 0.2);
  EXPECT_LT(correlation(0, 2), -0.4);
}

TEST(Scenarios, DriftIsThreeTimesTheNoise) {
  const ScenarioSampler sampler(steady_window(), 6, 4);
  const auto noise = draw_many(sampler, 6, Scenario::kNoise, 1500);
  const auto drift = draw_many(sampler, 6, Scenario::kDrift, 1500);
  EXPECT_NEAR(std::sqrt(covariance_of(drift, 2, 2) / covariance_of(noise, 2, 2)), 3.0, 0.3);
}

TEST(Scenarios, EveryDrawnBatchIsPositiveAndFull) {
  Window window = steady_window();
  window[2] += 5000;  // one batch unlike the others
  const ScenarioSampler sampler(window, 6, 4);
  for (const Scenario kind : {Scenario::kNoise, Scenario::kDrift, Scenario::kShift}) {
    for (const auto& row : draw_many(sampler, 6, kind, 50)) {
      EXPECT_GT(std::ranges::min(row), 0);
      EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0), 4.0, 1e-4);
    }
  }
}

// The loads of the window, more or less flattened towards their mean, on experts at random.
TEST(Scenarios, AShiftGivesTheLoadsToOtherExpertsAtAnyStrength) {
  const ScenarioSampler sampler(steady_window(), 6, 4);
  const std::vector<double> loads = {0.16, 0.24, 0.4, 0.8, 0.8, 1.6};
  const double mean = 4.0 / 6;
  std::vector<int> heaviest(6, 0);
  int num_full = 0;
  for (auto row : draw_many(sampler, 6, Scenario::kShift, 60)) {
    ++heaviest[std::ranges::max_element(row) - row.begin()];
    std::ranges::sort(row);
    const double strength = (row[5] - mean) / (loads[5] - mean);
    ASSERT_GE(strength, -1e-5);
    ASSERT_LE(strength, 1 + 1e-5);
    num_full += strength > 0.999 ? 1 : 0;
    for (int i = 0; i < 6; ++i) {
      ASSERT_NEAR(row[i], mean + strength * (loads[i] - mean), 1e-5);
    }
  }
  EXPECT_GT(num_full, 0);
  EXPECT_LT(num_full, 480);
  for (const int times : heaviest) {
    EXPECT_NEAR(times, 80, 40);  // any expert may be the heaviest
  }
}

TEST(Scenarios, AllBatchesOfASteadyWindowCountTheSame) {
  const ScenarioSampler sampler(steady_window(), 6, 4);
  for (int batch = 0; batch < sampler.num_batches(); ++batch) {
    EXPECT_DOUBLE_EQ(sampler.recorded_weight(batch), 1.0);
  }
}

TEST(Scenarios, LateBatchesOfADriftingWindowCountMore) {
  Window window;
  for (int batch = 0; batch < 12; ++batch) {
    for (const int count : {100 + 60 * batch, 800 - 60 * batch, 100}) {
      window.push_back(count);
    }
  }
  const ScenarioSampler sampler(window, 3, 2);
  EXPECT_DOUBLE_EQ(sampler.recorded_weight(11), 1.0);
  for (int batch = 1; batch < 12; ++batch) {
    const double earlier = sampler.recorded_weight(batch - 1);
    EXPECT_TRUE(earlier == 0 || earlier < sampler.recorded_weight(batch)) << "batch " << batch;
  }
  EXPECT_LT(sampler.recorded_weight(6), 0.25);  // a short memory
  // What is drawn looks like the latest batches, not like the mean of the window, 430.
  double largest = 0;
  for (const auto& row : draw_many(sampler, 3, Scenario::kShift, 20)) {
    largest = std::max(largest, std::ranges::max(row));
  }
  EXPECT_GT(largest, 2 * 650.0 / 1000);
}

TEST(Scenarios, ASuddenChangeIsRememberedButIsNoNoise) {
  Window window;
  Rng rng(3);
  for (int batch = 0; batch < 12; ++batch) {
    for (const int count : {batch < 6 ? 800 : 100, batch < 6 ? 100 : 800, 100}) {
      window.push_back(count + static_cast<int>(rng.below(20)));
    }
  }
  const ScenarioSampler sampler(window, 3, 2);
  EXPECT_EQ(sampler.recorded_weight(0), 0);
  const auto rows = draw_many(sampler, 3, Scenario::kNoise, 200);
  EXPECT_GT(mean_of(rows, 1), 2 * 700.0 / 1000);
  EXPECT_LT(std::sqrt(covariance_of(rows, 1, 1)), 2 * 200.0 / 1000);
}

TEST(Scenarios, OneBatchStillHasNoise) {
  const Window window = {500, 300, 150, 50, 0};
  const ScenarioSampler sampler(window, 5, 2);
  EXPECT_DOUBLE_EQ(sampler.recorded_weight(0), 1.0);
  const auto rows = draw_many(sampler, 5, Scenario::kNoise, 500);
  EXPECT_NEAR(mean_of(rows, 0), 1.0, 0.05);
  EXPECT_GT(std::sqrt(covariance_of(rows, 0, 0)), 0.01);
  EXPECT_EQ(mean_of(rows, 4), 0);  // an expert without load has none
}

TEST(Scenarios, TheSameSeedDrawsTheSame) {
  const ScenarioSampler sampler(steady_window(), 6, 4);
  EXPECT_EQ(draw_many(sampler, 6, Scenario::kDrift, 4), draw_many(sampler, 6, Scenario::kDrift, 4));
}

// What lets a GPU draw all lanes of a block at once, and all experts of a lane.
TEST(ScenarioSampler, EveryLaneAndExpertHasItsOwnPartOfTheGenerator) {
  const ScenarioSampler sampler(steady_window(), 6, 4);
  const SamplerView& view = sampler.view();
  std::vector<double> factors(view.num_deviations);
  std::vector<double> shares(6);
  const DrawScratch scratch{.shares = shares.data(), .factors = factors.data()};
  for (const Scenario kind : {Scenario::kNoise, Scenario::kDrift, Scenario::kShift}) {
    Lanes expected(6);
    Rng rng(3);
    sampler.draw(kind, rng, expected);
    Lanes found(6);
    for (int lane = kLanes - 1; lane >= 0; --lane) {
      Rng of_lane(3);
      of_lane.skip(lane * view.num_words(kind));
      draw_lane(view, kind, of_lane, scratch, found.front().data() + lane);
    }
    EXPECT_EQ(found, expected);
    Rng after(3);
    after.skip(kLanes * view.num_words(kind));
    EXPECT_EQ(after.next(), rng.next());
  }
  Rng rng(3);
  draw_factors(view, rng, scratch);
  for (int e = 5; e >= 0; --e) {
    Rng of_expert = rng;
    of_expert.skip(2 * e);
    draw_noise(view, 1.0, e, of_expert, scratch);
  }
  Lanes lanes(6);
  put_shares(view, shares.data(), 1, lanes.front().data());
  Lanes expected(6);
  Rng again(3);
  sampler.draw(Scenario::kNoise, again, expected);
  for (int e = 0; e < 6; ++e) {
    EXPECT_EQ(lanes[e][0], expected[e][0]);
  }
}

}  // namespace
}  // namespace lplb
