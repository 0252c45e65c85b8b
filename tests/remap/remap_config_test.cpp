// Shared memory of the remapping kernels.

#include "remap/remap_config.h"

#include <gtest/gtest.h>

namespace lplb::cuda {
namespace {

TEST(RemapConfig, SharedMemoryOfTheUsualAndTheLargestShape) {
  EXPECT_EQ(slice_bytes(256, 320), 4U * 260 + 22U * 64 + 8U * 320);
  constexpr std::size_t kWithoutAsking = 48 * 1024;
  EXPECT_LE(slice_bytes(1024, 2048), kWithoutAsking);
}

TEST(RemapConfig, ABitForEveryRank) {
  EXPECT_EQ(layout_words(1), 1);
  EXPECT_EQ(layout_words(32), 1);
  EXPECT_EQ(layout_words(33), 2);
}

}  // namespace
}  // namespace lplb::cuda
