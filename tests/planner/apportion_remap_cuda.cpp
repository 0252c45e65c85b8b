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

namespace lplb::cuda {
namespace {

using testing::kBatchStyles;
using testing::random_topk;

constexpr int kTopK = 4;

class ApportionRemapCuda : public testing::CudaTest {
 protected:
  /// The ids are those of `source`; what the others have is random.
  void expect_equal(Rng& rng, const Placement& placement, const std::vector<std::int32_t>& ids) {
    const int num_ranks = placement.num_ranks();
    const int num_logical = placement.num_logical();
    const int source = static_cast<int>(rng.below(num_ranks));
    std::vector<Tokens> sources(static_cast<std::size_t>(num_ranks) * num_logical);
    for (Tokens& tokens : sources) {
      tokens = static_cast<Tokens>(rng.below(50));
    }
    const auto own = std::span(sources).subspan(static_cast<std::size_t>(source) * num_logical, num_logical);
    lplb::count_tokens(ids, own);
    std::vector<Tokens> counts(num_logical);
    for (std::size_t i = 0; i < sources.size(); ++i) {
      counts[i % num_logical] += sources[i];
    }
    const std::vector<Tokens> quota = split(placement, counts).quota;
    const SourceTable table = apportion_source(placement, sources, quota, source);
    std::vector<std::int32_t> physical(ids.size());
    lplb::remap(placement, table, ids, physical);

    const DevicePlacement device_placement(placement);
    const DeviceBuffer<std::int32_t> device_ids(ids);
    const DeviceBuffer<Tokens> device_sources(sources);
    const DeviceBuffer<Tokens> device_quota(quota);
    DeviceBuffer<Tokens> device_counts(num_logical);
    DeviceBuffer<Tokens> device_table(std::vector<Tokens>(placement.num_physical(), -7));
    DeviceBuffer<std::byte> workspace(routing_workspace_bytes(ids.size(), num_logical));
    DeviceBuffer<std::int32_t> device_physical(std::vector<std::int32_t>(ids.size(), -7));
    DeviceBuffer<Tokens> per_rank(std::vector<Tokens>(num_ranks, -7));
    DeviceBuffer<Tokens> per_expert(std::vector<Tokens>(placement.num_physical(), -7));
    DeviceBuffer<std::uint8_t> in_rank(ids.size() / kTopK * num_ranks);
    const Routing<std::int32_t> routing{.topk_idx = device_ids.span(), .top_k = kTopK};
    cuda::count_tokens(routing, device_counts.span(), workspace.span(), stream());
    apportion_and_remap(device_placement,
                        {.counts = device_sources.span(),
                         .quota = device_quota.span(),
                         .live = {},
                         .source_rank = source,
                         .tokens = device_table.span(),
                         .overlaps_previous = true},
                        {.routing = routing,
                         .table = device_table.span(),
                         .workspace = workspace.span(),
                         .physical = device_physical.span(),
                         .layout = {.num_tokens_per_rank = per_rank.span(),
                                    .num_tokens_per_expert = per_expert.span(),
                                    .is_token_in_rank = in_rank.span()},
                         .overlaps_previous = true},
                        stream());
    synchronize();
    ASSERT_EQ(device_table.download(), table.tokens);
    ASSERT_EQ(device_physical.download(), physical);
    ASSERT_EQ(per_expert.download(), table.tokens);
    std::vector<Tokens> expected_per_rank(num_ranks);
    const std::vector<std::uint8_t> bytes = in_rank.download();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      expected_per_rank[i % num_ranks] += bytes[i];
    }
    ASSERT_EQ(per_rank.download(), expected_per_rank);
  }
};

TEST_F(ApportionRemapCuda, EqualsTheCpuOnRandomPlacements) {
  for (int index = 0; index < 300; ++index) {
    Rng rng = testing::seeded(441, index);
    const Placement placement =
        testing::random_detail::random_placement(rng, {.max_ranks = 40, .max_slots_per_rank = 6});
    const std::size_t num_tokens = rng.below(index % 10 == 0 ? 40000 : 3000);
    SCOPED_TRACE("seed 441, index " + std::to_string(index));
    expect_equal(rng, placement,
                 random_topk(rng, num_tokens * kTopK, placement.num_logical(), kBatchStyles[index % 4]));
    if (HasFatalFailure()) {
      return;
    }
  }
}

TEST_F(ApportionRemapCuda, EqualsTheCpuOnNamedCases) {
  for (const testing::NamedCase& named : testing::named_cases()) {
    const Placement placement = testing::place_and_draw(named, 1, 0, 442).front().placement;
    Rng rng(443);
    SCOPED_TRACE(named.name);
    for (const testing::BatchStyle style : kBatchStyles) {
      expect_equal(rng, placement, random_topk(rng, 8192 * kTopK, named.num_experts, style));
    }
  }
}

}  // namespace
}  // namespace lplb::cuda
