#pragma once

// How a batch of ids is cut for counting and remapping. Remapping gives token j of an expert its copy, so each slice of
// ids must know how many tokens of every expert come before it. Counting leaves that as a sum of rows: of the slice
// within its block, of the block within its cluster, and the sums of all clusters, of which a slice adds the earlier.

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace lplb::cuda {

inline constexpr int kMaxCudaLogical = 1024;
inline constexpr int kMaxCudaPhysical = 2048;
inline constexpr int kMaxCudaRanks = 1024;

/// Ids that one block of the remapping kernel owns.
inline constexpr int kSliceIds = 1024;
/// Slices that a block of the counting kernel has in flight.
inline constexpr int kSlicesInFlight = 4;
inline constexpr int kMaxClusters = 16;    // each slice reads their sums
inline constexpr int kMaxClusterSize = 8;  // what every device with clusters can run
inline constexpr int kMaxLoneBlocks = 32;  // of devices without clusters

struct Slices {
  int num_slices = 1;
  int slices_per_block = kSlicesInFlight;
  int num_blocks = 1;    // of the counting kernel; a multiple of cluster_size
  int cluster_size = 1;  // 1 before Hopper
  constexpr int num_clusters() const { return num_blocks / cluster_size; }
};

/// `num_ids` >= 0; `compute_capability` 10 * major + minor. An empty batch is one empty slice.
constexpr Slices choose_slices(std::int64_t num_ids, int compute_capability) {
  const std::int64_t num_slices = std::max<std::int64_t>(1, (num_ids + kSliceIds - 1) / kSliceIds);
  const bool has_clusters = compute_capability >= 90;
  const int max_blocks = has_clusters ? kMaxClusters * kMaxClusterSize : kMaxLoneBlocks;
  const std::int64_t wanted = (num_slices + max_blocks - 1) / max_blocks;
  const std::int64_t per_block =
      std::max<std::int64_t>(kSlicesInFlight, (wanted + kSlicesInFlight - 1) / kSlicesInFlight * kSlicesInFlight);
  const std::int64_t blocks = (num_slices + per_block - 1) / per_block;
  std::int64_t cluster = 1;
  while (has_clusters && cluster < kMaxClusterSize && cluster < blocks) {
    cluster *= 2;
  }
  return {.num_slices = static_cast<int>(num_slices),
          .slices_per_block = static_cast<int>(per_block),
          .num_blocks = static_cast<int>((blocks + cluster - 1) / cluster * cluster),
          .cluster_size = static_cast<int>(cluster)};
}

/// The rows in device memory, and where clusters add up their sums. All zeros before the first use.
struct SliceRows {
  std::uint64_t* totals = nullptr;  // [E] tokens, and 2^32 for each cluster that has added its own; 0 between launches
  std::int32_t* cluster_sum = nullptr;  // [num_clusters, E] tokens of the expert in the cluster
  std::int32_t* block_row = nullptr;    // [num_blocks, E] in the blocks of the cluster before
  std::int32_t* slice_row = nullptr;    // [num_slices, E] in the slices of the block before
};

constexpr std::size_t slice_rows_bytes(const Slices& slices, int num_logical) {
  const std::size_t num_rows = static_cast<std::size_t>(slices.num_clusters()) + slices.num_blocks + slices.num_slices;
  return (sizeof(std::uint64_t) + sizeof(std::int32_t) * num_rows) * num_logical;
}

inline SliceRows slice_rows(std::byte* workspace, const Slices& slices, int num_logical) {
  const std::size_t row = num_logical;
  SliceRows rows{.totals = reinterpret_cast<std::uint64_t*>(workspace)};
  rows.cluster_sum = reinterpret_cast<std::int32_t*>(rows.totals + row);
  rows.block_row = rows.cluster_sum + row * slices.num_clusters();
  rows.slice_row = rows.block_row + row * slices.num_blocks;
  return rows;
}

}  // namespace lplb::cuda
