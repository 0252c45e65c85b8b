// Ten million random instances on all cores: brute force up to 12 ranks, max-flow with bisection above.

#include <gtest/gtest.h>

#include <mutex>
#include <sstream>

#include "base/parallel.h"
#include "lplb/solve.h"
#include "support/judge.h"
#include "support/oracle_brute.h"
#include "support/oracle_flow.h"
#include "support/random_instance.h"

namespace lplb {
namespace {

using namespace lplb::testing;

constexpr int kInstancesPerItem = 10'000;

/// Solves num_items * kInstancesPerItem instances; returns the first findings, in words.
template <class Oracle>
std::string solve_all(int num_items, const RandomLimits& limits, Oracle oracle) {
  std::mutex mutex;
  std::string findings;
  parallel_for(num_items, 0, [&](int item, int) {
    SolveWorkspace workspace;
    Plan plan;
    for (int index = 0; index < kInstancesPerItem; ++index) {
      Rng rng = seeded(item + 1'000, index);
      const Instance instance = random_instance(rng, limits);
      solve(SplitGraph(instance.placement, instance.live), instance.counts, instance.base_load, workspace, plan);
      const std::string finding = judge(instance, plan, oracle(instance));
      if (!finding.empty()) {
        std::ostringstream out;
        out << finding << ": seed " << item + 1'000 << ", index " << index << ": " << instance << '\n';
        const std::lock_guard lock(mutex);
        findings += findings.size() < 100'000 ? out.str() : "";
      }
    }
  });
  return findings;
}

TEST(SolveSlow, NineMillionNineHundredThousandEqualBruteForce) {
  EXPECT_EQ(solve_all(990, {.max_ranks = kMaxBruteRanks, .max_slots_per_rank = 6}, brute_force_optimum), "");
}

TEST(SolveSlow, AHundredThousandEqualMaxFlow) {
  EXPECT_EQ(
      solve_all(10, {.max_ranks = 64, .max_slots_per_rank = 8},
                [](const Instance& instance) {
                  return FlowOracle(instance.placement, instance.live).optimum(instance.counts, instance.base_load);
                }),
      "");
}

}  // namespace
}  // namespace lplb
