// How batches are cut: every id is in one slice, every slice in one block, and no shape needs more than was promised.

#include "cuda/slices.h"

#include <gtest/gtest.h>

#include <vector>

namespace lplb::cuda {
namespace {

TEST(Slices, CoverEveryBatch) {
  for (const int compute_capability : {80, 90, 100}) {
    for (const std::int64_t num_ids : {0L, 1L, 1024L, 1025L, 32768L, 32769L, 524288L, 524289L, 800000L, 2147483647L}) {
      const Slices slices = choose_slices(num_ids, compute_capability);
      EXPECT_GE(static_cast<std::int64_t>(slices.num_slices) * kSliceIds, num_ids);
      EXPECT_GE(static_cast<std::int64_t>(slices.num_blocks) * slices.slices_per_block, slices.num_slices);
      EXPECT_EQ(slices.slices_per_block % kSlicesInFlight, 0);
      EXPECT_EQ(slices.num_blocks % slices.cluster_size, 0);
      EXPECT_LE(slices.num_clusters(), compute_capability < 90 ? kMaxLoneBlocks : kMaxClusters);
      EXPECT_LE(slices.cluster_size, compute_capability < 90 ? 1 : kMaxClusterSize);
    }
  }
}

TEST(Slices, OfTheUsualBatches) {
  const Slices decode = choose_slices(128 * 8, 90);
  EXPECT_EQ(decode.num_slices, 1);
  EXPECT_EQ(decode.num_blocks, 1);
  const Slices prefill = choose_slices(4096 * 8, 90);
  EXPECT_EQ(prefill.num_slices, 32);
  EXPECT_EQ(prefill.num_blocks, 8);
  EXPECT_EQ(prefill.num_clusters(), 1);
  const Slices large = choose_slices(65536 * 8, 90);
  EXPECT_EQ(large.num_blocks, 128);
  EXPECT_EQ(large.num_clusters(), 16);
}

TEST(Slices, RowsDoNotOverlap) {
  const Slices slices = choose_slices(65536 * 8, 90);
  std::vector<std::byte> workspace(slice_rows_bytes(slices, 256));
  const SliceRows rows = slice_rows(workspace.data(), slices, 256);
  EXPECT_EQ(rows.block_row - rows.cluster_sum, 256 * slices.num_clusters());
  EXPECT_EQ(rows.slice_row - rows.block_row, 256 * slices.num_blocks);
  EXPECT_EQ(reinterpret_cast<std::byte*>(rows.slice_row + 256 * slices.num_slices),
            workspace.data() + workspace.size());
}

}  // namespace
}  // namespace lplb::cuda
