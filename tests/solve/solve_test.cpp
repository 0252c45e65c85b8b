// The split by hand, on the named cases of the benchmarks, at the largest sizes, and its refusals.

#include "lplb/solve.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/judge.h"
#include "support/named_instances.h"
#include "support/oracle_flow.h"
#include "support/plans.h"
#include "support/random_instance.h"

namespace lplb {
namespace {

using namespace lplb::testing;

using Loads = std::vector<Tokens>;
using Live = std::vector<std::uint8_t>;

TEST(Solve, TwoRanksThatShareAnExpertLevel) {
  const Plan plan = split(Placement({0, 1, 1, 2}, 3, 2), Loads{10, 6, 5});
  EXPECT_EQ(plan.max_load, 11);
  EXPECT_EQ(plan.lower_bound, 11);
  EXPECT_EQ(plan.status, Status::kOptimal);
  EXPECT_EQ(plan.rank_load[0] + plan.rank_load[1], 21);
  EXPECT_EQ(bottleneck_ranks(plan), (std::vector<std::int32_t>{0, 1}));
}

TEST(Solve, ARankThatNothingCanRelieveIsTheCertificate) {
  const Plan plan = split(Placement({0, 1, 1, 2, 2, 3}, 4, 3), Loads{50, 6, 5, 1});
  EXPECT_EQ(plan.max_load, 50);
  EXPECT_EQ(plan.quota[0], 50);
  EXPECT_EQ(plan.quota[1], 0);
  EXPECT_EQ(bottleneck_ranks(plan), std::vector<std::int32_t>{0});
}

TEST(Solve, LoadTravelsAlongAChain) {
  // Expert i on ranks i and i + 1; all tokens start at one end and spread over all ranks.
  const Plan plan = split(Placement({0, 5, 0, 1, 1, 2, 2, 3, 3, 4, 4, 6}, 7, 6), Loads{12, 12, 12, 12, 12, 0, 0});
  EXPECT_EQ(plan.rank_load, (Loads{10, 10, 10, 10, 10, 10}));
}

TEST(Solve, ComponentsHaveTheirOwnOptimum) {
  const Plan plan = split(Placement({0, 1, 0, 1, 2, 3, 2, 3}, 4, 4), Loads{100, 0, 7, 0});
  EXPECT_EQ(plan.component, (std::vector<std::int32_t>{0, 0, 1, 1}));
  EXPECT_EQ(plan.component_bound, (Loads{50, 4}));
  EXPECT_EQ(plan.rank_load[2] + plan.rank_load[3], 7);
  EXPECT_EQ(std::max(plan.rank_load[2], plan.rank_load[3]), 4);
}

TEST(Solve, DeadRanksGetNothingAndTheirBaseLoadIsIgnored) {
  const Plan plan = split(Placement({0, 0, 0}, 1, 3), Loads{10}, Loads{0, 1'000, 2}, Live{1, 0, 1});
  EXPECT_EQ(plan.quota, (Loads{6, 0, 4}));
  EXPECT_EQ(plan.rank_load, (Loads{6, 0, 6}));
}

TEST(Solve, AnEmptyBatchIsBalanced) {
  const Plan plan = split(Placement({0, 1, 1, 2}, 3, 2), Loads{0, 0, 0});
  EXPECT_EQ(plan.max_load, 0);
  EXPECT_EQ(plan.quota, Loads(4, 0));
  EXPECT_EQ(plan.status, Status::kOptimal);
}

TEST(Solve, OneRankTakesEverything) {
  const Plan plan = split(Placement({0, 1, 1, kNone}, 2, 1), Loads{3, 4}, Loads{2});
  EXPECT_EQ(plan.rank_load, Loads{9});
  EXPECT_EQ(plan.quota[1] + plan.quota[2], 4);
}

TEST(Solve, TotalsJustBelowTheLimit) {
  const Tokens most = std::numeric_limits<Tokens>::max();
  const Plan plan = split(Placement({0, 0}, 1, 2), Loads{most});
  EXPECT_EQ(plan.max_load, 1 << 30);
  EXPECT_EQ(split(Placement({0, 0}, 1, 2), Loads{most - 7}, Loads{7, 0}).max_load, 1 << 30);
}

class SolveNamed : public ::testing::TestWithParam<NamedCase> {};

TEST_P(SolveNamed, EqualsMaxFlow) {
  for (const PlacedBatches& placed : place_and_draw(GetParam(), 2, 4, 3)) {
    FlowOracle oracle(placed.placement, {});
    for (const std::vector<Tokens>& batch : placed.batches) {
      const Instance instance{.placement = placed.placement, .counts = batch, .base_load = {}, .live = {}};
      ASSERT_EQ(judge(instance, split(placed.placement, batch), oracle.optimum(batch, {})), "");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Case, SolveNamed, ::testing::ValuesIn(named_cases()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Growth, SolveNamed,
                         ::testing::Values(growth_case(8), growth_case(256), growth_case(512), growth_case(1024)),
                         [](const auto& test) { return test.param.name; });

TEST(SolveLimits, OneExpertOnAllRanksOfTheLargestPlacement) {
  constexpr int kSlots = kMaxPhysical / kMaxRanks;
  std::vector<std::int32_t> phy2log(kMaxPhysical);
  for (int slot = 0; slot < kMaxPhysical; ++slot) {
    phy2log[slot] = slot % kSlots == 0 ? 0 : slot % (kMaxLogical - 1) + 1;
  }
  Loads counts(kMaxLogical, 100);
  counts[0] = 1'000'000;
  const Instance instance{
      .placement = Placement(phy2log, kMaxLogical, kMaxRanks, 128), .counts = counts, .base_load = {}, .live = {}};
  const Tokens mean = (1'000'000 + 100 * (kMaxLogical - 1) + kMaxRanks - 1) / kMaxRanks;
  EXPECT_EQ(judge(instance, split(instance.placement, counts), mean), "");
}

TEST(SolveErrors, NameTheArgument) {
  const Placement placement({0, 1, 1, 2}, 3, 2);
  const Loads counts = {1, 2, 3};
  EXPECT_EQ(message_of([&] {
              split(placement, Loads{1, 2});
            }),
            "[solve] counts has 2 entries; it must have one for each of the 3 experts");
  EXPECT_EQ(message_of([&] { split(placement, Loads{1, -2, 3}); }), "[solve] counts[1] is -2; it must not be negative");
  EXPECT_EQ(message_of([&] { split(placement, counts, Loads{1}); }),
            "[solve] base_load has 1 entries; it must have none, or one for each of the 2 ranks");
  EXPECT_EQ(message_of([&] {
              split(placement, counts, Loads{1, -1});
            }),
            "[solve] base_load[1] is -1; it must not be negative");
  EXPECT_EQ(message_of([&] {
              split(placement, Loads{2'000'000'000, 100'000'000, 47'483'648});
            }),
            "[solve] counts and base_load add up to 2147483648 tokens; that must be below 2^31");
  EXPECT_EQ(message_of([&] {
              split(placement, counts, Loads{2'147'483'642, 0});
            }),
            "[solve] counts and base_load add up to 2147483648 tokens; that must be below 2^31");
  EXPECT_EQ(message_of([&] { split(placement, counts, {}, Live{1}); }),
            "[SplitGraph] live has 1 entries; it must have one for each of the 2 ranks");
  EXPECT_EQ(message_of([&] {
              split(placement, counts, {}, Live{1, 0});
            }),
            "[SplitGraph] expert 2 has no copy on a live rank");
  EXPECT_EQ(message_of([&] {
              split(placement, counts, {}, Live{0, 0});
            }),
            "[SplitGraph] expert 0 has no copy on a live rank");
}

TEST(SplitGraph, KnowsItsShape) {
  const SplitGraph graph(Placement({0, 1, 1, 2, 3, 4, 4, 3}, 5, 4));
  EXPECT_EQ(graph.num_logical(), 5);
  EXPECT_EQ(graph.num_physical(), 8);
  EXPECT_EQ(graph.num_ranks(), 4);
  EXPECT_EQ(graph.num_components(), 2);
  EXPECT_EQ(graph.num_classes(), 2);  // experts 3 and 4 live on the same two ranks
  EXPECT_EQ(graph.num_colors(), 1);   // the two classes touch different ranks
}

}  // namespace
}  // namespace lplb
