#pragma once

// The shape of the apportioning kernel's launch.

#include <cstddef>
#include <cstdint>

namespace lplb::cuda {

/// 32-bit words of shared memory in which a warp keeps one expert: nine a copy, two a rank. A multiple of four, so that
/// each warp's part begins at one of 16 bytes.
constexpr int apportion_warp_words(int max_copies, int num_ranks) {
  return (9 * max_copies + 1 + 2 * num_ranks + 1 + 3) / 4 * 4;
}

struct ApportionConfig {
  int num_blocks;
  int warps_per_block;
  std::size_t shared_bytes;
};

/// Few warps a block spread the experts over the multiprocessors; where ranks and copies are many, one warp alone.
constexpr ApportionConfig choose_apportion_config(int num_logical, int num_physical, int num_ranks) {
  const std::size_t warp_bytes = sizeof(std::int32_t) * apportion_warp_words(num_physical - num_logical + 1, num_ranks);
  const int warps = 4 * warp_bytes <= 48 * 1024 ? 4 : 1;
  return {.num_blocks = num_logical / warps + 1,  // at least one warp has no expert: it clears the empty slots
          .warps_per_block = warps,
          .shared_bytes = warps * warp_bytes};
}

}  // namespace lplb::cuda
