// Apportioning on the GPU gives the CPU's table: random placements with colocated copies, empty slots, dead ranks and
// nodes, every source; exact and proportional.

#include "lplb/apportion.h"

#include "lplb/cuda_apportion.h"
#include "lplb/solve.h"
#include "support/cuda_test.h"
#include "support/named_instances.h"
#include "support/plans.h"
#include "support/random_instance.h"
#include "support/repetitions.h"

namespace lplb::cuda {
namespace {

using testing::Instance;
using testing::message_of;

class ApportionCuda : public testing::CudaTest {
 protected:
  std::vector<Tokens> apportion_on_gpu(const Placement& placement, std::span<const Tokens> counts,
                                       std::span<const Tokens> quota, int source,
                                       std::span<const std::uint8_t> live = {}) {
    const DevicePlacement device_placement(placement);
    const DeviceBuffer<Tokens> device_counts(counts);
    const DeviceBuffer<Tokens> device_quota(quota);
    const DeviceBuffer<std::uint8_t> device_live(live);
    DeviceBuffer<Tokens> tokens(std::vector<Tokens>(placement.num_physical(), -7));
    apportion(device_placement,
              {.counts = device_counts.span(),
               .quota = device_quota.span(),
               .live = device_live.span(),
               .source_rank = source,
               .tokens = tokens.span()},
              stream());
    synchronize();
    return tokens.download();
  }

  /// Both tables of one source.
  void expect_equal(const Placement& placement, const std::vector<Tokens>& sources, const std::vector<Tokens>& quota,
                    int source, std::span<const std::uint8_t> live) {
    ASSERT_EQ(apportion_on_gpu(placement, sources, quota, source, live),
              apportion_source(placement, sources, quota, source).tokens)
        << "source " << source;
    const auto own = std::span<const Tokens>(sources).subspan(
        source * static_cast<std::size_t>(placement.num_logical()), placement.num_logical());
    if (placement.num_ranks() > 1) {
      ASSERT_EQ(apportion_on_gpu(placement, own, quota, source, live),
                apportion_proportional(placement, own, quota, source, live).tokens)
          << "proportional, source " << source;
    }
  }
};

TEST_F(ApportionCuda, EqualsTheCpuOnRandomInstances) {
  const int num_instances = testing::how_many({.of = "instances", .full = 400, .few = 20});
  for (int index = 0; index < num_instances; ++index) {
    Rng rng = testing::seeded(411, index);
    const Instance instance = testing::random_instance(rng, {.max_ranks = 24, .max_slots_per_rank = 6});
    const std::vector<Tokens> quota =
        split(instance.placement, instance.counts, instance.base_load, instance.live).quota;
    const std::vector<Tokens> sources = testing::random_sources(rng, instance);
    const int source = static_cast<int>(rng.below(instance.placement.num_ranks()));
    SCOPED_TRACE("seed 411, index " + std::to_string(index));
    expect_equal(instance.placement, sources, quota, source, instance.live);
    if (HasFatalFailure()) {
      return;
    }
  }
}

TEST_F(ApportionCuda, EqualsTheCpuOnNamedCases) {
  for (const testing::NamedCase& named : testing::named_cases()) {
    const testing::PlacedBatches placed = testing::place_and_draw(named, 1, 1, 412).front();
    Rng rng(413);
    const Instance instance{.placement = placed.placement, .counts = placed.batches[0], .base_load = {}, .live = {}};
    const std::vector<Tokens> sources = testing::random_sources(rng, instance);
    const std::vector<Tokens> quota = split(placed.placement, placed.batches[0]).quota;
    SCOPED_TRACE(named.name);
    for (const int source : {0, named.num_ranks / 2, named.num_ranks - 1}) {
      expect_equal(placed.placement, sources, quota, source, {});
    }
  }
}

TEST_F(ApportionCuda, OneExpertEverywhere) {
  const int num_ranks = 96;
  const Placement placement(std::vector<std::int32_t>(2 * num_ranks, 0), 1, num_ranks, 4);
  Rng rng(414);
  std::vector<Tokens> sources(num_ranks);
  Tokens total = 0;
  for (Tokens& tokens : sources) {
    tokens = static_cast<Tokens>(rng.below(1000));
    total += tokens;
  }
  const std::vector<Tokens> quota = split(placement, std::vector<Tokens>{total}).quota;
  for (int source = 0; source < num_ranks; source += 5) {
    expect_equal(placement, sources, quota, source, {});
  }
}

TEST_F(ApportionCuda, QuotasOfZeroDivideEvenlyOverLiveCopies) {
  const Placement placement({0, 0, 0, kNone}, 1, 4);
  const std::vector<Tokens> zero(4, 0);
  const std::vector<std::uint8_t> live = {1, 0, 1, 1};
  EXPECT_EQ(apportion_on_gpu(placement, std::vector<Tokens>{5}, zero, 0), (std::vector<Tokens>{2, 2, 1, 0}));
  EXPECT_EQ(apportion_on_gpu(placement, std::vector<Tokens>{5}, zero, 0, live), (std::vector<Tokens>{3, 0, 2, 0}));
}

TEST_F(ApportionCuda, ErrorsNameTheArgument) {
  const Placement placement({0, 1, 1, kNone}, 2, 2);
  const DevicePlacement device_placement(placement);
  DeviceBuffer<Tokens> memory(16);
  const auto error = [&](std::size_t counts, std::size_t quota, std::size_t tokens, int source) {
    return message_of([&] {
      apportion(device_placement,
                {.counts = memory.span().first(counts),
                 .quota = memory.span().first(quota),
                 .live = {},
                 .source_rank = source,
                 .tokens = memory.span().last(tokens)},
                stream());
    });
  };
  EXPECT_EQ(error(4, 4, 4, 0), "no error");
  EXPECT_EQ(error(3, 4, 4, 0), "[apportion] counts has 3 entries; it must be [2] or [2 source ranks, 2]");
  EXPECT_EQ(error(4, 4, 5, 0),
            "[apportion] quota and tokens have 4 and 5 entries; they must have one for each of the 4 physical experts");
  EXPECT_EQ(error(4, 4, 4, 2), "[apportion] source_rank (2) must be in 0..1");
  synchronize();
}

}  // namespace
}  // namespace lplb::cuda
