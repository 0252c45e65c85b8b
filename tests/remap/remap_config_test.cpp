// Shared memory of the remapping kernels.

#include "remap/remap_config.h"

#include <gtest/gtest.h>

namespace lplb::cuda {
namespace {

TEST(RemapConfig, SharedMemoryOfTheUsualAndTheLargestShape) {
  EXPECT_EQ(remap_shared_bytes(256, 320), 16U * 320 + 40U * 256);
  constexpr std::size_t kSm80BlockLimit = 163 * 1024;
  EXPECT_LE(remap_shared_bytes(1024, 2048), kSm80BlockLimit);
}

TEST(RemapConfig, ABitForEveryRank) {
  EXPECT_EQ(layout_words(1), 1);
  EXPECT_EQ(layout_words(32), 1);
  EXPECT_EQ(layout_words(33), 2);
}

}  // namespace
}  // namespace lplb::cuda
