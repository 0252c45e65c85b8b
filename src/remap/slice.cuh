#pragma once

// A slice of ids in one block, up to where the results of other kernels are needed: what it keeps in shared memory, and
// the ranks of its ids among equal ids, in row-major order.

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/load_async.cuh"
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

/// The slice's shared memory. R replicated experts: as many as there may be.
struct SliceMemory {
  ExpertPlace* places;        // [num_places] of the placement, and right behind it
  std::uint16_t* replicated;  // [num_replicated_entries] its replicated experts
  std::uint32_t* histograms;  // [kHistogramWords, R] a byte a warp: its tokens of the expert, 32 a round at most
  CopyShare* share;           // [P] by expert; of replicated ones
  std::int32_t* before;       // [R] tokens of the expert before the block's ids
  int max_replicated;
};

template <class Id>
__device__ SliceMemory slice_memory(const RemapParams<Id>& p, uint4* shared) {
  SliceMemory memory{.places = reinterpret_cast<ExpertPlace*>(shared)};
  memory.max_replicated = max_replicated(p.placement.num_logical, p.placement.num_physical);
  memory.replicated = reinterpret_cast<std::uint16_t*>(memory.places + num_places(p.placement.num_logical));
  memory.histograms = reinterpret_cast<std::uint32_t*>(
      memory.replicated + num_replicated_entries(p.placement.num_logical, p.placement.num_physical));
  memory.share = reinterpret_cast<CopyShare*>(memory.histograms + kHistogramWords * memory.max_replicated);
  memory.before = reinterpret_cast<std::int32_t*>(memory.share + p.placement.num_physical);
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
  std::int32_t expert[kRounds];  // num_logical for padding and bad ids
  ExpertPlace place[kRounds];    // of the expert, or of none
  int number[kRounds];           // among the replicated experts; 0 for others
  std::int32_t rank[kRounds];    // tokens of a replicated expert before: in the warp, after more steps among all
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

/// Asks for the placement's places and replicated experts, and zeroes what is added up, by all that rank. No loops: the
/// compiler would ask for the ids behind them.
__device__ inline void start_slice(const PlacementView& placement, const SliceMemory& memory) {
  static_assert(places_bytes(kMaxCudaLogical, kMaxCudaPhysical) <= sizeof(uint4) * kRemapThreads);
  static_assert(kHistogramWords / 4 * kMaxCudaLogical <= 2 * kRemapThreads);
  const int thread = static_cast<int>(threadIdx.x);
  if (sizeof(uint4) * thread < places_bytes(placement.num_logical, placement.num_physical)) {
    load_async<sizeof(uint4)>(reinterpret_cast<uint4*>(memory.places) + thread,
                              reinterpret_cast<const uint4*>(placement.places) + thread);
  }
  auto* const words = reinterpret_cast<uint4*>(memory.histograms);
  const int num_words = kHistogramWords / 4 * memory.max_replicated;
  if (thread < num_words) {
    words[thread] = {};
    memory.before[thread] = 0;
  }
  if (thread + kRemapThreads < num_words) {
    words[thread + kRemapThreads] = {};
    memory.before[thread + kRemapThreads] = 0;
  }
}

/// The ids as numbers of experts, num_logical for none; says in the status whether a valid token had a bad id.
template <class Id, int kRounds>
__device__ void find_experts(const RemapParams<Id>& p, ThreadIds<Id, kRounds>& ids) {
  const std::int32_t num_valid = num_valid_ids(p.routing);
  bool is_any_bad = false;
  for (int round = 0; round < kRounds; ++round) {
    const bool is_valid = ids.position(round) < num_valid;
    is_any_bad |= is_valid && is_bad(p.routing, ids.id[round]);
    const bool is_counted = is_valid && is_expert(p.routing, ids.id[round]);
    ids.expert[round] = is_counted ? static_cast<std::int32_t>(ids.id[round]) : p.routing.num_logical;
  }
  if (is_any_bad && p.routing.status != nullptr) {
    atomicOr(p.routing.status, kStatusBadId);
  }
}

/// Places of the experts, and numbers of the replicated ones.
template <class Id, int kRounds>
__device__ void find_places(const SliceMemory& memory, ThreadIds<Id, kRounds>& ids) {
  for (int round = 0; round < kRounds; ++round) {
    ids.place[round] = memory.places[ids.expert[round]];
    ids.number[round] = ids.place[round].is_replicated() ? ids.place[round].number() : 0;
  }
}

/// Lanes with the same replicated expert, of each round; 0 where there is none. A ballot a bit of its number: the
/// instruction that matches whole words takes four times as long as soon as a few warps use it. `num_replicated` is the
/// same in all lanes, and known to be.
template <class Id, int kRounds>
__device__ void find_peers(const ThreadIds<Id, kRounds>& ids, int num_replicated, unsigned (&peers)[kRounds]) {
  for (int round = 0; round < kRounds; ++round) {
    peers[round] = __ballot_sync(kAllLanes, ids.place[round].is_replicated());
  }
#pragma unroll 1
  for (int bit = 1; bit < num_replicated; bit *= 2) {
    for (int round = 0; round < kRounds; ++round) {
      const bool is_set = (ids.number[round] & bit) != 0;
      const unsigned with_bit = __ballot_sync(kAllLanes, is_set);
      peers[round] &= is_set ? with_bit : ~with_bit;
    }
  }
}

/// Ranks in the warp, in row-major order; leaves the warp's histogram.
template <class Id, int kRounds>
__device__ void rank_in_warp(ThreadIds<Id, kRounds>& ids, int num_replicated, const SliceMemory& memory) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  auto* const histogram =
      reinterpret_cast<std::uint8_t*>(memory.histograms + warp / 4 * memory.max_replicated) + warp % 4;
  const unsigned lanes_before = (1U << (threadIdx.x % 32)) - 1;
  unsigned peers[kRounds];
  find_peers(ids, num_replicated, peers);
  for (int round = 0; round < kRounds; ++round) {
    const bool is_replicated = ids.place[round].is_replicated();
    const int number = ids.number[round];
    const int before = __popc(peers[round] & lanes_before);
    const int seen = is_replicated && round > 0 ? histogram[4 * number] : 0;
    ids.rank[round] = seen + before;
    __syncwarp();
    if (is_replicated && before == 0) {
      histogram[4 * number] = static_cast<std::uint8_t>(seen + __popc(peers[round]));
    }
    __syncwarp();
  }
}

/// From ranks in the warp to ranks in the slice. The bytes of a word are added by one instruction.
template <class Id, int kRounds>
__device__ void add_earlier_warps(ThreadIds<Id, kRounds>& ids, const SliceMemory& memory) {
  constexpr unsigned kOnes = 0x01010101;
  const int warp = static_cast<int>(threadIdx.x) / 32;
#pragma unroll 1
  for (int word = 0; 4 * word < warp; ++word) {
    const int num_bytes = min(4, warp - 4 * word);
    const unsigned earlier = num_bytes == 4 ? ~0U : (1U << 8 * num_bytes) - 1;
    const std::uint32_t* const histogram = memory.histograms + word * memory.max_replicated;
    for (int round = 0; round < kRounds; ++round) {
      const unsigned bytes = histogram[ids.number[round]] & earlier;
      ids.rank[round] = static_cast<std::int32_t>(__dp4a(bytes, kOnes, static_cast<unsigned>(ids.rank[round])));
    }
  }
}

}  // namespace lplb::cuda
