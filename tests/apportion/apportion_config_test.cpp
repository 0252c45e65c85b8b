// The launch of the apportioning kernel: a warp for every expert and one more, and shared memory that needs no
// permission.

#include "apportion/apportion_config.h"

#include <gtest/gtest.h>

namespace lplb::cuda {
namespace {

TEST(ApportionConfig, FitsEveryShape) {
  for (const int num_ranks : {1, 8, 64, 128, 1024}) {
    for (const int num_logical : {1, 16, 256, 1024}) {
      for (const int num_physical : {num_logical, num_logical + num_ranks, 2048}) {
        const ApportionConfig config = choose_apportion_config(num_logical, num_physical, num_ranks);
        EXPECT_GT(config.num_blocks * config.warps_per_block, num_logical);
        EXPECT_LE(config.shared_bytes, 96U * 1024U);
        EXPECT_EQ(apportion_warp_words(num_physical - num_logical + 1, num_ranks) % 4, 0);
      }
    }
  }
}

}  // namespace
}  // namespace lplb::cuda
