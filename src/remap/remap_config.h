#pragma once

// Threads and shared memory of the remapping kernels.

#include <cstddef>
#include <cstdint>

namespace lplb::cuda {

inline constexpr int kRemapThreads = 512;

/// Tokens that one block of the layout kernel owns.
inline constexpr int kLayoutTokens = 32;
inline constexpr int kLayoutThreads = 256;

/// Entries of a warp's histogram: an even number, so that two can be added as one word.
constexpr int histogram_stride(int num_logical) { return (num_logical + 1) / 2 * 2; }

/// A 16-bit histogram a warp; for each physical expert a fraction, its tokens, slot and range; for each logical one two
/// words.
constexpr std::size_t remap_shared_bytes(int num_logical, int num_physical) {
  return sizeof(std::uint16_t) * kRemapThreads / 32 * histogram_stride(num_logical) +
         (sizeof(std::uint64_t) + 2 * sizeof(std::int32_t)) * num_physical + 2 * sizeof(std::int32_t) * num_logical;
}

/// For each token of the block one bit a rank, in words.
constexpr int layout_words(int num_ranks) { return (num_ranks + 31) / 32; }

}  // namespace lplb::cuda
