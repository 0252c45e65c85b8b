// Weighted splits computed by hand, degenerate ones, and what bad input gets.

#include "lplb/weighted.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/expect_throw.h"

namespace lplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Expert 0 on both of two ranks.
Placement shared_pair() { return Placement({0, 0}, 1, 2); }

TEST(Weighted, FastRankGetsMore) {
  const std::vector<double> time{1, 3};
  const WeightedModel model(shared_pair(), {.time_per_token = time});
  const std::vector<Tokens> counts{100};
  const WeightedResult result = solve_weighted(model, {.counts = counts}, {.tolerance = 1e-8, .whole_tokens = true});
  EXPECT_EQ(result.status, WeightedStatus::kConverged);
  EXPECT_NEAR(result.max_time, 75, 75e-8);
  EXPECT_LE(result.lower_bound, 75);
  EXPECT_NEAR(result.share[0], 75, 1e-5);
  EXPECT_EQ(result.share[0] + result.share[1], 100);
  EXPECT_THAT(result.quota, ElementsAre(75, 25));
  EXPECT_EQ(result.quota_max_time, 75);
}

TEST(Weighted, BaseTimeShiftsTokensAway) {
  const std::vector<double> time{2, 2};
  const WeightedModel model(shared_pair(), {.time_per_token = time});
  const std::vector<Tokens> counts{100};
  const std::vector<double> base{50, 0};
  const WeightedResult result = solve_weighted(model, {.counts = counts, .base_time = base}, {.tolerance = 1e-8});
  EXPECT_NEAR(result.max_time, 125, 1e-5);
  EXPECT_NEAR(result.share[0], 37.5, 1e-5);
}

TEST(Weighted, ARowCapsACopy) {
  const std::vector<double> time{1, 3};
  const std::vector<RowEntry> rows{{.row = 0, .physical = 0, .value = 1}};
  const WeightedModel model(shared_pair(), {.time_per_token = time, .num_rows = 1, .rows = rows});
  const std::vector<Tokens> counts{100};
  const std::vector<double> cap{60};
  const WeightedResult result = solve_weighted(model, {.counts = counts, .row_bound = cap});
  EXPECT_EQ(result.status, WeightedStatus::kConverged);
  EXPECT_NEAR(result.max_time, 120, 1e-3);
  EXPECT_LE(result.share[0], 60 * (1 + 1e-9));
}

TEST(Weighted, RowsThatContradictAreProvedTo) {
  const std::vector<double> time{1, 1};
  const std::vector<RowEntry> rows{{.row = 0, .physical = 0, .value = 1}, {.row = 1, .physical = 1, .value = 1}};
  const WeightedModel model(shared_pair(), {.time_per_token = time, .num_rows = 2, .rows = rows});
  const std::vector<Tokens> counts{100};
  const std::vector<double> caps{40, 50};
  const WeightedResult result = solve_weighted(model, {.counts = counts, .row_bound = caps});
  EXPECT_EQ(result.status, WeightedStatus::kInfeasible);
  EXPECT_EQ(result.share[0] + result.share[1], 100);
}

TEST(Weighted, RedundantRowsChangeNothing) {
  const std::vector<double> time{1, 3};
  const std::vector<double> matrix{1, 0, 1, 0, 2, 0, 1, 1};
  const std::vector<RowEntry> rows = row_entries(matrix, 2);
  EXPECT_EQ(rows.size(), 5U);
  const WeightedModel model(shared_pair(), {.time_per_token = time, .num_rows = 4, .rows = rows});
  const std::vector<Tokens> counts{100};
  const std::vector<double> bounds{60, 60, 120, 1000};
  const WeightedResult result = solve_weighted(model, {.counts = counts, .row_bound = bounds});
  EXPECT_EQ(result.status, WeightedStatus::kConverged);
  EXPECT_NEAR(result.max_time, 120, 1e-3);
}

TEST(Weighted, NothingToDo) {
  const std::vector<double> time{1, 2};
  const std::vector<Tokens> none{0};
  const WeightedResult empty = solve_weighted(WeightedModel(shared_pair(), {.time_per_token = time}), {.counts = none});
  EXPECT_EQ(empty.status, WeightedStatus::kConverged);
  EXPECT_EQ(empty.max_time, 0);
  EXPECT_THAT(empty.share, Each(0));

  const std::vector<Tokens> counts{7, 9};
  const WeightedModel one_copy_each(Placement({0, 1}, 2, 2), {.time_per_token = time});
  const WeightedResult fixed = solve_weighted(one_copy_each, {.counts = counts}, {.whole_tokens = true});
  EXPECT_EQ(fixed.status, WeightedStatus::kConverged);
  EXPECT_THAT(fixed.rank_time, ElementsAre(7, 18));
  EXPECT_THAT(fixed.quota, ElementsAre(7, 9));

  const std::vector<double> one_time{2};
  const WeightedModel one_rank(Placement({0, 0, 1}, 2, 1), {.time_per_token = one_time});
  const WeightedResult lone = solve_weighted(one_rank, {.counts = counts}, {.whole_tokens = true});
  EXPECT_EQ(lone.max_time, 32);
  EXPECT_THAT(lone.quota, ElementsAre(4, 3, 9));
}

TEST(Weighted, DeadRanksGetNothing) {
  const std::vector<double> time{1, 1, 1};
  const std::vector<std::uint8_t> live{1, 0, 1};
  const WeightedModel model(Placement({0, 0, 0}, 1, 3), {.time_per_token = time, .live = live});
  const std::vector<Tokens> counts{10};
  const std::vector<double> base{0, 99, 0};
  const WeightedResult result = solve_weighted(model, {.counts = counts, .base_time = base});
  EXPECT_EQ(result.share[1], 0);
  EXPECT_EQ(result.rank_time[1], 0);
  EXPECT_NEAR(result.max_time, 5, 1e-5);
}

TEST(Weighted, TimesAMillionApart) {
  const std::vector<double> time{1e-3, 1e3, 1e3, 1e-3};
  const WeightedModel model(Placement({0, 0, 0, 1}, 2, 4), {.time_per_token = time});
  const std::vector<Tokens> counts{1'000'000'000, 1'000'000'000};
  const WeightedResult result = solve_weighted(model, {.counts = counts});
  EXPECT_EQ(result.status, WeightedStatus::kConverged);
  EXPECT_EQ(result.share[0] + result.share[1] + result.share[2], 1e9);
}

TEST(Weighted, AFewIterationsStillGiveALegalSplitWithAProof) {
  const std::vector<double> time{1, 1, 1};
  const WeightedModel model(Placement({0, 1, 0, 2, 1, 2}, 3, 3), {.time_per_token = time});
  const std::vector<Tokens> counts{100, 10, 1};
  const WeightedResult result = solve_weighted(model, {.counts = counts}, {.tolerance = 1e-9, .max_iterations = 1});
  EXPECT_EQ(result.status, WeightedStatus::kFeasible);
  EXPECT_LE(result.lower_bound, 50);
  EXPECT_GE(result.max_time, 50);
  EXPECT_STREQ(to_string(result.status), "feasible");
}

template <class Call>
void expect_refused(const Call& call, const std::string& message) {
  EXPECT_THAT(lplb::testing::invalid_argument_of(call), HasSubstr(message));
}

TEST(Weighted, RefusesBadModels) {
  const std::vector<double> one{1};
  const std::vector<double> zero{1, 0};
  const std::vector<double> good{1, 1};
  const std::vector<std::uint8_t> dead{0, 0};
  const std::vector<RowEntry> far{{.row = 0, .physical = 2, .value = 1}};
  const std::vector<RowEntry> endless{{.row = 0, .physical = 1, .value = std::numeric_limits<double>::quiet_NaN()}};
  const auto make = [](const WeightedArgs& args) { return [args] { WeightedModel(shared_pair(), args); }; };
  expect_refused(make({.time_per_token = one}),
                 "[WeightedModel] time_per_token has 1 entries; it must have one a rank (2)");
  expect_refused(make({.time_per_token = zero}), "[WeightedModel] time_per_token[1] is 0; it must be in 1e-09..1e+09");
  expect_refused(make({.time_per_token = good, .live = dead}), "[WeightedModel] expert 0 has no copy on a live rank");
  expect_refused(make({.time_per_token = good, .num_rows = 33}), "[WeightedModel] num_rows (33) must be in 0..32");
  expect_refused(make({.time_per_token = good, .num_rows = 1, .rows = far}),
                 "[WeightedModel] rows[0].physical is 2; it must be in 0..1");
  expect_refused(make({.time_per_token = good, .num_rows = 1, .rows = endless}),
                 "[WeightedModel] rows[0].value is nan");
}

TEST(Weighted, RefusesBadBatches) {
  const std::vector<double> time{1, 1};
  const WeightedModel model(shared_pair(), {.time_per_token = time});
  const std::vector<Tokens> good{1};
  const std::vector<Tokens> negative{-1};
  const std::vector<Tokens> two{1, 2};
  const std::vector<double> endless{0, std::numeric_limits<double>::infinity()};
  const std::vector<double> bound{1};
  const auto solve = [&](const WeightedInput& input, double tolerance) {
    return [&model, input, tolerance] { solve_weighted(model, input, {.tolerance = tolerance}); };
  };
  expect_refused(solve({.counts = two}, 1e-4), "[solve_weighted] counts has 2 entries; it must have num_logical (1)");
  expect_refused(solve({.counts = negative}, 1e-4), "[solve_weighted] counts[0] is -1; it must not be negative");
  expect_refused(solve({.counts = good, .base_time = endless}, 1e-4), "[solve_weighted] base_time[1] is inf");
  expect_refused(solve({.counts = good, .row_bound = bound}, 1e-4), "[solve_weighted] row_bound has 1 entries");
  expect_refused(solve({.counts = good}, 0), "[solve_weighted] tolerance is 0; it must be above 0");
}

}  // namespace
}  // namespace lplb
