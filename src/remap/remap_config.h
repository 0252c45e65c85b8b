#pragma once

// Threads and shared memory of the remapping kernels.

#include <cstddef>
#include <cstdint>

namespace lplb::cuda {

inline constexpr int kRemapThreads = 512;

/// With more slices a block of the remapping kernel owns two.
inline constexpr int kMaxSlicesAlone = 256;

/// Tokens that one block of the layout kernel owns.
inline constexpr int kLayoutTokens = 32;
inline constexpr int kLayoutThreads = 256;

/// Words of four warps' histograms of bytes, for each expert.
inline constexpr int kHistogramWords = kRemapThreads / 32 / 4;

/// For each logical expert a byte a warp, and two words of tokens before it; for each physical one its share.
constexpr std::size_t slice_bytes(int num_logical, int num_physical) {
  constexpr std::size_t kShareBytes = 8;
  return sizeof(std::uint32_t) * (kHistogramWords + 2) * num_logical + kShareBytes * num_physical;
}

/// For each token of the block one bit a rank, in words.
constexpr int layout_words(int num_ranks) { return (num_ranks + 31) / 32; }

}  // namespace lplb::cuda
