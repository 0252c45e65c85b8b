#pragma once

// The shape of the launch that apportions and remaps. A pure function, tested without a GPU.

#include <cstddef>
#include <cstdint>

#include "apportion/apportion_config.h"
#include "model/copy_lanes.h"
#include "remap/remap_config.h"

namespace lplb::cuda {

inline constexpr int kTableWarps = 8;  // that make the table, behind those that rank ids
inline constexpr int kTableThreads = 32 * kTableWarps;
inline constexpr int kFusedThreads = kRemapThreads + kTableThreads;
/// With more slices, blocks come in several waves, each of which would make the table again.
inline constexpr int kMaxFusedSlices = 128;
/// What all blocks together may read of the counts, each the whole of them.
inline constexpr std::size_t kMaxFusedReads = 8 << 20;

struct FusedShape {
  int num_logical;
  int num_physical;
  int num_ranks;
};

struct FusedConfig {
  int num_blocks = 0;  // 0 = two launches are better
  std::size_t shared_bytes = 0;
};

constexpr std::size_t align_to_16(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

constexpr std::size_t counts_bytes(const FusedShape& shape) {
  return sizeof(std::int32_t) * shape.num_ranks * shape.num_logical;
}

/// Words in which a wide expert is matched; there is none where no expert can have so many copies.
constexpr int wide_words(const FusedShape& shape) {
  const int max_copies = shape.num_physical - shape.num_logical + 1;
  return max_copies > kMatchLanes ? apportion_warp_words(max_copies, shape.num_ranks) : 0;
}

/// A slice's, the counts, and a wide expert.
constexpr std::size_t fused_shared_bytes(const FusedShape& shape) {
  return align_to_16(slice_bytes(shape.num_logical, shape.num_physical)) + align_to_16(counts_bytes(shape)) +
         sizeof(std::int32_t) * wide_words(shape);
}

/// `max_bytes`: shared memory of a block.
constexpr FusedConfig choose_fused_config(const FusedShape& shape, int num_slices, std::size_t max_bytes) {
  const std::size_t bytes = fused_shared_bytes(shape);
  if (num_slices > kMaxFusedSlices || bytes > max_bytes || num_slices * counts_bytes(shape) > kMaxFusedReads) {
    return {};
  }
  return {.num_blocks = num_slices, .shared_bytes = bytes};
}

}  // namespace lplb::cuda
