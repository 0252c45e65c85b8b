#include "lplb/metrics.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "lplb/error.h"

namespace lplb {
namespace {

template <class F>
std::string message_of(const F& function) {
  try {
    function();
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "no error";
}

TEST(MeasureBalance, EveryFormulaByHand) {
  const std::vector<Tokens> loads = {30, 10, 20, 40};
  const Balance balance = measure_balance(loads);
  EXPECT_DOUBLE_EQ(balance.mean, 25);
  EXPECT_DOUBLE_EQ(balance.max, 40);
  EXPECT_DOUBLE_EQ(balance.imbalance, 1.6);
  EXPECT_DOUBLE_EQ(balance.balancedness, 0.625);
  EXPECT_DOUBLE_EQ(balance.excess, 0.6);
}

TEST(MeasureBalance, NoTokenIsPerfectBalance) {
  const Balance balance = measure_balance(std::vector<Tokens>{0, 0, 0});
  EXPECT_EQ(balance.imbalance, 1);
  EXPECT_EQ(balance.balancedness, 1);
  EXPECT_EQ(balance.excess, 0);
  EXPECT_EQ(balance.max, 0);
}

TEST(MeasureBalance, SumsBeyond32Bits) {
  const Balance balance = measure_balance(std::vector<Tokens>{2'000'000'000, 2'000'000'000, 2'000'000'000});
  EXPECT_DOUBLE_EQ(balance.mean, 2e9);
  EXPECT_DOUBLE_EQ(balance.imbalance, 1);
}

TEST(MeasureBalance, RefusesNoLoadsAndNegativeLoads) {
  EXPECT_EQ(message_of([] { measure_balance({}); }), "[measure_balance] loads must not be empty");
  EXPECT_EQ(message_of([] {
              measure_balance(std::vector<Tokens>{1, -5});
            }),
            "[measure_balance] loads[1] is -5; it must not be negative");
}

RC_GTEST_PROP(MeasureBalance, IsBetweenPerfectAndEverythingOnOneRank, ()) {
  const auto loads = *rc::gen::nonEmpty(rc::gen::container<std::vector<Tokens>>(rc::gen::inRange(0, 100'000)));
  const Balance balance = measure_balance(loads);
  RC_ASSERT(balance.imbalance >= 1 - 1e-12);
  RC_ASSERT(balance.imbalance <= static_cast<double>(loads.size()) + 1e-9);
  RC_ASSERT(std::abs(balance.imbalance * balance.balancedness - 1) < 1e-12);
  RC_ASSERT(std::abs(balance.excess - (balance.imbalance - 1)) < 1e-12);
}

TEST(SumNodes, AddsConsecutiveRanks) {
  std::vector<Tokens> node_load(2);
  sum_nodes(std::vector<Tokens>{1, 2, 3, 4, 5, 6}, node_load);
  EXPECT_EQ(node_load, (std::vector<Tokens>{6, 15}));
}

TEST(SumNodes, RefusesASumBeyond32Bits) {
  std::vector<Tokens> node_load(1);
  EXPECT_EQ(message_of([&] {
              sum_nodes(std::vector<Tokens>{2'000'000'000, 2'000'000'000}, node_load);
            }),
            "[sum_nodes] node 0 has 4000000000 tokens; that must be below 2^31");
}

TEST(SumNodes, RefusesRanksThatDoNotDivide) {
  std::vector<Tokens> node_load(4);
  EXPECT_EQ(message_of([&] {
              sum_nodes(std::vector<Tokens>{1, 2, 3, 4, 5, 6}, node_load);
            }),
            "[sum_nodes] rank_load has 6 ranks; that must be a multiple of the number of nodes (4)");
  EXPECT_EQ(message_of([] { sum_nodes(std::vector<Tokens>{1}, {}); }),
            "[sum_nodes] rank_load has 1 ranks; that must be a multiple of the number of nodes (0)");
}

TEST(MeasureTraffic, ByHand) {
  // Four ranks on two nodes, one slot a rank, expert p on rank p.
  const Placement placement({0, 1, 2, 3}, 4, 4, 2);
  const std::vector<Tokens> tokens = {
      5, 1, 2, 0,  // rank 0: 5 stay, 1 to its node, 2 to the other
      0, 7, 0, 3,  // rank 1: 7 stay, 3 to the other node
      0, 0, 0, 4,  // rank 2: 4 to its node
      9, 0, 0, 0,  // rank 3: 9 to the other node
  };
  const Traffic traffic = measure_traffic(placement, tokens);
  EXPECT_EQ(traffic.total, 31);
  EXPECT_EQ(traffic.cross_rank, 19);
  EXPECT_EQ(traffic.cross_node, 14);
}

TEST(MeasureTraffic, RefusesAWrongShape) {
  const Placement placement({0, 1, 2, 3}, 4, 4, 2);
  EXPECT_EQ(message_of([&] { measure_traffic(placement, std::vector<Tokens>(15)); }),
            "[measure_traffic] tokens has 15 entries; it must be [4 source ranks, 4 physical experts]");
}

TEST(Quantile, InterpolatesLikeNumPy) {
  const std::vector<double> values = {4, 1, 3, 2};  // numpy.quantile of these
  EXPECT_DOUBLE_EQ(quantile(values, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile(values, 0.99), 3.97);
  EXPECT_DOUBLE_EQ(quantile(values, 1), 4);
  EXPECT_DOUBLE_EQ(quantile(std::vector<double>{7}, 0.3), 7);
}

TEST(Quantile, RefusesNoValuesAndBadQ) {
  EXPECT_EQ(message_of([] { quantile({}, 0.5); }), "[quantile] values must not be empty");
  EXPECT_EQ(message_of([] { quantile(std::vector<double>{1}, 1.5); }), "[quantile] q (1.5) must be in 0..1");
  EXPECT_EQ(message_of([] { quantile(std::vector<double>{1}, std::nan("")); }), "[quantile] q (nan) must be in 0..1");
}

RC_GTEST_PROP(Quantile, AgreesWithASort, ()) {
  auto values = *rc::gen::nonEmpty(rc::gen::container<std::vector<double>>(
      rc::gen::map(rc::gen::inRange(-1000, 1000), [](int x) { return x / 8.0; })));
  const int percent = *rc::gen::inRange(0, 101);
  const double found = quantile(values, percent / 100.0);
  std::ranges::sort(values);
  const double position = percent / 100.0 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const double above = values[std::min(below + 1, values.size() - 1)];
  RC_ASSERT(std::abs(found - (values[below] + (above - values[below]) * (position - static_cast<double>(below)))) <
            1e-9);
}

}  // namespace
}  // namespace lplb
