// One launch gives what apportioning and remapping give on the CPU: table, physical ids, and the layout's counts; on
// random placements with colocated copies, empty slots and nodes, and on batches of all sizes up to where it is two.

#include "planner/apportion_remap.cuh"

#include "lplb/apportion.h"
#include "lplb/count.h"
#include "lplb/cuda_count.h"
#include "lplb/remap.h"
#include "lplb/solve.h"
#include "support/cuda_test.h"
#include "support/named_instances.h"
#include "support/random_batch.h"
#include "support/repetitions.h"

namespace lplb::cuda {
namespace {

using testing::kBatchStyles;
using testing::random_topk;
using testing::widened;

constexpr int kTopK = 4;

/// What one source hands in, and what it gets from the CPU.
struct Batch {
  int source;
  std::vector<std::int32_t> ids;
  std::vector<Tokens> sources;  // [G, E]
  std::vector<Tokens> quota;
  std::vector<Tokens> table;
  std::vector<std::int32_t> physical;
  std::size_t offset;  // of the counts in device memory: also where they cannot be read 16 bytes at a time
};

/// The ids are those of a random source; what the others have is random.
Batch batch_of(Rng& rng, const Placement& placement, std::vector<std::int32_t> ids) {
  const int num_ranks = placement.num_ranks();
  const int num_logical = placement.num_logical();
  const int source = static_cast<int>(rng.below(num_ranks));
  std::vector<Tokens> sources(static_cast<std::size_t>(num_ranks) * num_logical);
  for (Tokens& tokens : sources) {
    tokens = static_cast<Tokens>(rng.below(50));
  }
  lplb::count_tokens(ids, std::span(sources).subspan(static_cast<std::size_t>(source) * num_logical, num_logical));
  std::vector<Tokens> counts(num_logical);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    counts[i % num_logical] += sources[i];
  }
  std::vector<Tokens> quota = split(placement, counts).quota;
  SourceTable table = apportion_source(placement, sources, quota, source);
  std::vector<std::int32_t> physical(ids.size());
  lplb::remap(placement, table, ids, physical);
  return {source,           std::move(ids),          std::move(sources),
          std::move(quota), std::move(table.tokens), std::move(physical),
          rng.below(2)};
}

class ApportionRemapCuda : public testing::CudaTest {
 protected:
  /// Both widths of ids.
  void expect_equal(const Placement& placement, const Batch& batch) {
    expect_equal_ids(placement, batch, batch.ids, batch.physical);
    expect_equal_ids(placement, batch, widened(batch.ids), widened(batch.physical));
  }

 private:
  template <class Id>
  void expect_equal_ids(const Placement& placement, const Batch& batch, const std::vector<Id>& ids,
                        const std::vector<Id>& physical) {
    const int num_ranks = placement.num_ranks();
    const int num_logical = placement.num_logical();
    const DevicePlacement device_placement(placement);
    const DeviceBuffer<Id> device_ids(ids);
    std::vector<Tokens> with_offset(batch.offset, -7);
    with_offset.insert(with_offset.end(), batch.sources.begin(), batch.sources.end());
    const DeviceBuffer<Tokens> device_sources(with_offset);
    const DeviceBuffer<Tokens> device_quota(batch.quota);
    DeviceBuffer<Tokens> device_counts(num_logical);
    DeviceBuffer<Tokens> device_table(std::vector<Tokens>(placement.num_physical(), -7));
    DeviceBuffer<std::byte> workspace(routing_workspace_bytes(ids.size(), num_logical));
    DeviceBuffer<Id> device_physical(std::vector<Id>(ids.size(), -7));
    DeviceBuffer<Tokens> per_rank(std::vector<Tokens>(num_ranks, -7));
    DeviceBuffer<Tokens> per_expert(std::vector<Tokens>(placement.num_physical(), -7));
    DeviceBuffer<std::uint8_t> in_rank(ids.size() / kTopK * num_ranks);
    const Routing<Id> routing{.topk_idx = device_ids.span(), .top_k = kTopK};
    cuda::count_tokens(routing, device_counts.span(), workspace.span(), stream());
    apportion_and_remap(device_placement,
                        {.counts = device_sources.span().subspan(batch.offset),
                         .quota = device_quota.span(),
                         .live = {},
                         .source_rank = batch.source,
                         .tokens = device_table.span(),
                         .overlaps_previous = true},
                        RemapArgs<Id>{.routing = routing,
                                      .table = device_table.span(),
                                      .workspace = workspace.span(),
                                      .physical = device_physical.span(),
                                      .layout = {.num_tokens_per_rank = per_rank.span(),
                                                 .num_tokens_per_expert = per_expert.span(),
                                                 .is_token_in_rank = in_rank.span()},
                                      .overlaps_previous = true},
                        stream());
    synchronize();
    ASSERT_EQ(device_table.download(), batch.table);
    ASSERT_EQ(device_physical.download(), physical);
    ASSERT_EQ(per_expert.download(), batch.table);
    std::vector<Tokens> expected_per_rank(num_ranks);
    const std::vector<std::uint8_t> bytes = in_rank.download();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      expected_per_rank[i % num_ranks] += bytes[i];
    }
    ASSERT_EQ(per_rank.download(), expected_per_rank);
  }
};

TEST_F(ApportionRemapCuda, EqualsTheCpuOnRandomPlacements) {
  const int num_placements = testing::how_many({.of = "placements", .full = 300, .few = 3});
  for (int index = 0; index < num_placements; ++index) {
    Rng rng = testing::seeded(441, index);
    const Placement placement =
        testing::random_detail::random_placement(rng, {.max_ranks = 40, .max_slots_per_rank = 6});
    const std::size_t num_tokens = rng.below(index % 10 == 0 ? 60000 : 3000);
    SCOPED_TRACE("seed 441, index " + std::to_string(index));
    const auto ids = random_topk(rng, num_tokens * kTopK, placement.num_logical(), kBatchStyles[index % 4]);
    expect_equal(placement, batch_of(rng, placement, ids));
    if (HasFatalFailure()) {
      return;
    }
  }
}

/// Experts 0 and 1 have more copies than a warp has lanes, some on one rank; expert 2 has four, the others two or one.
TEST_F(ApportionRemapCuda, EqualsTheCpuWhereExpertsHaveManyCopies) {
  constexpr int kNumLogical = 24;
  std::vector<std::int32_t> phy2log(128, kNone);
  for (int slot = 0; slot < 40; ++slot) {
    phy2log[3 * slot] = 0;
    phy2log[3 * slot + 1] = 1;
  }
  for (int slot = 0; slot < 40; ++slot) {
    phy2log[3 * slot + 2] = slot < 3 ? 2 : 2 + slot % (kNumLogical - 2);
  }
  for (const int num_nodes : {1, 4}) {
    const Placement placement(phy2log, kNumLogical, 16, num_nodes);
    Rng rng(444);
    SCOPED_TRACE(std::to_string(num_nodes) + " nodes");
    for (const testing::BatchStyle style : kBatchStyles) {
      expect_equal(placement, batch_of(rng, placement, random_topk(rng, 1000 * kTopK, kNumLogical, style)));
    }
  }
}

TEST_F(ApportionRemapCuda, EqualsTheCpuOnNamedCases) {
  const int num_tokens = testing::how_many({.of = "tokens", .full = 8192, .few = 1024});
  for (const testing::NamedCase& named : testing::named_cases()) {
    const Placement placement = testing::place_and_draw(named, 1, 0, 442).front().placement;
    Rng rng(443);
    SCOPED_TRACE(named.name);
    for (const testing::BatchStyle style : testing::repeated_styles()) {
      const auto ids = random_topk(rng, num_tokens * kTopK, named.num_experts, style);
      expect_equal(placement, batch_of(rng, placement, ids));
    }
  }
}

}  // namespace
}  // namespace lplb::cuda
