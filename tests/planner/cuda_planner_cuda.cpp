// The planner on the GPU gives the plans and ids of the planner on the CPU: for whole batches, for an exchange of
// counts, captured and replayed with new ids, after a change of placement, live ranks or base load, and 100,000 times
// over.

#include "lplb/cuda_planner.h"

#include "lplb/count.h"
#include "lplb/planner.h"
#include "lplb/remap.h"
#include "support/cuda_test.h"
#include "support/named_instances.h"
#include "support/plans.h"
#include "support/random_batch.h"
#include "support/repetitions.h"

namespace lplb::cuda {
namespace {

using testing::BatchStyle;
using testing::CapturedGraph;
using testing::message_of;
using testing::NamedCase;
using testing::random_topk;
using testing::same_plan;

constexpr int kTopK = 8;

class PlannerCuda : public testing::CudaTest {
 protected:
  void run_and_compare(cuda::Planner& planner, lplb::Planner& reference, const std::vector<std::int32_t>& ids) {
    const DeviceBuffer<std::int32_t> device_ids(ids);
    DeviceBuffer<std::int32_t> physical(ids.size());
    planner.run({.topk_idx = device_ids.span(), .top_k = kTopK}, physical.span(), {}, stream());
    compare(planner, reference, ids, physical);
  }

  void compare(cuda::Planner& planner, lplb::Planner& reference, const std::vector<std::int32_t>& ids,
               const DeviceBuffer<std::int32_t>& physical) {
    const Plan plan = planner.read_plan(stream());
    ASSERT_EQ(physical.download(), reference.run(std::span<const std::int32_t>(ids)));
    ASSERT_TRUE(same_plan(plan, reference.plan()));
  }
};

/// Of a batch.
int num_tokens_at_most() { return testing::how_many({.of = "tokens", .full = 4096, .few = 600}); }

std::vector<NamedCase> small_cases() {
  return {testing::named_cases()[1], testing::named_cases()[4], testing::named_cases()[6]};
}

TEST_F(PlannerCuda, RunsAsTheCpu) {
  const int most_tokens = num_tokens_at_most();
  for (const NamedCase& named : small_cases()) {
    SCOPED_TRACE(named.name);
    const Placement placement = testing::place_and_draw(named, 1, 0, 431).front().placement;
    cuda::Planner planner(placement, {.max_ids = most_tokens * kTopK});
    lplb::Planner reference(placement);
    Rng rng(432);
    for (const BatchStyle style : testing::repeated_styles()) {
      for (const int num_tokens : {0, 1, 127, most_tokens}) {
        run_and_compare(planner, reference, random_topk(rng, num_tokens * kTopK, named.num_experts, style));
      }
    }
    EXPECT_EQ(planner.read_status(stream()), 0);
  }
}

TEST_F(PlannerCuda, RemapsOneSourceOfMany) {
  const int most_tokens = num_tokens_at_most();
  for (const NamedCase& named : small_cases()) {
    SCOPED_TRACE(named.name);
    const Placement placement = testing::place_and_draw(named, 1, 0, 433).front().placement;
    const int source = named.num_ranks - 2;
    cuda::Planner planner(placement, {.max_ids = most_tokens * kTopK, .source_rank = source});
    lplb::Planner reference(placement);
    Rng rng(434);
    const std::vector<std::int32_t> ids = random_topk(rng, most_tokens * kTopK, named.num_experts, BatchStyle::kSkewed);
    std::vector<Tokens> own(named.num_experts);
    lplb::count_tokens(ids, own);
    std::vector<Tokens> sources;
    for (int s = 0; s < named.num_ranks; ++s) {
      for (int e = 0; e < named.num_experts; ++e) {
        sources.push_back(s == source ? own[e] : static_cast<Tokens>(rng.below(300)));
      }
    }
    const DeviceBuffer<Tokens> device_sources(sources);
    const DeviceBuffer<std::int32_t> device_ids(ids);
    DeviceBuffer<std::int32_t> physical(ids.size());
    const Routing<std::int32_t> routing{.topk_idx = device_ids.span(), .top_k = kTopK};
    for (const bool exact : {true, false}) {
      reference.plan_counts(sources);
      planner.count(routing, stream());
      planner.plan(device_sources.span(), stream());
      planner.remap(routing, exact ? device_sources.span() : planner.counts(), physical.span(), {}, stream());
      ASSERT_TRUE(same_plan(planner.read_plan(stream()), reference.plan()));
      const SourceTable table = exact ? reference.source_table(source)
                                      : apportion_proportional(placement, own, reference.plan().quota, source);
      std::vector<std::int32_t> expected(ids.size());
      lplb::remap(placement, table, ids, expected);
      ASSERT_EQ(physical.download(), expected);
    }
  }
}

TEST_F(PlannerCuda, RemapsByATableOfTheCaller) {
  const int most_tokens = num_tokens_at_most();
  const NamedCase named = small_cases().front();
  const Placement placement = testing::place_and_draw(named, 1, 0, 439).front().placement;
  cuda::Planner planner(placement, {.max_ids = most_tokens * kTopK});
  Rng rng(440);
  const std::vector<std::int32_t> ids = random_topk(rng, most_tokens * kTopK, named.num_experts, BatchStyle::kSkewed);
  std::vector<Tokens> own(named.num_experts);
  lplb::count_tokens(ids, own);
  SourceTable table{.source_rank = 0, .proportional = false, .tokens = std::vector<Tokens>(named.num_slots)};
  for (int e = 0; e < named.num_experts; ++e) {  // a third to the first copy, the rest to the last
    const auto replicas = placement.replicas(e);
    table.tokens[replicas.front()] += own[e] / 3;
    table.tokens[replicas.back()] += own[e] - own[e] / 3;
  }
  const DeviceBuffer<Tokens> device_table(table.tokens);
  const DeviceBuffer<std::int32_t> device_ids(ids);
  DeviceBuffer<std::int32_t> physical(ids.size());
  const Routing<std::int32_t> routing{.topk_idx = device_ids.span(), .top_k = kTopK};
  planner.count(routing, stream());
  planner.remap_by_table(routing, device_table.span(), physical.span(), stream());
  synchronize();
  std::vector<std::int32_t> expected(ids.size());
  lplb::remap(placement, table, ids, expected);
  EXPECT_EQ(physical.download(), expected);
}

TEST_F(PlannerCuda, ACapturedGraphFollowsIdsPlacementLiveRanksAndBaseLoads) {
  const int most_tokens = num_tokens_at_most();
  const NamedCase named = testing::named_cases()[6];
  const auto placed = testing::place_and_draw(named, 3, 0, 435);
  cuda::Planner planner(placed[0].placement, {.max_ids = most_tokens * kTopK});
  lplb::Planner reference(placed[0].placement);
  DeviceBuffer<std::int32_t> ids(most_tokens * kTopK);
  DeviceBuffer<std::int32_t> physical(ids.size());
  const CapturedGraph graph(stream(), [&] {
    planner.run(Routing<std::int32_t>{.topk_idx = ids.span(), .top_k = kTopK}, physical.span(), {}, stream());
  });
  Rng rng(436);
  const auto replay = [&](const char* what) {
    SCOPED_TRACE(what);
    const auto batch = random_topk(rng, ids.size(), named.num_experts, BatchStyle::kSkewed);
    synchronize();
    ids.upload(batch);
    graph.replay();
    compare(planner, reference, batch, physical);
  };
  replay("first");
  replay("new ids");
  for (const testing::PlacedBatches& other : placed) {
    planner.set_placement(other.placement, stream());
    reference.set_placement(other.placement);
    replay("new placement");
  }
  std::vector<Tokens> base_load(named.num_ranks, 0);
  base_load[3] = 2000;
  planner.set_base_load(base_load, stream());
  reference.set_base_load(base_load);
  replay("base load");
  std::vector<std::uint8_t> live(named.num_ranks, 1);
  planner.set_live_ranks(live, stream());
  reference.set_live_ranks(live);
  replay("live ranks");
}

TEST_F(PlannerCuda, ReplaysOneHundredThousandTimesAtConstantMemory) {
  const NamedCase named = testing::named_cases()[4];
  const Placement placement = testing::place_and_draw(named, 1, 0, 437).front().placement;
  cuda::Planner planner(placement, {.max_ids = 512 * kTopK});
  lplb::Planner reference(placement);
  Rng rng(438);
  const auto batch = random_topk(rng, 512 * kTopK, named.num_experts, BatchStyle::kSkewed);
  const DeviceBuffer<std::int32_t> ids(batch);
  DeviceBuffer<std::int32_t> physical(ids.size());
  const CapturedGraph graph(stream(), [&] {
    planner.run(Routing<std::int32_t>{.topk_idx = ids.span(), .top_k = kTopK}, physical.span(), {}, stream());
  });
  graph.replay();
  synchronize();
  std::size_t free_before = 0;
  std::size_t free_after = 0;
  std::size_t total = 0;
  check_cuda(cudaMemGetInfo(&free_before, &total), "test");
  const int num_replays = testing::how_many({.of = "replays", .full = 100'000, .few = 20});
  for (int i = 0; i < num_replays; ++i) {
    graph.replay();
  }
  synchronize();
  check_cuda(cudaMemGetInfo(&free_after, &total), "test");
  EXPECT_EQ(free_after, free_before);
  compare(planner, reference, batch, physical);
}

TEST_F(PlannerCuda, BadIdsSetTheStatusOnce) {
  const Placement placement({0, 1, 1, kNone}, 2, 2);
  for (const bool checks : {true, false}) {
    cuda::Planner planner(placement, {.max_ids = 8, .checks = checks});
    const DeviceBuffer<std::int64_t> ids(std::vector<std::int64_t>{0, 1, 2, -1, -5, 1});
    DeviceBuffer<std::int64_t> physical(6);
    const std::vector<std::int64_t> clean = {0, 1, -1, -1, -1, 1};
    planner.run(Routing<std::int64_t>{.topk_idx = ids.span(), .top_k = 2}, physical.span(), {}, stream());
    EXPECT_EQ(planner.read_status(stream()), checks ? kStatusBadId : 0);
    EXPECT_EQ(planner.read_status(stream()), 0);
    EXPECT_EQ(physical.download(), lplb::Planner(placement).run(std::span<const std::int64_t>(clean)));
  }
}

TEST_F(PlannerCuda, ErrorsNameTheArgument) {
  const Placement placement({0, 1, 1, kNone}, 2, 2);
  EXPECT_EQ(message_of([&] { cuda::Planner(placement, {.max_ids = 8, .source_rank = 2}); }),
            "[Planner] source_rank (2) must be in 0..1");
  cuda::Planner planner(placement, {.max_ids = 8});
  const DeviceBuffer<std::int32_t> memory(16);
  EXPECT_EQ(message_of([&] { planner.count({.topk_idx = memory.span().first(9), .top_k = 1}, stream()); }),
            "[Planner] topk_idx has 9 entries; max_ids is 8");
  EXPECT_EQ(message_of([&] { planner.plan(memory.span().first(3), stream()); }),
            "[Planner::plan] counts has 3 entries; it must be [2] or [2, 2]");
  EXPECT_EQ(message_of([&] { planner.set_base_load(std::vector<Tokens>(3), stream()); }),
            "[Planner::set_base_load] base_load has 3 entries; it must have none, or one for each of the 2 ranks");
}

}  // namespace
}  // namespace lplb::cuda
