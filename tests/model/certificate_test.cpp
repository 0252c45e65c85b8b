// Certificates by hand, and plans tampered with: each kind of lie is refused with its own sentence.

#include "lplb/certificate.h"

#include <gtest/gtest.h>

#include "support/plans.h"

namespace lplb {
namespace {

using lplb::testing::message_of;

using Ranks = std::vector<std::int32_t>;

// Ranks 0 and 1 share expert 1, ranks 2 and 3 share expert 4; rank 4 is dead or holds a third copy of expert 4.
//   slots  {0, 1} {1, 2} {3, 4} {4, -} {4, -}
class CheckPlan : public ::testing::Test {
 protected:
  Placement placement{{0, 1, 1, 2, 3, 4, 4, kNone, 4, kNone}, 5, 5};
  std::vector<Tokens> counts = {10, 6, 5, 8, 7};
  std::vector<Tokens> base_load = {0, 1, 0, 2, 100};
  std::vector<std::uint8_t> live = {1, 1, 1, 1, 0};
  Plan plan;

  void SetUp() override {
    plan.quota = {10, 1, 5, 5, 8, 0, 7, 0, 0, 0};  // 11 and 11; 8 and 9
    plan.rank_load = {11, 11, 8, 9, 0};
    plan.max_load = 11;
    plan.lower_bound = 11;
    plan.component = {0, 0, 1, 1, 2};
    plan.component_bound = {11, 9, 0};
    plan.in_bottleneck = {1, 1, 1, 1, 1};
  }

  std::string verdict() const { return check_plan(placement, counts, base_load, live, plan); }
};

TEST_F(CheckPlan, AcceptsAnOptimalPlan) { EXPECT_EQ(verdict(), ""); }

TEST_F(CheckPlan, RefusesTheQuotaOfAnotherExpertsSlot) {
  plan.quota[0] = 9;
  plan.quota[1] = 2;
  EXPECT_EQ(verdict(), "expert 0 has 10 tokens but its copies get 9");
}

TEST_F(CheckPlan, RefusesALostToken) {
  plan.quota[6] = 6;
  plan.rank_load[3] = 8;
  EXPECT_EQ(verdict(), "expert 4 has 7 tokens but its copies get 6");
}

TEST_F(CheckPlan, RefusesAnInventedToken) {
  plan.quota[6] = 8;
  EXPECT_EQ(verdict(), "expert 4 has 7 tokens but its copies get 8");
}

TEST_F(CheckPlan, RefusesATokenOnADeadRank) {
  plan.quota[6] = 6;
  plan.quota[8] = 1;
  EXPECT_EQ(verdict(), "slot 8 has quota 1 but its rank 4 is dead");
}

TEST_F(CheckPlan, RefusesATokenInAnEmptySlot) {
  plan.quota[7] = 1;
  EXPECT_EQ(verdict(), "slot 7 is empty but has quota 1");
}

TEST_F(CheckPlan, RefusesANegativeQuota) {
  plan.quota[5] = -1;
  plan.quota[6] = 8;
  EXPECT_EQ(verdict(), "slot 5 has a negative quota (-1)");
}

TEST_F(CheckPlan, RefusesALoadThatIsNotTheSum) {
  plan.rank_load[1] = 10;
  EXPECT_EQ(verdict(), "rank 1 has rank_load 10; its base load and quotas sum to 11");
}

TEST_F(CheckPlan, RefusesTheBaseLoadOfADeadRank) {
  plan.rank_load[4] = 100;
  EXPECT_EQ(verdict(), "rank 4 has rank_load 100; its base load and quotas sum to 0");
}

TEST_F(CheckPlan, RefusesAWrongMaxLoad) {
  plan.max_load = 10;
  EXPECT_EQ(verdict(), "max_load is 10; the largest rank_load is 11");
}

TEST_F(CheckPlan, RefusesAWrongComponent) {
  plan.component = {0, 0, 0, 0, 1};
  EXPECT_EQ(verdict(), "rank 2 is in component 1, not 0");
}

TEST_F(CheckPlan, RefusesAMissingComponentBound) {
  plan.component_bound = {11, 9};
  EXPECT_EQ(verdict(), "component_bound has 2 entries; there are 3 components");
}

TEST_F(CheckPlan, RefusesABoundThatTheCertificateDoesNotProve) {
  plan.component_bound[0] = 12;
  EXPECT_EQ(verdict(), "component 0 has bound 12; its certificate proves 11");
}

TEST_F(CheckPlan, RefusesACertificateThatProvesLess) {
  plan.in_bottleneck = {1, 0, 1, 1, 1};  // rank 0 alone confines expert 0 alone
  EXPECT_EQ(verdict(), "component 0 has bound 11; its certificate proves 10");
}

TEST_F(CheckPlan, RefusesAnEmptyCertificate) {
  plan.in_bottleneck = {1, 1, 0, 0, 1};
  EXPECT_EQ(verdict(), "component 1 has no rank in its certificate");
}

TEST_F(CheckPlan, RefusesALowerBoundThatIsNotTheLargest) {
  plan.lower_bound = 9;
  EXPECT_EQ(verdict(), "lower_bound is 9; the largest component_bound is 11");
}

TEST_F(CheckPlan, RefusesAPlanThatIsNotOptimalAndSaysItIs) {
  plan.quota[1] = 0;
  plan.quota[2] = 6;
  plan.rank_load[0] = 10;
  plan.rank_load[1] = 12;
  plan.max_load = 12;
  EXPECT_EQ(verdict(), "the status is optimal but rank 1 has load 12, above the bound 11 of its component 0");
}

TEST_F(CheckPlan, RefusesASmallerComponentAboveItsBound) {
  plan.quota[5] = 2;
  plan.quota[6] = 5;
  plan.rank_load[2] = 10;  // below max_load, but its component can do with 9
  plan.rank_load[3] = 7;
  EXPECT_EQ(verdict(), "the status is optimal but rank 2 has load 10, above the bound 9 of its component 1");
}

TEST_F(CheckPlan, SaysThatAFallbackIsNotProved) {
  plan.status = Status::kFallback;
  EXPECT_EQ(verdict(), "the status is fallback: the largest load is 11, the lower bound 11");
  plan.status = Status::kWithinTolerance;
  EXPECT_EQ(verdict(), "the status is within_tolerance: the largest load is 11, the lower bound 11");
}

TEST_F(CheckPlan, RefusesWrongLengths) {
  Plan broken = plan;
  broken.quota.pop_back();
  EXPECT_EQ(check_plan(placement, counts, base_load, live, broken), "quota has 9 entries; it must have 10");
  broken = plan;
  broken.rank_load.push_back(0);
  EXPECT_EQ(check_plan(placement, counts, base_load, live, broken), "rank_load has 6 entries; it must have 5");
  broken = plan;
  broken.component.clear();
  EXPECT_EQ(check_plan(placement, counts, base_load, live, broken), "component has 0 entries; it must have 5");
  broken = plan;
  broken.in_bottleneck.clear();
  EXPECT_EQ(check_plan(placement, counts, base_load, live, broken), "in_bottleneck has 0 entries; it must have 5");
}

TEST_F(CheckPlan, RefusesArgumentsOfWrongLength) {
  const std::vector<Tokens> three(3);
  const std::vector<std::uint8_t> two(2);
  EXPECT_EQ(message_of([&] { check_plan(placement, three, base_load, live, plan); }),
            "[check_plan] counts has 3 entries; it must have num_logical (5)");
  EXPECT_EQ(message_of([&] { check_plan(placement, counts, three, live, plan); }),
            "[check_plan] base_load has 3 entries; it must be empty or have num_ranks (5)");
  EXPECT_EQ(message_of([&] { check_plan(placement, counts, base_load, two, plan); }),
            "[check_plan] live has 2 entries; it must be empty or have num_ranks (5)");
}

TEST_F(CheckPlan, ConfinedExpertsDependOnLiveCopies) {
  EXPECT_EQ(confined_experts(placement, Ranks{0, 1}), (Ranks{0, 1, 2}));
  EXPECT_EQ(confined_experts(placement, Ranks{1}), Ranks{2});
  EXPECT_EQ(confined_experts(placement, Ranks{2, 3}), Ranks{3});
  EXPECT_EQ(confined_experts(placement, Ranks{2, 3}, live), (Ranks{3, 4}));
  EXPECT_EQ(confined_experts(placement, Ranks{}), Ranks{});
}

TEST_F(CheckPlan, AnExpertWithoutALiveCopyIsConfinedNowhere) {
  const std::vector<std::uint8_t> first_dead = {0, 1, 1, 1, 1};
  EXPECT_EQ(confined_experts(placement, Ranks{1}, first_dead), (Ranks{1, 2}));
}

TEST_F(CheckPlan, BoundIsTheMeanOfWhatCannotLeaveRoundedUp) {
  EXPECT_EQ(certificate_bound(placement, counts, base_load, Ranks{0, 1}, live), 11);  // (0 + 1 + 10 + 6 + 5) / 2
  EXPECT_EQ(certificate_bound(placement, counts, base_load, Ranks{2, 3}, live), 9);   // (0 + 2 + 8 + 7) / 2 = 8.5
  EXPECT_EQ(certificate_bound(placement, counts, {}, Ranks{2, 3}, live), 8);
  EXPECT_EQ(certificate_bound(placement, counts, base_load, Ranks{4}), 100);
}

TEST_F(CheckPlan, RefusesRanksThatAreNoSetOfLiveRanks) {
  const auto bound = [&](const Ranks& ranks) {
    return message_of([&] { certificate_bound(placement, counts, base_load, ranks, live); });
  };
  EXPECT_EQ(bound({}), "[certificate_bound] ranks must not be empty");
  EXPECT_EQ(bound({5}), "[certificate_bound] ranks holds 5; it must be in 0..4");
  EXPECT_EQ(bound({-1}), "[certificate_bound] ranks holds -1; it must be in 0..4");
  EXPECT_EQ(bound({4}), "[certificate_bound] ranks holds 4, which is not live");
  EXPECT_EQ(bound({1, 1}), "[certificate_bound] ranks holds 1 twice");
  EXPECT_EQ(message_of([&] { confined_experts(placement, Ranks{9}, live); }),
            "[confined_experts] ranks holds 9; it must be in 0..4");
}

}  // namespace
}  // namespace lplb
