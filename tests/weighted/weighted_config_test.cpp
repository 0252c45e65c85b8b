// Threads and shared memory of the CUDA launch, without a GPU.

#include "weighted/weighted_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/expect_throw.h"
#include "support/named_instances.h"

namespace lplb::weighted {
namespace {

constexpr int kHopperBytes = 227 << 10;

ImageHeader header_of(const std::string& name, bool one_block) {
  for (const lplb::testing::NamedCase& named : lplb::testing::named_cases()) {
    if (named.name == name) {
      const Placement placement = lplb::testing::place_and_draw(named, 1, 0, 1)[0].placement;
      const std::vector<double> time(named.num_ranks, 1);
      return make_image(placement, {.time_per_token = time}, one_block).header;
    }
  }
  throw std::invalid_argument(name);
}

TEST(WeightedConfig, EveryElementHasAThread) {
  for (const lplb::testing::NamedCase& named : lplb::testing::named_cases()) {
    for (const bool one_block : {false, true}) {
      for (const int threads : {0, 32, 128, 512}) {
        const ImageHeader header = header_of(named.name, one_block);
        const WeightedConfig config = choose_weighted_config(header, kHopperBytes, threads);
        EXPECT_TRUE(config.tile == 0 || config.tile * config.num_threads >= header.num_elements) << named.name;
        EXPECT_LE(config.shared_bytes, kHopperBytes);
        EXPECT_GE(config.shared_bytes, 8 * memory_doubles(header, config.num_threads));
      }
    }
  }
}

TEST(WeightedConfig, SmallModelsHaveTheirImageInSharedMemory) {
  EXPECT_TRUE(choose_weighted_config(header_of("cube_8x2", false), kHopperBytes).stages_image);
  EXPECT_FALSE(choose_weighted_config(header_of("512_1024_128", true), kHopperBytes).stages_image);
}

TEST(WeightedConfig, RefusesWhatDoesNotFit) {
  const ImageHeader header = header_of("512_1024_128", true);
  EXPECT_THAT(lplb::testing::invalid_argument_of([&] { choose_weighted_config(header, 99 << 10); }),
              ::testing::AllOf(::testing::HasSubstr("[cuda::solve_weighted]"),
                               ::testing::HasSubstr("a block of this device has 101376")));
  EXPECT_THAT(lplb::testing::invalid_argument_of([&] { choose_weighted_config(header, kHopperBytes, 48); }),
              ::testing::HasSubstr("num_threads (48) must be 0 or a multiple of 32 up to 512"));
}

}  // namespace
}  // namespace lplb::weighted
