#pragma once

// Which ranks each token goes to, from the physical ids: DeepEP's get_dispatch_layout.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "cuda/launch.cuh"
#include "cuda/placement.cuh"
#include "lplb/cuda_remap.h"
#include "remap/remap_config.h"

namespace lplb::cuda {

template <class Id>
struct LayoutParams {
  const Id* physical;  // [T, K]
  std::int32_t num_tokens;
  std::int32_t top_k;
  std::int32_t num_ranks;
  std::int32_t slots_per_rank;
  Tokens* num_tokens_per_rank;     // [G], zero before
  std::uint8_t* is_token_in_rank;  // [T, G]
};

/// A block owns 32 tokens: it collects their ranks as bits in shared memory (4 G bytes), then writes a byte a token and
/// rank, and adds the columns. Floor: launch, one round trip to the ids, and T G bytes of stores.
template <class Id>
__global__ void __launch_bounds__(kLayoutThreads) dispatch_layout_kernel(const LayoutParams<Id> p) {
  extern __shared__ std::uint32_t ranks_of_token[];  // [kLayoutTokens, words]
  const int words = layout_words(p.num_ranks);
  const int first = static_cast<int>(blockIdx.x) * kLayoutTokens;
  const int num_tokens = min(kLayoutTokens, p.num_tokens - first);
  for (int i = static_cast<int>(threadIdx.x); i < kLayoutTokens * words; i += kLayoutThreads) {
    ranks_of_token[i] = 0;
  }
  wait_for_previous();
  __syncthreads();
  const Id* const physical = p.physical + static_cast<std::int64_t>(first) * p.top_k;
  for (int i = static_cast<int>(threadIdx.x); i < num_tokens * p.top_k; i += kLayoutThreads) {
    if (physical[i] != kNone) {
      const int rank = static_cast<int>(physical[i]) / p.slots_per_rank;
      atomicOr(&ranks_of_token[i / p.top_k * words + rank / 32], 1U << (rank % 32));
    }
  }
  __syncthreads();
  std::uint8_t* const is_in_rank = p.is_token_in_rank + static_cast<std::int64_t>(first) * p.num_ranks;
  for (int i = static_cast<int>(threadIdx.x); i < num_tokens * p.num_ranks; i += kLayoutThreads) {
    const int rank = i % p.num_ranks;
    is_in_rank[i] = ranks_of_token[i / p.num_ranks * words + rank / 32] >> (rank % 32) & 1U;
  }
  for (int rank = static_cast<int>(threadIdx.x); rank < p.num_ranks; rank += kLayoutThreads) {
    Tokens tokens = 0;
    for (int t = 0; t < num_tokens; ++t) {
      tokens += static_cast<Tokens>(ranks_of_token[t * words + rank / 32] >> (rank % 32) & 1U);
    }
    if (tokens > 0) {
      atomicAdd(&p.num_tokens_per_rank[rank], tokens);
    }
  }
}

template <class Id>
void launch_dispatch_layout(const PlacementView& placement, const RemapArgs<Id>& args, Stream stream) {
  const auto num_tokens = static_cast<int>(args.physical.size()) / args.routing.top_k;
  launch("remap", dispatch_layout_kernel<Id>,
         {.num_blocks = std::max(1, (num_tokens + kLayoutTokens - 1) / kLayoutTokens),
          .num_threads = kLayoutThreads,
          .shared_bytes = sizeof(std::uint32_t) * kLayoutTokens * layout_words(placement.num_ranks),
          .overlaps_previous = true},
         stream,
         LayoutParams<Id>{.physical = args.physical.data(),
                          .num_tokens = num_tokens,
                          .top_k = args.routing.top_k,
                          .num_ranks = placement.num_ranks,
                          .slots_per_rank = placement.slots_per_rank,
                          .num_tokens_per_rank = args.layout.num_tokens_per_rank.data(),
                          .is_token_in_rank = args.layout.is_token_in_rank.data()});
}

}  // namespace lplb::cuda
