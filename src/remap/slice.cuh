#pragma once

// A slice of ids in one block, up to where the results of other kernels are needed: what it keeps in shared memory, and
// the ranks of its ids among equal ids, in row-major order.

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/placement.cuh"
#include "cuda/routing.cuh"
#include "cuda/slices.h"
#include "cuda/warp.cuh"
#include "remap/remap_config.h"

namespace lplb::cuda {

/// Rounds in which a block's warps take in a slice.
inline constexpr int kRoundsOfSlice = kSliceIds / kRemapThreads;

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

/// A copy as its expert's tokens pass it: it takes a fraction of interleave_copy, and what it leaves goes to a slot, or
/// to the copy behind it.
struct alignas(8) CopyShare {
  static constexpr std::uint16_t kNextCopy = 0xffff;

  std::uint32_t fraction;
  std::uint16_t slot;
  std::uint16_t rest;  // slot, or kNextCopy
};

/// The slice's shared memory.
struct SliceMemory {
  std::uint32_t* histograms;        // [kHistogramWords, E] a byte a warp: its tokens of the expert, 32 a round at most
  CopyShare* share;                 // [P] by expert; of experts with several copies
  std::int32_t* before_in_block;    // [E] tokens of the expert in earlier slices of the counting kernel's block,
  std::int32_t* before_in_cluster;  // [E] and in earlier blocks of its cluster
};

template <class Id>
__device__ SliceMemory slice_memory(const RemapParams<Id>& p, uint4* shared) {
  const int num_logical = p.placement.num_logical;
  SliceMemory memory{.histograms = reinterpret_cast<std::uint32_t*>(shared)};
  memory.share = reinterpret_cast<CopyShare*>(memory.histograms + kHistogramWords * num_logical);
  memory.before_in_block = reinterpret_cast<std::int32_t*>(memory.share + p.placement.num_physical);
  memory.before_in_cluster = memory.before_in_block + num_logical;
  return memory;
}

/// A thread's ids: of each round of its warp, one. A block's ids are one slice or several.
template <class Id, int kRounds>
struct ThreadIds {
  static constexpr int kIdsOfBlock = kRounds * kRemapThreads;
  static_assert(32 * kRounds < 256, "a warp's tokens of an expert are counted in a byte");

  /// Position of the thread's id of a round.
  __device__ static std::int32_t position(int round) {
    const auto thread = static_cast<std::int32_t>(threadIdx.x);
    return static_cast<std::int32_t>(blockIdx.x) * kIdsOfBlock + thread / 32 * 32 * kRounds + thread % 32 + 32 * round;
  }

  Id id[kRounds];
  std::int32_t expert[kRounds];  // kNone for padding and bad ids
  std::int32_t rank[kRounds];    // tokens of the expert before: in the warp, and after more steps among all
  CopyRange range[kRounds];      // of the expert
};

/// Those of one slice a block.
template <class Id>
using SliceIds = ThreadIds<Id, kRoundsOfSlice>;

template <class Id, int kRounds>
__device__ void load_ids(const RemapParams<Id>& p, ThreadIds<Id, kRounds>& ids) {
  for (int round = 0; round < kRounds; ++round) {
    const std::int32_t position = ids.position(round);
    ids.id[round] = position < p.routing.num_ids ? p.routing.topk_idx[position] : Id{kNone};
  }
}

/// Experts of the ids, and where their copies are; whether a valid token had a bad id.
template <class Id, int kRounds>
__device__ bool find_experts(const RemapParams<Id>& p, ThreadIds<Id, kRounds>& ids) {
  const std::int32_t num_valid = num_valid_ids(p.routing);
  bool bad = false;
  for (int round = 0; round < kRounds; ++round) {
    const bool is_valid = ids.position(round) < num_valid;
    ids.expert[round] = is_valid ? expert_of(p.routing, ids.id[round]) : kNone;
    bad |= is_valid && is_bad(p.routing, ids.id[round]);
    ids.range[round] = p.placement.ranges[max(ids.expert[round], 0)];
  }
  return bad;
}

/// Lanes with the same expert, of each round; 0 where there is none. A ballot a bit of the id: the instruction that
/// matches whole words takes four times as long as soon as a few warps use it.
template <class Id, int kRounds>
__device__ void find_peers(const ThreadIds<Id, kRounds>& ids, int num_logical, unsigned (&peers)[kRounds]) {
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

/// All warps' histograms, by all that rank.
__device__ inline void zero_histograms(const SliceMemory& memory, int num_logical) {
  auto* const words = reinterpret_cast<uint4*>(memory.histograms);
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < kHistogramWords / 4 * num_logical; i += kRemapThreads) {
    words[i] = {};
  }
}

/// Ranks in the warp, in row-major order; leaves the warp's histogram.
template <class Id, int kRounds>
__device__ void rank_in_warp(ThreadIds<Id, kRounds>& ids, int num_logical, const SliceMemory& memory) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  auto* const histogram = reinterpret_cast<std::uint8_t*>(memory.histograms + warp / 4 * num_logical) + warp % 4;
  const unsigned lanes_before = (1U << (threadIdx.x % 32)) - 1;
  unsigned peers[kRounds];
  find_peers(ids, num_logical, peers);
  for (int round = 0; round < kRounds; ++round) {
    const std::int32_t expert = ids.expert[round];
    const int before = __popc(peers[round] & lanes_before);
    const int seen = expert == kNone || round == 0 ? 0 : histogram[4 * expert];
    ids.rank[round] = seen + before;
    __syncwarp();
    if (expert != kNone && before == 0) {
      histogram[4 * expert] = static_cast<std::uint8_t>(seen + __popc(peers[round]));
    }
    __syncwarp();
  }
}

/// From ranks in the warp to ranks in the slice. The bytes of a word are added by one instruction.
template <class Id, int kRounds>
__device__ void add_earlier_warps(ThreadIds<Id, kRounds>& ids, int num_logical, const SliceMemory& memory) {
  constexpr unsigned kOnes = 0x01010101;
  const int warp = static_cast<int>(threadIdx.x) / 32;
#pragma unroll 1
  for (int word = 0; 4 * word < warp; ++word) {
    const int num_bytes = min(4, warp - 4 * word);
    const unsigned earlier = num_bytes == 4 ? ~0U : (1U << 8 * num_bytes) - 1;
    for (int round = 0; round < kRounds; ++round) {
      const unsigned bytes = memory.histograms[word * num_logical + max(ids.expert[round], 0)] & earlier;
      ids.rank[round] = static_cast<std::int32_t>(__dp4a(bytes, kOnes, static_cast<unsigned>(ids.rank[round])));
    }
  }
}

}  // namespace lplb::cuda
