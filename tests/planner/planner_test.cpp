// The planner: the stages in their order, what it keeps and forgets, and its refusals.

#include "lplb/planner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "support/judge.h"
#include "support/oracle_brute.h"
#include "support/plans.h"
#include "support/random_instance.h"

namespace lplb {
namespace {

using namespace lplb::testing;

using Loads = std::vector<Tokens>;
using Live = std::vector<std::uint8_t>;

Placement small_placement() { return Placement({0, 1, 1, 2, 2, 0}, 3, 3); }

/// A planner set up as the instance says.
Planner planner_for(const Instance& instance) {
  Planner planner(instance.placement);
  planner.set_live_ranks(instance.live);
  planner.set_base_load(instance.base_load);
  return planner;
}

TEST(Planner, PlansAsSplitDoes) {
  for (int index = 0; index < 1'500; ++index) {
    Rng rng = seeded(401, index);
    const Instance instance = random_instance(rng, {.max_ranks = 10, .max_slots_per_rank = 4});
    Planner planner = planner_for(instance);
    const Plan& plan = planner.plan_counts(instance.counts);
    ASSERT_EQ(judge(instance, plan, brute_force_optimum(instance)), "") << "seed 401, index " << index << instance;
    ASSERT_TRUE(same_plan(plan, split(instance.placement, instance.counts, instance.base_load, instance.live)));
  }
}

TEST(Planner, CountsPerSourceGiveTheSamePlanAndExactTables) {
  for (int index = 0; index < 500; ++index) {
    Rng rng = seeded(402, index);
    const Instance instance = random_instance(rng, {.max_ranks = 8, .max_slots_per_rank = 4});
    const Loads sources = random_sources(rng, instance);
    Planner planner = planner_for(instance);
    const std::uint64_t digest = planner.plan_counts(sources).digest;
    ASSERT_EQ(digest, planner_for(instance).plan_counts(instance.counts).digest) << instance;
    Loads received(instance.placement.num_physical());
    for (int source = 0; source < instance.placement.num_ranks(); ++source) {
      const SourceTable table = planner.source_table(source);
      ASSERT_FALSE(table.proportional);
      std::ranges::transform(received, table.tokens, received.begin(), std::plus<>());
    }
    ASSERT_EQ(received, planner.plan().quota) << instance;
  }
}

TEST(Planner, OneRankCountsAreOfItsOnlySource) {
  Planner planner(Placement({0, 1, 1}, 2, 1));
  planner.plan_counts(Loads{3, 4});
  const SourceTable table = planner.source_table(0);
  EXPECT_FALSE(table.proportional);
  EXPECT_EQ(table.tokens, planner.plan().quota);
}

TEST(Planner, SummedCountsGiveProportionalTables) {
  Planner planner(small_placement());
  planner.plan_counts(Loads{30, 12, 6});
  const Loads own = {7, 5, 2};
  const SourceTable table = planner.source_table(1, own);
  EXPECT_TRUE(table.proportional);
  EXPECT_EQ(table.tokens, apportion_proportional(planner.placement(), own, planner.plan().quota, 1).tokens);
}

TEST(Planner, RunFollowsThePlanToTheToken) {
  for (int index = 0; index < 500; ++index) {
    Rng rng = seeded(403, index);
    Instance instance = random_instance(rng, {.max_ranks = 8, .max_slots_per_rank = 4});
    std::vector<std::int32_t> topk;
    for (std::size_t e = 0; e < instance.counts.size(); ++e) {
      instance.counts[e] %= 50;
      topk.insert(topk.end(), instance.counts[e], static_cast<std::int32_t>(e));
    }
    topk.insert(topk.end(), 3, kNone);
    random_detail::shuffle(rng, topk);
    Planner planner = planner_for(instance);
    const std::vector<std::int32_t> physical = planner.run(topk);
    ASSERT_EQ(judge(instance, planner.plan(), brute_force_optimum(instance)), "") << instance;
    Loads received(instance.placement.num_physical());
    for (std::size_t i = 0; i < topk.size(); ++i) {
      ASSERT_EQ(physical[i] == kNone ? kNone : instance.placement.phy2log()[physical[i]], topk[i]) << instance;
      if (physical[i] != kNone) {
        ++received[physical[i]];
      }
    }
    ASSERT_EQ(received, planner.plan().quota) << instance;
    const std::vector<std::int64_t> physical64 = planner.run(std::vector<std::int64_t>(topk.begin(), topk.end()));
    ASSERT_TRUE(std::ranges::equal(physical, physical64)) << instance;
  }
}

TEST(Planner, AnEmptyBatchAndOnlyPaddingArePlanned) {
  Planner planner(small_placement());
  EXPECT_TRUE(planner.run(std::vector<std::int32_t>{}).empty());
  EXPECT_EQ(planner.run(std::vector<std::int64_t>{-1, -1}), (std::vector<std::int64_t>{-1, -1}));
  EXPECT_EQ(planner.plan().max_load, 0);
}

TEST(Planner, CountsItsPlansByStatus) {
  Planner planner(small_placement());
  EXPECT_EQ(planner.stats().num_optimal, 0);
  planner.plan_counts(Loads{1, 2, 3});
  planner.run(std::vector<std::int32_t>{0, 1});
  EXPECT_EQ(planner.stats().num_optimal, 2);
  EXPECT_EQ(planner.stats().num_within_tolerance, 0);
  EXPECT_EQ(planner.stats().num_fallback, 0);
}

TEST(Planner, KeepsLiveMaskAndBaseLoadForANewPlacementOfAsManyRanks) {
  Planner planner(small_placement());
  planner.set_live_ranks(Live{1, 1, 0});
  planner.set_base_load(Loads{0, 7, 0});
  planner.set_placement(Placement({1, 0, 2, 1, 0, 2}, 3, 3));
  const Plan& plan = planner.plan_counts(Loads{4, 4, 4});
  EXPECT_EQ(plan.rank_load[2], 0);
  EXPECT_EQ(plan.rank_load[0] + plan.rank_load[1], 19);
  EXPECT_GE(plan.rank_load[1], 7);
}

TEST(Planner, ForgetsThemForAnotherNumberOfRanks) {
  Planner planner(small_placement());
  planner.set_live_ranks(Live{1, 1, 0});
  planner.set_base_load(Loads{0, 7, 0});
  planner.set_placement(Placement({0, 1, 1, 0}, 2, 2));
  EXPECT_EQ(planner.plan_counts(Loads{4, 4}).rank_load, (Loads{4, 4}));
}

TEST(Planner, EmptyMaskMeansAllLive) {
  Planner planner(small_placement());
  planner.set_live_ranks(Live{1, 1, 0});
  planner.set_live_ranks({});
  EXPECT_EQ(planner.plan_counts(Loads{2, 2, 2}).rank_load, (Loads{2, 2, 2}));
}

TEST(Planner, AfterARefusalNothingHasChanged) {
  Planner planner(small_placement());
  const Loads counts = {5, 6, 7};
  const Plan before = planner.plan_counts(counts);
  EXPECT_NE(message_of([&] { planner.set_live_ranks(Live{1, 0, 0}); }), "no error");
  EXPECT_NE(message_of([&] { planner.set_base_load(Loads{1}); }), "no error");
  EXPECT_TRUE(same_plan(planner.plan(), before));
  EXPECT_TRUE(same_plan(planner.plan_counts(counts), before));
  planner.set_live_ranks(Live{1, 1, 0});
  const Plan masked = planner.plan_counts(counts);
  EXPECT_NE(message_of([&] { planner.set_placement(Placement({0, 0, 1, 1, 2, 2}, 3, 3)); }), "no error");
  EXPECT_EQ(planner.placement(), small_placement());
  EXPECT_TRUE(same_plan(planner.plan_counts(counts), masked));
}

TEST(Planner, ARefusedBatchLeavesNoHalfMadePlan) {
  Planner planner(small_placement());
  const Loads sources = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const Plan before = planner.plan_counts(sources);
  const Loads table = planner.source_table(1).tokens;
  for (const Loads& refused : {Loads{1, 2, 3, 4, 5, 6, 7, 8, -9}, Loads(9, 300'000'000), Loads{1}, Loads{1, -2, 3}}) {
    EXPECT_NE(message_of([&] { planner.plan_counts(refused); }), "no error");
    if (message_of([&] { planner.source_table(1); }) == "no error") {
      EXPECT_EQ(planner.source_table(1).tokens, table);
      EXPECT_TRUE(same_plan(planner.plan(), before));
    }
  }
}

TEST(PlannerErrors, NameTheArgument) {
  Planner planner(small_placement());
  EXPECT_EQ(message_of([&] { planner.source_table(0); }),
            "[Planner::source_table] there is no plan yet for this placement; call plan_counts first");
  EXPECT_EQ(message_of([&] {
              planner.plan_counts(Loads{1, 2});
            }),
            "[Planner::plan_counts] counts has 2 entries; it must be [3] or [3, 3]");
  EXPECT_EQ(message_of([&] {
              planner.plan_counts(Loads{1, -2, 3});
            }),
            "[Planner::plan_counts] counts[1] is -2; it must not be negative");
  EXPECT_EQ(message_of([&] {
              planner.plan_counts(Loads{1, 2, 3, 4, 5, 6, 7, 8, -9});
            }),
            "[Planner::plan_counts] counts[8] is -9; it must not be negative");
  EXPECT_EQ(message_of([&] { planner.plan_counts(Loads(9, 300'000'000)); }),
            "[solve] counts and base_load add up to 2700000000 tokens; that must be below 2^31");
  EXPECT_EQ(message_of([&] {
              planner.set_live_ranks(Live{1, 1});
            }),
            "[SplitGraph] live has 2 entries; it must have one for each of the 3 ranks");
  EXPECT_EQ(message_of([&] {
              planner.set_live_ranks(Live{1, 0, 0});
            }),
            "[SplitGraph] expert 2 has no copy on a live rank");
  EXPECT_EQ(message_of([&] { planner.set_base_load(Loads{1}); }),
            "[Planner::set_base_load] base_load has 1 entries; it must have none, or one for each of the 3 ranks");
  EXPECT_EQ(message_of([&] {
              planner.run(std::vector<std::int32_t>{0, 3});
            }),
            "[count_tokens] topk_idx[1] is 3; it must be in -1..2");
  EXPECT_EQ(message_of([&] {
              planner.run(std::vector<std::int64_t>{0, -2});
            }),
            "[count_tokens] topk_idx[1] is -2; it must be in -1..2");
  planner.plan_counts(Loads{1, 2, 3});
  EXPECT_EQ(message_of([&] { planner.source_table(0); }),
            "[Planner::source_table] own_counts is empty; it is needed when the plan was made from counts [E]");
  EXPECT_EQ(message_of([&] {
              planner.source_table(3, Loads{1, 0, 0});
            }),
            "[apportion_proportional] source_rank (3) must be in 0..2");
  planner.set_live_ranks(Live{1, 1, 0});
  EXPECT_EQ(message_of([&] {
              planner.set_placement(Placement({0, 0, 1, 1, 2, 2}, 3, 3));
            }),
            "[SplitGraph] expert 2 has no copy on a live rank");
}

}  // namespace
}  // namespace lplb
