// Remapping on the GPU gives the CPU's physical ids, and a dispatch's tensors as a plain loop computes them.

#include "lplb/remap.h"

#include "cuda/slices.h"
#include "lplb/apportion.h"
#include "lplb/count.h"
#include "lplb/cuda_count.h"
#include "lplb/cuda_remap.h"
#include "lplb/solve.h"
#include "remap/remap_config.h"
#include "support/cuda_test.h"
#include "support/named_instances.h"
#include "support/plans.h"
#include "support/random_batch.h"
#include "support/repetitions.h"

namespace lplb::cuda {
namespace {

using testing::BatchStyle;
using testing::kBatchStyles;
using testing::message_of;
using testing::random_topk;
using testing::widened;

/// What one batch gives.
template <class Id>
struct Remapped {
  std::vector<Id> physical;
  std::vector<Tokens> num_tokens_per_rank;
  std::vector<Tokens> num_tokens_per_expert;
  std::vector<std::uint8_t> is_token_in_rank;
  friend bool operator==(const Remapped&, const Remapped&) = default;
};

/// DeepEP's get_dispatch_layout, by its definition.
template <class Id>
Remapped<Id> layout_of(const Placement& placement, std::vector<Id> physical, int top_k) {
  const std::size_t num_ranks = placement.num_ranks();
  const std::size_t num_tokens = physical.size() / top_k;
  Remapped<Id> result{.physical = std::move(physical),
                      .num_tokens_per_rank = std::vector<Tokens>(num_ranks),
                      .num_tokens_per_expert = std::vector<Tokens>(placement.num_physical()),
                      .is_token_in_rank = std::vector<std::uint8_t>(num_tokens * num_ranks)};
  for (std::size_t i = 0; i < result.physical.size(); ++i) {
    if (result.physical[i] != kNone) {
      ++result.num_tokens_per_expert[result.physical[i]];
      result.is_token_in_rank[i / top_k * num_ranks + placement.rank_of(static_cast<int>(result.physical[i]))] = 1;
    }
  }
  for (std::size_t i = 0; i < result.is_token_in_rank.size(); ++i) {
    result.num_tokens_per_rank[i % num_ranks] += result.is_token_in_rank[i];
  }
  return result;
}

/// A table that gives the ids of each expert to its copies at random.
std::vector<Tokens> random_table(Rng& rng, const Placement& placement, const std::vector<Tokens>& counts) {
  std::vector<Tokens> table(placement.num_physical());
  for (int e = 0; e < placement.num_logical(); ++e) {
    Tokens left = counts[e];
    const auto slots = placement.replicas(e);
    for (std::size_t i = 0; i + 1 < slots.size(); ++i) {
      table[slots[i]] = static_cast<Tokens>(rng.below(static_cast<std::uint64_t>(left) + 1));
      left -= table[slots[i]];
    }
    table[slots.back()] = left;
  }
  return table;
}

class RemapCuda : public testing::CudaTest {
 protected:
  template <class Id>
  Remapped<Id> remap_on_gpu(const Placement& placement, const std::vector<Id>& ids, const std::vector<Tokens>& table,
                            int top_k, const std::int32_t* num_valid = nullptr, std::int32_t* status = nullptr) {
    const DevicePlacement device_placement(placement);
    const DeviceBuffer<Id> device_ids(ids);
    const DeviceBuffer<Tokens> device_table(table);
    DeviceBuffer<Tokens> counts(placement.num_logical());
    DeviceBuffer<std::byte> workspace(routing_workspace_bytes(ids.size(), placement.num_logical()));
    DeviceBuffer<Id> physical(std::vector<Id>(ids.size(), -7));
    DeviceBuffer<Tokens> per_rank(std::vector<Tokens>(placement.num_ranks(), -7));
    DeviceBuffer<Tokens> per_expert(std::vector<Tokens>(placement.num_physical(), -7));
    DeviceBuffer<std::uint8_t> in_rank(std::vector<std::uint8_t>(ids.size() / top_k * placement.num_ranks(), 7));
    const Routing<Id> routing{
        .topk_idx = device_ids.span(), .top_k = top_k, .num_valid_tokens = num_valid, .status = status};
    count_tokens(routing, counts.span(), workspace.span(), stream());
    remap(device_placement,
          RemapArgs<Id>{.routing = routing,
                        .table = device_table.span(),
                        .workspace = workspace.span(),
                        .physical = physical.span(),
                        .layout = {.num_tokens_per_rank = per_rank.span(),
                                   .num_tokens_per_expert = per_expert.span(),
                                   .is_token_in_rank = in_rank.span()},
                        .overlaps_previous = true},
          stream());
    synchronize();
    return {physical.download(), per_rank.download(), per_expert.download(), in_rank.download()};
  }

  /// Remaps a batch with a random table, as 32-bit and 64-bit ids.
  void expect_equal(Rng& rng, const Placement& placement, const std::vector<std::int32_t>& ids, int top_k) {
    std::vector<Tokens> counts(placement.num_logical());
    lplb::count_tokens(ids, counts);
    const SourceTable table{.source_rank = 0, .proportional = false, .tokens = random_table(rng, placement, counts)};
    std::vector<std::int32_t> physical(ids.size());
    lplb::remap(placement, table, ids, physical);
    ASSERT_EQ(remap_on_gpu(placement, widened(ids), table.tokens, top_k),
              layout_of(placement, widened(physical), top_k));
    ASSERT_EQ(remap_on_gpu(placement, ids, table.tokens, top_k), layout_of(placement, physical, top_k));
  }
};

TEST_F(RemapCuda, EqualsTheCpuOnRandomPlacements) {
  const int num_placements = testing::how_many({.of = "placements", .full = 300, .few = 8});
  for (int index = 0; index < num_placements; ++index) {
    Rng rng = testing::seeded(421, index);
    const Placement placement =
        testing::random_detail::random_placement(rng, {.max_ranks = 40, .max_slots_per_rank = 6});
    const int top_k = 1 + static_cast<int>(rng.below(9));
    const std::size_t num_tokens = rng.below(index % 10 == 0 ? 4000 : 300);
    const auto ids = random_topk(rng, num_tokens * top_k, placement.num_logical(), kBatchStyles[index % 4]);
    SCOPED_TRACE("seed 421, index " + std::to_string(index));
    expect_equal(rng, placement, ids, top_k);
    if (HasFatalFailure()) {
      return;
    }
  }
}

TEST_F(RemapCuda, EqualsTheCpuOnNamedCases) {
  const int num_tokens = testing::how_many({.of = "tokens", .full = 4096, .few = 512});
  for (const testing::NamedCase& named : testing::named_cases()) {
    const Placement placement = testing::place_and_draw(named, 1, 0, 422).front().placement;
    Rng rng(423);
    SCOPED_TRACE(named.name);
    for (const BatchStyle style : testing::repeated_styles()) {
      expect_equal(rng, placement, random_topk(rng, num_tokens * 8, named.num_experts, style), 8);
    }
  }
}

TEST_F(RemapCuda, EqualsTheCpuOnLargeBatches) {
  const int num_tokens = testing::how_many({.of = "tokens", .full = 100'000, .few = 2'000});
  std::vector<std::int32_t> phy2log(2048);
  for (int p = 0; p < 2048; ++p) {
    phy2log[p] = p % 1024;
  }
  const Placement largest(phy2log, 1024, 128, 16);
  const Placement one(std::vector<std::int32_t>(64, 0), 1, 64, 8);
  Rng rng(424);
  for (const BatchStyle style : {BatchStyle::kUniform, BatchStyle::kOneExpert}) {
    expect_equal(rng, largest, random_topk(rng, num_tokens * 8, 1024, style), 8);
  }
  expect_equal(rng, one, random_topk(rng, num_tokens, 1, BatchStyle::kMostlyNone), 1);
}

TEST_F(RemapCuda, EqualsTheCpuWhereABlockHasTwoSlices) {
  const testing::NamedCase named = testing::named_cases()[1];
  const Placement placement = testing::place_and_draw(named, 1, 0, 426).front().placement;
  Rng rng(427);
  for (const int num_slices : {kMaxSlicesAlone + 1, kMaxSlicesAlone + 2}) {
    for (const int num_ids : {num_slices * kSliceIds, (num_slices - 1) * kSliceIds + 8}) {
      SCOPED_TRACE(std::to_string(num_ids) + " ids");
      expect_equal(rng, placement, random_topk(rng, num_ids, named.num_experts, BatchStyle::kSkewed), 8);
    }
  }
}

TEST_F(RemapCuda, PaddingAndBadIdsBecomeNone) {
  const Placement placement({0, 1, 2, 3, 3, 2, 1, kNone}, 4, 4);
  Rng rng(425);
  for (const int valid : {0, 1, 700, 1000}) {
    auto ids = widened(random_topk(rng, 2000, 4, BatchStyle::kUniform));
    std::vector<std::int64_t> clean = ids;
    std::fill(clean.begin() + 2 * valid, clean.end(), kNone);
    for (std::size_t i = 5; i < ids.size(); i += 37) {
      constexpr std::int64_t kBad[] = {4, -2, INT64_MAX, INT64_MIN, (std::int64_t{1} << 32) + 1};
      ids[i] = kBad[i % 5];
      clean[i] = kNone;
    }
    std::vector<Tokens> counts(4);
    lplb::count_tokens(clean, counts);
    const SourceTable table{.source_rank = 0, .proportional = false, .tokens = random_table(rng, placement, counts)};
    std::vector<std::int64_t> physical(ids.size());
    lplb::remap(placement, table, clean, physical);
    const DeviceBuffer<std::int32_t> num_valid(std::vector<std::int32_t>{valid});
    DeviceBuffer<std::int32_t> status(1);
    EXPECT_EQ(remap_on_gpu(placement, ids, table.tokens, 2, num_valid.data(), status.data()),
              layout_of(placement, physical, 2));
    EXPECT_EQ(status.download()[0], valid > 2 ? kStatusBadId : 0);
    EXPECT_EQ(remap_on_gpu(placement, ids, table.tokens, 2, num_valid.data()), layout_of(placement, physical, 2));
  }
}

TEST_F(RemapCuda, TablesOfOtherBatchesStayInsideTheirExperts) {
  const Placement placement({0, 1, 1, 0}, 2, 2);
  const std::vector<std::int32_t> ids = {0, 1, 0, 1, 1, 1, 0};
  for (const std::vector<Tokens>& table : {std::vector<Tokens>{0, 0, 0, 0}, {1, 0, 1, 0}, {900, 900, 900, 900}}) {
    const auto physical = remap_on_gpu(placement, ids, table, 1).physical;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      ASSERT_TRUE(physical[i] >= 0 && physical[i] < 4);
      EXPECT_EQ(placement.phy2log()[physical[i]], ids[i]);
    }
  }
}

TEST_F(RemapCuda, ErrorsNameTheArgument) {
  const DevicePlacement placement(Placement({0, 1, 1, kNone}, 2, 2));
  DeviceBuffer<std::int32_t> memory(64);
  DeviceBuffer<std::byte> workspace(routing_workspace_bytes(6, 2));
  const auto error = [&](std::size_t physical, std::size_t table, std::size_t in_rank) {
    return message_of([&] {
      remap(placement,
            RemapArgs<std::int32_t>{
                .routing = {.topk_idx = memory.span().first(6), .top_k = 2},
                .table = memory.span().first(table),
                .workspace = workspace.span(),
                .physical = memory.span().last(physical),
                .layout = {.num_tokens_per_rank = {},
                           .num_tokens_per_expert = {},
                           .is_token_in_rank = {reinterpret_cast<std::uint8_t*>(memory.data()), in_rank}}},
            stream());
    });
  };
  EXPECT_EQ(error(6, 4, 0), "no error");
  EXPECT_EQ(error(5, 4, 0), "[remap] physical has 5 entries; topk_idx has 6");
  EXPECT_EQ(error(6, 3, 0), "[remap] table has 3 entries; it must have one for each of the 4 physical experts");
  EXPECT_EQ(error(6, 4, 3), "[remap] the layout has 0, 0 and 3 entries; it must have [2], [4] and [3, 2]");
  synchronize();
}

}  // namespace
}  // namespace lplb::cuda
