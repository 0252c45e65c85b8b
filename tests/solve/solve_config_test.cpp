// The shape of a launch: small blocks for many splits, everything in shared memory while it fits, nothing overlaps.

#include "solve/solve_config.h"

#include <gtest/gtest.h>

namespace lplb::cuda {
namespace {

constexpr SolveShape kEp64 = {.num_logical = 256,
                              .num_physical = 320,
                              .num_ranks = 64,
                              .num_splits = 1,
                              .image_words = 4'000,
                              .amount_words = 1'000,
                              .class_words = 160,
                              .max_shared_bytes = 227 << 10};

TEST(SolveConfig, OneSplitTakesManyThreadsAndManySplitsFew) {
  SolveShape shape = kEp64;
  EXPECT_EQ(choose_solve_config(shape).num_blocks, 1);
  EXPECT_EQ(choose_solve_config(shape).num_threads, kThreadsOfFew);
  shape.num_splits = 10'000;
  EXPECT_EQ(choose_solve_config(shape).num_blocks, 10'000);
  EXPECT_EQ(choose_solve_config(shape).num_threads, 128);
  shape.num_ranks = 8;
  EXPECT_EQ(choose_solve_config(shape).num_threads, 64);
}

TEST(SolveConfig, WhatDoesNotFitGoesToTheWorkspace) {
  SolveShape shape = kEp64;
  EXPECT_TRUE(choose_solve_config(shape).layout.in_shared);
  EXPECT_EQ(choose_solve_config(shape).layout.spill_words, 0);
  shape.image_words = 100'000;
  const SolveConfig config = choose_solve_config(shape);
  EXPECT_FALSE(config.layout.in_shared);
  EXPECT_EQ(config.layout.spill_words, 1'000);
  EXPECT_LT(config.shared_bytes, 227U << 10);
}

TEST(SolveConfig, PartsOfSharedMemoryFollowEachOther) {
  const SolveConfig config = choose_solve_config(kEp64);
  const SolveLayout& layout = config.layout;
  EXPECT_GE(layout.shares, kCountsBegin + 257 + 64 + 160);
  EXPECT_GE(layout.load, layout.shares + 64);
  EXPECT_GE(layout.in_bottleneck, layout.load + 64);
  EXPECT_GE(layout.scratch, layout.in_bottleneck + 64);
  EXPECT_GE(layout.amounts, layout.scratch + layout.scratch_stride * kThreadsOfFew / 32);
  EXPECT_GE(layout.image, layout.amounts + 1'000);
  EXPECT_EQ(layout.image % 4, 0);
  EXPECT_EQ(config.shared_bytes, 4U * (layout.image + 4'000));
}

}  // namespace
}  // namespace lplb::cuda
