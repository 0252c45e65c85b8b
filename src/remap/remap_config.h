#pragma once

// Threads and shared memory of the remapping kernels.

#include <cstddef>
#include <cstdint>

#include "model/expert_place.h"

namespace lplb::cuda {

inline constexpr int kRemapThreads = 512;

/// With more slices a block of the remapping kernel owns two.
inline constexpr int kMaxSlicesAlone = 256;

/// Tokens that one block of the layout kernel owns.
inline constexpr int kLayoutTokens = 32;
inline constexpr int kLayoutThreads = 256;

/// Words of four warps' histograms of bytes, for each expert.
inline constexpr int kHistogramWords = kRemapThreads / 32 / 4;

/// Places and numbers of replicated experts.
constexpr std::size_t places_bytes(int num_logical, int num_physical) {
  return sizeof(ExpertPlace) * num_places(num_logical) +
         sizeof(std::uint16_t) * num_replicated_entries(num_logical, num_physical);
}

/// These; for each expert that may be replicated a byte a warp, and the tokens before it; for each physical one its
/// share.
constexpr std::size_t slice_bytes(int num_logical, int num_physical) {
  constexpr std::size_t kShareBytes = 8;
  return places_bytes(num_logical, num_physical) +
         sizeof(std::uint32_t) * (kHistogramWords + 1) * max_replicated(num_logical, num_physical) +
         kShareBytes * num_physical;
}

/// For each token of the block one bit a rank, in words.
constexpr int layout_words(int num_ranks) { return (num_ranks + 31) / 32; }

}  // namespace lplb::cuda
