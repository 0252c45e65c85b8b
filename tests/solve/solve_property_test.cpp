// The split against oracles that share no code with it: the closed form over all sets of ranks for up to 12 ranks,
// LEMON's max-flow with bisection above, COIN CLP and GLPK on a sample. 100,000 seeded instances, and RapidCheck's.

#include <gtest/gtest.h>

#include "lplb/solve.h"
#include "support/judge.h"
#include "support/oracle_brute.h"
#include "support/oracle_flow.h"
#include "support/oracle_lp.h"
#include "support/plans.h"
#include "support/random_instance.h"
#include "support/rapid_instance.h"

namespace lplb {
namespace {

using namespace lplb::testing;

Tokens flow_optimum(const Instance& instance) {
  return FlowOracle(instance.placement, instance.live).optimum(instance.counts, instance.base_load);
}

template <class Oracle>
Tokens lp_optimum(const Instance& instance) {
  return Oracle(instance.placement, instance.live).optimum(instance.counts, instance.base_load);
}

Plan solve_fresh(const Instance& instance) {
  return split(instance.placement, instance.counts, instance.base_load, instance.live);
}

/// Solves into a workspace and a plan that live on from instance to instance.
class Reused {
 public:
  const Plan& solve(const Instance& instance) {
    lplb::solve(SplitGraph(instance.placement, instance.live), instance.counts, instance.base_load, workspace_, plan_);
    return plan_;
  }

 private:
  SolveWorkspace workspace_;
  Plan plan_;
};

template <class Oracle>
void check_seeded(std::uint64_t seed, int num_instances, const RandomLimits& limits, Oracle oracle) {
  Reused reused;
  for (int index = 0; index < num_instances; ++index) {
    Rng rng = seeded(seed, index);
    const Instance instance = random_instance(rng, limits);
    const Plan& plan = reused.solve(instance);
    ASSERT_EQ(judge(instance, plan, oracle(instance)), "")
        << "seed " << seed << ", index " << index << ": " << instance;
    if (index % 16 == 0) {
      ASSERT_TRUE(same_plan(plan, solve_fresh(instance)))
          << "a fresh workspace gives another plan: seed " << seed << ", index " << index << ": " << instance;
    }
  }
}

class SolveSeeded : public ::testing::TestWithParam<int> {};

TEST_P(SolveSeeded, TenThousandInstancesEqualBruteForce) {
  check_seeded(GetParam(), 10'000, {.max_ranks = kMaxBruteRanks, .max_slots_per_rank = 5}, brute_force_optimum);
}
INSTANTIATE_TEST_SUITE_P(Shard, SolveSeeded, ::testing::Range(1, 11));

TEST(SolveOracle, MaxFlowAndBisectionUpTo64Ranks) {
  check_seeded(101, 1'500, {.max_ranks = 64, .max_slots_per_rank = 6}, flow_optimum);
}

TEST(SolveOracle, CoinClp) {
  check_seeded(102, 300, {.max_ranks = 40, .max_slots_per_rank = 5}, lp_optimum<ClpOracle>);
}

TEST(SolveOracle, Glpk) { check_seeded(103, 300, {.max_ranks = 40, .max_slots_per_rank = 5}, lp_optimum<GlpkOracle>); }

TEST(SolveOracle, OraclesAgree) {
  for (int index = 0; index < 1'000; ++index) {
    Rng rng = seeded(104, index);
    const Instance instance = random_instance(rng, {.max_ranks = 10, .max_slots_per_rank = 4});
    ASSERT_EQ(brute_force_optimum(instance), flow_optimum(instance)) << instance;
    if (index % 10 == 0) {
      ASSERT_EQ(brute_force_optimum(instance), lp_optimum<ClpOracle>(instance)) << instance;
      ASSERT_EQ(brute_force_optimum(instance), lp_optimum<GlpkOracle>(instance)) << instance;
    }
  }
}

TEST(SolveProperty, OptimalAndProved) {
  check_property(1'000, [](const Instance& instance) {
    RC_ASSERT(judge(instance, solve_fresh(instance), brute_force_optimum(instance)) == "");
  });
}

TEST(SolveProperty, OptimumGrowsByAtMostTheTokensAdded) {
  check_property(300, [](Instance instance) {
    const Tokens before = solve_fresh(instance).max_load;
    const auto expert = *rc::gen::inRange<std::size_t>(0, instance.counts.size());
    const Tokens added = *rc::gen::inRange(0, 50);
    instance.counts[expert] += added;
    const Tokens after = solve_fresh(instance).max_load;
    RC_ASSERT(after >= before);
    RC_ASSERT(after <= before + added);
  });
}

TEST(SolveProperty, ScalesWithTheLoad) {
  check_property(300, [](Instance instance) {
    const Tokens before = solve_fresh(instance).max_load;
    const Tokens factor = *rc::gen::inRange(1, 60);
    for (Tokens& count : instance.counts) {
      count *= factor;
    }
    for (Tokens& load : instance.base_load) {
      load *= factor;
    }
    const Tokens after = solve_fresh(instance).max_load;
    RC_ASSERT(after <= before * factor);  // the old split, scaled
    RC_ASSERT(after > (before - 1) * factor);
  });
}

}  // namespace
}  // namespace lplb
