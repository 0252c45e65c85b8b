#pragma once

// The shape of the launch that apportions and remaps. A pure function, tested without a GPU.

#include <cstddef>
#include <cstdint>

#include "remap/remap_config.h"

namespace lplb::cuda {

inline constexpr int kTableWarps = 8;  // that make the table, behind those that rank ids
inline constexpr int kTableThreads = 32 * kTableWarps;
inline constexpr int kFusedThreads = kRemapThreads + kTableThreads;
/// With more slices, blocks come in several waves, each of which would make the table again.
inline constexpr int kMaxFusedSlices = 128;
inline constexpr std::size_t kMaxFusedBytes = 96 << 10;

struct FusedShape {
  int num_logical;
  int num_physical;
  int num_ranks;
};

struct FusedConfig {
  int num_blocks = 0;  // 0 = two launches are better
  int cluster_size = 1;
  std::size_t shared_bytes = 0;
};

constexpr std::size_t align_16(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

/// Experts with several copies of which a block makes the table.
constexpr int max_own_experts(int max_shared, int cluster_size) {
  return (max_shared + cluster_size - 1) / cluster_size;
}

/// Remap's, and for the table nine words a copy, one an expert with several copies, and for each such expert of the
/// block two a source.
constexpr std::size_t fused_shared_bytes(const FusedShape& shape, int cluster_size) {
  constexpr std::size_t kWordsPerCopy = 9;
  const std::size_t max_shared = shape.num_physical - shape.num_logical;
  const std::size_t own = max_own_experts(static_cast<int>(max_shared), cluster_size);
  return align_16(remap_shared_bytes(shape.num_logical, shape.num_physical)) +
         sizeof(std::int32_t) * (kWordsPerCopy * shape.num_physical + max_shared + own * (2 * shape.num_ranks + 1));
}

/// `max_cluster`: a power of two, blocks that a cluster of this device may have.
constexpr FusedConfig choose_fused_config(const FusedShape& shape, int num_slices, int max_cluster) {
  int cluster = 1;
  while (cluster < max_cluster && cluster < num_slices) {
    cluster *= 2;
  }
  const std::size_t bytes = fused_shared_bytes(shape, cluster);
  if (num_slices > kMaxFusedSlices || bytes > kMaxFusedBytes) {
    return {};
  }
  return {.num_blocks = (num_slices + cluster - 1) / cluster * cluster, .cluster_size = cluster, .shared_bytes = bytes};
}

}  // namespace lplb::cuda
