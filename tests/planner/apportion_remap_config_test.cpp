// The shape of the launch that apportions and remaps, without a GPU.

#include "planner/apportion_remap_config.h"

#include <gtest/gtest.h>

namespace lplb::cuda {
namespace {

constexpr FusedShape kEp64{.num_logical = 256, .num_physical = 320, .num_ranks = 64};

constexpr std::size_t kHopperBlockLimit = 227 << 10;

TEST(ApportionRemapConfig, ABlockASlice) {
  const FusedConfig config = choose_fused_config(kEp64, 32, kHopperBlockLimit);
  EXPECT_EQ(config.num_blocks, 32);
  EXPECT_EQ(config.shared_bytes, fused_shared_bytes(kEp64));
  EXPECT_EQ(choose_fused_config(kEp64, 1, kHopperBlockLimit).num_blocks, 1);
  EXPECT_EQ(choose_fused_config(kEp64, kMaxFusedSlices, kHopperBlockLimit).num_blocks, kMaxFusedSlices);
}

TEST(ApportionRemapConfig, OnlyExpertsThatMayBeWideNeedMemory) {
  EXPECT_EQ(wide_words({.num_logical = 256, .num_physical = 287, .num_ranks = 8}), 0);
  EXPECT_EQ(wide_words({.num_logical = 256, .num_physical = 288, .num_ranks = 8}), apportion_warp_words(33, 8));
}

TEST(ApportionRemapConfig, LargeBatchesAndManyCountsTakeTwoLaunches) {
  constexpr FusedShape kEp128{.num_logical = 256, .num_physical = 384, .num_ranks = 128};
  constexpr FusedShape kEp256{.num_logical = 256, .num_physical = 512, .num_ranks = 256};
  constexpr std::size_t kSm80BlockLimit = 163 << 10;
  EXPECT_EQ(choose_fused_config(kEp64, kMaxFusedSlices + 1, kHopperBlockLimit).num_blocks, 0);
  EXPECT_EQ(choose_fused_config(kEp128, 64, kSm80BlockLimit).num_blocks, 64);
  EXPECT_EQ(choose_fused_config(kEp128, 65, kHopperBlockLimit).num_blocks, 0);
  EXPECT_EQ(choose_fused_config(kEp256, 1, kHopperBlockLimit).num_blocks, 0);
}

}  // namespace
}  // namespace lplb::cuda
