// The same plan on every run and on every thread, and the same from a workspace and a plan that were used before.

#include <gtest/gtest.h>

#include <set>

#include "base/parallel.h"
#include "lplb/certificate.h"
#include "lplb/solve.h"
#include "support/named_instances.h"
#include "support/plans.h"
#include "support/random_instance.h"

namespace lplb {
namespace {

using namespace lplb::testing;

constexpr int kNumThreads = 4;

TEST(SolveThreads, ThreadsThatShareAGraphAgree) {
  for (const NamedCase& named : named_cases()) {
    const PlacedBatches placed = place_and_draw(named, 1, 8, 1).front();
    const SplitGraph graph(placed.placement);
    std::vector<Plan> plans(4 * placed.batches.size());
    std::vector<SolveWorkspace> workspaces(kNumThreads);
    parallel_for(static_cast<int>(plans.size()), kNumThreads, [&](int item, int thread_idx) {
      solve(graph, placed.batches[item % placed.batches.size()], {}, workspaces[thread_idx], plans[item]);
    });
    for (std::size_t item = 0; item < plans.size(); ++item) {
      const std::vector<Tokens>& batch = placed.batches[item % placed.batches.size()];
      ASSERT_TRUE(same_plan(plans[item], split(placed.placement, batch))) << named.name << ", item " << item;
    }
  }
}

TEST(SolveThreads, RandomInstancesAgreeInAnyOrderOfSolving) {
  constexpr int kNumInstances = 2'000;
  const auto draw = [](int item) {
    Rng rng = seeded(105, item);
    return random_instance(rng, {.max_ranks = 24, .max_slots_per_rank = 5});
  };
  std::vector<std::uint64_t> digests(kNumInstances);
  std::vector<SolveWorkspace> workspaces(kNumThreads);
  std::vector<Plan> plans(kNumThreads);
  parallel_for(kNumInstances, kNumThreads, [&](int item, int thread_idx) {
    const Instance instance = draw(item);
    solve(SplitGraph(instance.placement, instance.live), instance.counts, instance.base_load, workspaces[thread_idx],
          plans[thread_idx]);
    digests[item] = plans[thread_idx].digest;
  });
  SolveWorkspace workspace;
  Plan plan;
  for (int item = kNumInstances - 1; item >= 0; --item) {
    const Instance instance = draw(item);
    solve(SplitGraph(instance.placement, instance.live), instance.counts, instance.base_load, workspace, plan);
    ASSERT_EQ(plan.digest, digests[item]) << "index " << item << ": " << instance;
  }
}

TEST(SolveDigest, DiffersBetweenBatches) {
  const PlacedBatches placed = place_and_draw(named_cases()[0], 1, 64, 2).front();
  std::set<std::uint64_t> digests;
  for (const std::vector<Tokens>& batch : placed.batches) {
    digests.insert(split(placed.placement, batch).digest);
  }
  EXPECT_EQ(digests.size(), placed.batches.size());
}

TEST(SolveDigest, SeesOneMovedBaseLoad) {
  const Placement placement({0, 1}, 2, 2);
  const std::vector<Tokens> counts = {5, 5};
  EXPECT_NE(split(placement, counts, std::vector<Tokens>{1, 2}).digest,
            split(placement, counts, std::vector<Tokens>{2, 1}).digest);
}

}  // namespace
}  // namespace lplb
