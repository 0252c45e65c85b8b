// The device code of the solver, run on the CPU: every field of every plan equals the CPU solver's. Where there is no
// GPU this is what stands for the tests that need one.

#include <gtest/gtest.h>

#include "solve/emulated_solver.h"
#include "support/named_instances.h"
#include "support/plans.h"
#include "support/random_instance.h"

namespace lplb {
namespace {

using namespace lplb::testing;

void expect_equal(const Instance& instance, const EmulatedLaunch& launch) {
  const Plan expected = split(instance.placement, instance.counts, instance.base_load, instance.live);
  ASSERT_TRUE(same_plan(expected, emulated_solve(instance, launch))) << instance;
}

TEST(SolveEmulated, NamedCases) {
  for (const NamedCase& named : named_cases()) {
    const PlacedBatches placed = place_and_draw(named, 1, 2, 21).front();
    for (const std::vector<Tokens>& batch : placed.batches) {
      const Instance instance{.placement = placed.placement, .counts = batch, .base_load = {}, .live = {}};
      expect_equal(instance, {.num_splits = 1});
      expect_equal(instance, {.num_splits = 1'000});
    }
  }
}

bool has_lane_tables(const Instance& instance) {
  return !cuda::make_lane_tables(SplitGraph(instance.placement, instance.live)).empty();
}

TEST(SolveEmulated, NamedCasesByLaneTables) {
  int num_with_tables = 0;
  for (const NamedCase& named : named_cases()) {
    const PlacedBatches placed = place_and_draw(named, 1, 4, 22).front();
    for (const std::vector<Tokens>& batch : placed.batches) {
      const Instance instance{.placement = placed.placement, .counts = batch, .base_load = {}, .live = {}};
      num_with_tables += has_lane_tables(instance) ? 1 : 0;
      expect_equal(instance, {.num_splits = 1, .by_lanes = true});
    }
  }
  EXPECT_GE(num_with_tables, 3 * 4);  // cube, hypercube and torus
}

TEST(SolveEmulated, RandomInstancesByLaneTables) {
  int num_with_tables = 0;
  for (int index = 0; index < 60; ++index) {
    Rng rng = seeded(304, index);
    const Instance instance = random_rings(rng);
    num_with_tables += has_lane_tables(instance) ? 1 : 0;
    expect_equal(instance, {.num_splits = 1, .by_lanes = true});
    expect_equal(random_instance(rng, {.max_ranks = 16, .max_slots_per_rank = 4}), {.num_splits = 1, .by_lanes = true});
  }
  EXPECT_GE(num_with_tables, 50);
}

/// A placement that was set since the capture may have more components, or none of the kind.
TEST(SolveEmulated, ByLaneTablesWithTooFewWarps) {
  for (int index = 0; index < 10; ++index) {
    Rng rng = seeded(305, index);
    expect_equal(random_rings(rng), {.num_splits = 1, .by_lanes = true, .max_lane_tasks = 1});
  }
}

TEST(SolveEmulated, RandomInstances) {
  for (int index = 0; index < 600; ++index) {
    Rng rng = seeded(301, index);
    expect_equal(random_instance(rng, {.max_ranks = 8 << index % 5, .max_slots_per_rank = 6}),
                 {.num_splits = index % 16 == 0 ? 1 : 1'000});
  }
}

/// Few experts on many ranks: large classes, where lanes begin to have two ranks or four.
TEST(SolveEmulated, LargeClasses) {
  for (const int num_ranks : {30, 31, 32, 33, 63, 64, 65, 128}) {
    for (const int num_logical : {1, 3, 6, num_ranks}) {
      Rng rng = seeded(306, 1'000 * num_ranks + num_logical);
      const Placement placement(random_detail::anywhere(rng, 3 * num_ranks, num_logical), num_logical, num_ranks);
      Instance instance{.placement = placement, .counts = {}, .base_load = {}, .live = {}};
      instance.counts = random_detail::random_counts(rng, num_logical);
      expect_equal(instance, {.num_splits = 1'000});
      expect_equal(instance, {.num_splits = 1});
      instance.base_load = random_detail::random_base(rng, instance);
      expect_equal(instance, {.num_splits = 1'000});
      expect_equal(instance, {.num_splits = 1});
    }
  }
}

TEST(SolveEmulated, WithoutRoomInSharedMemory) {
  for (int index = 0; index < 100; ++index) {
    Rng rng = seeded(302, index);
    expect_equal(random_instance(rng, {.max_ranks = 128, .max_slots_per_rank = 6}),
                 {.num_splits = index % 8 == 0 ? 1 : 1'000, .max_shared_bytes = 0});
  }
}

/// A launch stages as much of an image as the longest had when it was captured; the kernel finds that there is more.
TEST(SolveEmulated, AnImageThatHasGrownSinceTheCapture) {
  for (int index = 0; index < 40; ++index) {
    Rng rng = seeded(303, index);
    expect_equal(random_instance(rng, {.max_ranks = 64, .max_slots_per_rank = 6}),
                 {.num_splits = 1'000, .max_staged_words = 4 * (index % 8 + 1)});
  }
}

TEST(SolveImage, RefusesAComponentThatIsTooLarge) {
  std::vector<std::int32_t> ring;
  for (int rank = 0; rank < 129; ++rank) {
    ring.insert(ring.end(), {rank, (rank + 1) % 129});
  }
  const SplitGraph graph(Placement(ring, 129, 129));
  EXPECT_EQ(message_of([&] { cuda::make_solve_image(graph); }),
            "[SolveGraph] 129 ranks share experts, directly or over others; the CUDA solver takes up to 128");
}

}  // namespace
}  // namespace lplb
