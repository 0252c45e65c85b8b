// The shape of the launch that apportions and remaps, without a GPU.

#include "planner/apportion_remap_config.h"

#include <gtest/gtest.h>

namespace lplb::cuda {
namespace {

constexpr FusedShape kEp64{.num_logical = 256, .num_physical = 320, .num_ranks = 64};

TEST(ApportionRemapConfig, AClusterSharesTheExperts) {
  const FusedConfig config = choose_fused_config(kEp64, 32, 8);
  EXPECT_EQ(config.num_blocks, 32);
  EXPECT_EQ(config.cluster_size, 8);
  EXPECT_EQ(max_own_experts(64, 8), 8);
  EXPECT_EQ(config.shared_bytes, fused_shared_bytes(kEp64, 8));
  EXPECT_LT(fused_shared_bytes(kEp64, 8), fused_shared_bytes(kEp64, 1));
}

TEST(ApportionRemapConfig, BlocksFillClusters) {
  EXPECT_EQ(choose_fused_config(kEp64, 1, 8).cluster_size, 1);
  EXPECT_EQ(choose_fused_config(kEp64, 3, 8).num_blocks, 4);
  EXPECT_EQ(choose_fused_config(kEp64, 9, 8).num_blocks, 16);
  EXPECT_EQ(choose_fused_config(kEp64, 9, 1).num_blocks, 9);
}

TEST(ApportionRemapConfig, LargeBatchesAndPlacementsTakeTwoLaunches) {
  EXPECT_EQ(choose_fused_config(kEp64, kMaxFusedSlices, 8).num_blocks, kMaxFusedSlices);
  EXPECT_EQ(choose_fused_config(kEp64, kMaxFusedSlices + 1, 8).num_blocks, 0);
  EXPECT_EQ(choose_fused_config({.num_logical = 1024, .num_physical = 2048, .num_ranks = 128}, 8, 8).num_blocks, 0);
}

}  // namespace
}  // namespace lplb::cuda
