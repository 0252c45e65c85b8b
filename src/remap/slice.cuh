#pragma once

// A slice of ids in one block, up to where the results of other kernels are needed: what it keeps in shared memory, and
// the ranks of its ids among equal ids, in row-major order.

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/launch.cuh"
#include "cuda/placement.cuh"
#include "cuda/routing.cuh"
#include "cuda/slices.h"
#include "remap/remap_config.h"

namespace lplb::cuda {

inline constexpr int kWarps = kRemapThreads / 32;
inline constexpr int kRounds = kSliceIds / kRemapThreads;

/// Kernel argument.
template <class Id>
struct RemapParams {
  RoutingView<Id> routing;
  PlacementView placement;
  Slices slices;
  SliceRows rows;
  const Tokens* table;            // [P]
  Id* physical;                   // [num_ids]
  Tokens* num_tokens_per_rank;    // [G] to be zeroed, or null
  Tokens* num_tokens_per_expert;  // [P] to be filled, or null
};

/// One copy: its slot, and the end of its expert's copies.
struct alignas(4) CopyEnd {
  std::uint16_t slot;
  std::uint16_t end;
};

/// The slice's shared memory.
struct SliceMemory {
  std::uint16_t* warp_before;  // [kWarps, histogram_stride] tokens of the expert in earlier warps of the slice
  std::uint64_t* fraction;     // [P] of interleave_copy, by expert
  Tokens* tokens;              // [P] of the table, by expert
  std::int32_t* before;        // [E] tokens of the expert in earlier slices
  CopyRange* range;            // [E]
  CopyEnd* copy;               // [P] by expert
};

template <class Id>
__device__ SliceMemory slice_memory(const RemapParams<Id>& p, uint4* shared) {
  const int num_logical = p.placement.num_logical;
  const int num_physical = p.placement.num_physical;
  SliceMemory memory{.warp_before = reinterpret_cast<std::uint16_t*>(shared)};
  memory.fraction = reinterpret_cast<std::uint64_t*>(memory.warp_before + kWarps * histogram_stride(num_logical));
  memory.tokens = reinterpret_cast<Tokens*>(memory.fraction + num_physical);
  memory.before = memory.tokens + num_physical;
  memory.range = reinterpret_cast<CopyRange*>(memory.before + num_logical);
  memory.copy = reinterpret_cast<CopyEnd*>(memory.range + num_logical);
  return memory;
}

/// A thread's ids: of each round of its warp, one.
template <class Id>
struct ThreadIds {
  Id id[kRounds];
  std::int32_t expert[kRounds];  // kNone for padding and bad ids
  std::int32_t rank[kRounds];    // tokens of the expert before, in the warp
};

/// Position of the thread's id of round 0; that of round r is 32 r further.
__device__ inline std::int32_t first_position() {
  const auto thread = static_cast<std::int32_t>(threadIdx.x);
  return static_cast<std::int32_t>(blockIdx.x) * kSliceIds + thread / 32 * 32 * kRounds + thread % 32;
}

template <class Id>
__device__ void load_ids(const RemapParams<Id>& p, ThreadIds<Id>& ids) {
  const std::int32_t first = first_position();
  for (int round = 0; round < kRounds; ++round) {
    const std::int32_t position = first + 32 * round;
    ids.id[round] = position < p.routing.num_ids ? p.routing.topk_idx[position] : Id{kNone};
  }
}

/// What of the placement the slice needs.
template <class Id>
__device__ void load_placement(const RemapParams<Id>& p, const SliceMemory& memory) {
  const int num_logical = p.placement.num_logical;
  const int num_physical = p.placement.num_physical;
  // Experts and copies of one round are loaded together: one trip to L2.
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < num_physical; i += kRemapThreads) {
    const Copy copy = p.placement.copies[i];
    if (i < num_logical) {
      memory.range[i] = p.placement.ranges[i];
    }
    memory.copy[i] = {.slot = copy.slot, .end = copy.end};
  }
}

/// Experts of the ids; whether a valid token had a bad one.
template <class Id>
__device__ bool find_experts(const RemapParams<Id>& p, ThreadIds<Id>& ids) {
  const std::int32_t num_valid = num_valid_ids(p.routing);
  bool bad = false;
  for (int round = 0; round < kRounds; ++round) {
    const bool is_valid = first_position() + 32 * round < num_valid;
    ids.expert[round] = is_valid ? expert_of(p.routing, ids.id[round]) : kNone;
    bad |= is_valid && is_bad(p.routing, ids.id[round]);
  }
  return bad;
}

/// Lanes with the same expert, of each round; 0 where there is none. A ballot a bit of the id: the instruction that
/// matches whole words takes four times as long as soon as a few warps use it.
template <class Id>
__device__ void find_peers(const ThreadIds<Id>& ids, int num_logical, unsigned (&peers)[kRounds]) {
  for (int round = 0; round < kRounds; ++round) {
    peers[round] = __ballot_sync(kAllLanes, ids.expert[round] != kNone);
  }
  for (int bit = 1; bit < num_logical; bit *= 2) {
    for (int round = 0; round < kRounds; ++round) {
      const bool is_set = (ids.expert[round] & bit) != 0;
      const unsigned with_bit = __ballot_sync(kAllLanes, is_set);
      peers[round] &= is_set ? with_bit : ~with_bit;
    }
  }
}

/// All warps' histograms, by the whole block.
__device__ inline void zero_histograms(uint4* histograms, int stride) {
  constexpr int kEntries = sizeof(uint4) / sizeof(std::uint16_t);
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < kWarps * stride / kEntries; i += kRemapThreads) {
    histograms[i] = {};
  }
}

/// Ranks in the warp, in row-major order; leaves the warp's histogram in `histogram` [E].
template <class Id>
__device__ void rank_in_warp(ThreadIds<Id>& ids, int num_logical, std::uint16_t* histogram) {
  const unsigned lanes_before = (1U << (threadIdx.x % 32)) - 1;
  unsigned peers[kRounds];
  find_peers(ids, num_logical, peers);
  for (int round = 0; round < kRounds; ++round) {
    const std::int32_t expert = ids.expert[round];
    const int before = __popc(peers[round] & lanes_before);
    const int seen = expert == kNone ? 0 : histogram[expert];
    ids.rank[round] = seen + before;
    __syncwarp();
    if (expert != kNone && before == 0) {
      histogram[expert] = static_cast<std::uint16_t>(seen + __popc(peers[round]));
    }
    __syncwarp();
  }
}

/// From the warps' histograms to the tokens in earlier warps, two experts in a word: a slice has too few ids for a sum
/// to run over from one into the other.
__device__ inline void add_warps(std::uint16_t* warp_before, int num_logical) {
  auto* const pairs = reinterpret_cast<std::uint32_t*>(warp_before);
  const int num_pairs = histogram_stride(num_logical) / 2;
#pragma unroll 1
  for (int pair = static_cast<int>(threadIdx.x); pair < num_pairs; pair += kRemapThreads) {
    constexpr int kLoads = 8;
    std::uint32_t before = 0;
#pragma unroll 1
    for (int first = 0; first < kWarps; first += kLoads) {
      std::uint32_t tokens[kLoads];
      for (int i = 0; i < kLoads; ++i) {
        tokens[i] = pairs[(first + i) * num_pairs + pair];
      }
      for (int i = 0; i < kLoads; ++i) {
        pairs[(first + i) * num_pairs + pair] = before;
        before += tokens[i];
      }
    }
  }
}

}  // namespace lplb::cuda
