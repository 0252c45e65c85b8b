// Remapping: a token of an expert with one copy goes to its slot. Of replicated experts each block finds the rank of
// its slice's tokens within their experts, which depends on the ids alone and is done while the kernels ahead still
// run; then it reads how many tokens came before the slice and the source's table, and gives token j to
// interleave_copy(j).

#include "lplb/cuda_remap.h"

#include "cuda/lanes.cuh"
#include "cuda/launch.cuh"
#include "cuda/load_async.cuh"
#include "cuda/placement.cuh"
#include "cuda/warp.cuh"
#include "remap/assign.cuh"
#include "remap/dispatch_layout.cuh"
#include "remap/remap_config.h"
#include "remap/slice.cuh"

namespace lplb::cuda {
namespace {

/// The first warp of lanes whose shares the warp makes: the last warps do it, as the first add up rows.
__device__ int share_warp() { return kRemapThreads / 32 - 1 - warp_id(); }

/// The table's entry for a lane's copy.
template <class Id>
__device__ Tokens tokens_of(const RemapParams<Id>& p, const CopyLane& lane) {
  return lane.end > 0 ? p.table[lane.slot] : 0;
}

/// From the table to the shares of copies that have lanes, by the block's last warps first; `lane` is that of the first
/// copies of the warp's, and `tokens` its entry.
template <class Id>
__device__ void make_shares(const RemapParams<Id>& p, const ReplicatedCounts& counts, CopyLane lane, Tokens tokens,
                            const SliceMemory& memory) {
#pragma unroll 1
  for (int warp = share_warp(); warp < counts.num_warps; warp += kRemapThreads / 32) {
    const Tokens left = sum_from_lane(tokens, lane.end, most_copies(lane));
    const int behind = last_slot_behind(lane, CopyShare::kNextCopy);
    if (lane.end > 0) {
      memory.share[lane.copy] = copy_share(lane.slot, behind, tokens, left);
    }
    lane = load_lane(p.placement, warp + kRemapThreads / 32);
    tokens = tokens_of(p, lane);
  }
}

/// The same for wide experts, a thread a copy.
template <class Id>
__device__ void make_wide_shares(const RemapParams<Id>& p, const ReplicatedCounts& counts, const SliceMemory& memory) {
#pragma unroll 1
  for (int i = 0; i < counts.num_wide; ++i) {
    const WideExpert wide = p.placement.wide[i];
    const auto slot_of = [&](int c) { return static_cast<int>(p.placement.copies[wide.first + c].slot); };
#pragma unroll 1
    for (int c = static_cast<int>(threadIdx.x); c < wide.count; c += kRemapThreads) {
      Tokens left = 0;
      for (int later = c; later < wide.count; ++later) {
        left += p.table[slot_of(later)];
      }
      const int behind = c + 2 == wide.count ? slot_of(c + 1) : CopyShare::kNextCopy;
      memory.share[wide.first + c] = copy_share(slot_of(c), behind, p.table[slot_of(c)], left);
    }
  }
}

/// What a layout needs of this kernel, done by its first block.
template <class Id>
__device__ void start_layout(const RemapParams<Id>& p) {
  for (int g = static_cast<int>(threadIdx.x); g < p.placement.num_ranks; g += kRemapThreads) {
    p.num_tokens_per_rank[g] = 0;
  }
  for (int i = static_cast<int>(threadIdx.x); i < p.placement.num_physical; i += kRemapThreads) {
    p.num_tokens_per_expert[i] = p.table[i];
  }
}

/// A block owns one slice of 1,024 ids, or two; a warp 64 ids of a slice, a lane one of 32 in each round. Two where
/// there are many slices: then all blocks run at once, and one makes its shares for both. Shared memory: 4 E + 22 R + 8
/// P bytes for at most R replicated experts. Floor: launch, and about 1 us of loading and ranking, which overlap what
/// is ahead; then one trip to L2 (rows and table), one fraction a copy, and the stores.
template <class Id, int kSlices>
__global__ void __launch_bounds__(kRemapThreads, kSlices == 1 ? 3 : 2) remap_kernel(const RemapParams<Id> p) {
  extern __shared__ uint4 shared[];
  const SliceMemory memory = slice_memory(p, shared);
  let_next_start();
  ThreadIds<Id, kSlices * kRoundsOfSlice> ids;
  load_ids(p, ids);
  start_slice(p.placement, memory);
  const CopyLane lane = load_lane(p.placement, share_warp());
  const ReplicatedCounts loaded = *p.placement.counts;
  loads_go_first();
  const ReplicatedCounts counts = of_all(loaded);
  find_experts(p, ids);
  wait_for_loads();
  __syncthreads();
  find_places(memory, ids);
  rank_in_warp(ids, counts.num_replicated, memory);
  __syncthreads();
  add_earlier_warps(ids, memory);
  const RowsBefore rows = rows_before(p, static_cast<int>(blockIdx.x) * kSlices, p.slices.slices_per_block);
  wait_for_previous();
  const Tokens tokens = tokens_of(p, lane);
  add_rows(p, rows, counts.num_replicated, memory);
  make_shares(p, counts, lane, tokens, memory);
  make_wide_shares(p, counts, memory);
  __syncthreads();
  add_before(memory, ids);
  write_physical(p, memory, ids);
  if (blockIdx.x == 0 && p.num_tokens_per_rank != nullptr) {
    start_layout(p);
  }
}

template <class Id>
void launch_remap(const DevicePlacement& device_placement, const RemapArgs<Id>& args, Stream stream) {
  const PlacementView& placement = device_placement.impl().view;
  const RemapParams<Id> params = remap_params(placement, args);
  const bool by_two = params.slices.num_slices > kMaxSlicesAlone;
  launch("remap", by_two ? remap_kernel<Id, 2> : remap_kernel<Id, 1>,
         {.num_blocks = by_two ? (params.slices.num_slices + 1) / 2 : params.slices.num_slices,
          .num_threads = kRemapThreads,
          .shared_bytes = slice_bytes(placement.num_logical, placement.num_physical),
          .overlaps_previous = args.overlaps_previous},
         stream, params);
  if (!args.layout.num_tokens_per_rank.empty()) {
    launch_dispatch_layout(placement, args, stream);
  }
}

}  // namespace

void remap(const DevicePlacement& placement, const RemapArgs<std::int32_t>& args, Stream stream) {
  launch_remap(placement, args, stream);
}

void remap(const DevicePlacement& placement, const RemapArgs<std::int64_t>& args, Stream stream) {
  launch_remap(placement, args, stream);
}

}  // namespace lplb::cuda
