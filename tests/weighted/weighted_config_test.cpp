// Threads and shared memory of the CUDA launch, without a GPU.

#include "weighted/weighted_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/expect_throw.h"
#include "support/named_instances.h"

namespace lplb::weighted {
namespace {

constexpr int kHopperBytes = 227 << 10;
constexpr double kTolerance = 1e-4;

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

TEST(WeightedConfig, EveryPartOfARowHasAThread) {
  for (const lplb::testing::NamedCase& named : lplb::testing::named_cases()) {
    for (const bool one_block : {false, true}) {
      for (const int threads : {0, 32, 128, 512}) {
        const ImageHeader header = header_of(named.name, one_block);
        const WeightedConfig config = choose_weighted_config(header, kTolerance, kHopperBytes, threads);
        EXPECT_LE(config.num_lead, config.num_threads);
        EXPECT_LE(config.shared_bytes, kHopperBytes);
        EXPECT_EQ(config.layout.pivot_row % 2, 0);  // at 16 bytes
        if (config.chunk != 0) {
          EXPECT_GE(config.chunk << config.chunk_bits, header.num_steps) << named.name;
          EXPECT_GE(config.num_lead, header.num_rows << config.chunk_bits) << named.name;
          EXPECT_GE(config.shared_bytes, config.image_offset + 4 * header.num_words);
        }
      }
    }
  }
}

TEST(WeightedConfig, SmallModelsAreSolvedByOneWarp) {
  for (const char* name : {"cube_8x2", "hypercube_16x2"}) {
    const WeightedConfig config = choose_weighted_config(header_of(name, false), kTolerance, kHopperBytes);
    EXPECT_EQ(config.num_lead, 32);
    EXPECT_EQ(config.num_threads, 128);
    EXPECT_EQ(config.chunk_bits, 0);
  }
  EXPECT_EQ(choose_weighted_config(header_of("cube_8x2", false), kTolerance, kHopperBytes).chunk, 8);
  EXPECT_EQ(choose_weighted_config(header_of("hypercube_16x2", false), kTolerance, kHopperBytes).chunk, 16);
}

TEST(WeightedConfig, TheMatrixStaysInMemoryWhereThreadsDoNotSuffice) {
  EXPECT_EQ(choose_weighted_config(header_of("512_1024_128", true), kTolerance, kHopperBytes, 128).chunk, 0);
  EXPECT_NE(choose_weighted_config(header_of("256_512_64", true), kTolerance, kHopperBytes).chunk, 0);
}

TEST(WeightedConfig, RefusesWhatDoesNotFit) {
  const ImageHeader header = header_of("512_1024_128", true);
  EXPECT_THAT(lplb::testing::invalid_argument_of([&] { choose_weighted_config(header, kTolerance, 99 << 10); }),
              ::testing::AllOf(::testing::HasSubstr("[cuda::solve_weighted]"),
                               ::testing::HasSubstr("a block of this device has 101376")));
  EXPECT_THAT(lplb::testing::invalid_argument_of([&] { choose_weighted_config(header, kTolerance, kHopperBytes, 48); }),
              ::testing::HasSubstr("num_threads (48) must be 0 or a multiple of 32 up to 512"));
}

}  // namespace
}  // namespace lplb::weighted
