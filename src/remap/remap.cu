// Remapping: each block finds the rank of its slice's tokens within their experts, which depends on the ids alone and
// is done while the kernels ahead still run; then it reads how many tokens came before the slice and the source's
// table, and gives token j of an expert to interleave_copy(j).

#include "lplb/cuda_remap.h"

#include "cuda/lanes.cuh"
#include "cuda/launch.cuh"
#include "cuda/placement.cuh"
#include "remap/assign.cuh"
#include "remap/dispatch_layout.cuh"
#include "remap/remap_config.h"
#include "remap/slice.cuh"

namespace lplb::cuda {
namespace {

/// From the table to the shares of copies that have lanes; `lane` is that of the block's warp's first ones.
template <class Id>
__device__ void make_shares(const RemapParams<Id>& p, const SharedCounts& counts, CopyLane lane,
                            const SliceMemory& memory) {
#pragma unroll 1
  for (int warp = static_cast<int>(threadIdx.x) / 32; warp < counts.num_warps; warp += kRemapThreads / 32) {
    const Tokens tokens = lane.end > 0 ? p.table[lane.slot] : 0;
    const Tokens left = sum_from_lane(tokens, lane.end, most_copies(lane));
    const int behind = last_slot_behind(lane, CopyShare::kNextCopy);
    if (lane.end > 0) {
      memory.share[lane.copy] = copy_share(lane.slot, behind, tokens, left);
    }
    lane = load_lane(p.placement, warp + kRemapThreads / 32);
  }
}

/// The same for wide experts, a thread a copy.
template <class Id>
__device__ void make_wide_shares(const RemapParams<Id>& p, const SharedCounts& counts, const SliceMemory& memory) {
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

/// Tokens of all experts in earlier slices of the cluster, in one trip to L2.
template <class Id>
__device__ void load_rows(const RemapParams<Id>& p, const RowsBefore& rows, const SliceMemory& memory) {
#pragma unroll 1
  for (int e = static_cast<int>(threadIdx.x); e < p.placement.num_logical; e += kRemapThreads) {
    memory.before_in_block[e] = p.rows.slice_row[rows.in_block + e];
    memory.before_in_cluster[e] = p.rows.block_row[rows.in_cluster + e];
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
/// there are many slices: then all blocks run at once, and one makes its shares for both. Shared memory: 24 E + 8 P
/// bytes. Floor: launch, and about 1 us of loading and ranking, which overlap what is ahead; then one trip to L2 (rows
/// and table), one fraction a copy, and the stores.
template <class Id, int kSlices>
__global__ void __launch_bounds__(kRemapThreads, kSlices == 1 ? 3 : 2) remap_kernel(const RemapParams<Id> p) {
  extern __shared__ uint4 shared[];
  const SliceMemory memory = slice_memory(p, shared);
  let_next_start();
  const int num_logical = p.placement.num_logical;
  ThreadIds<Id, kSlices * kRoundsOfSlice> ids;
  load_ids(p, ids);
  const SharedCounts counts = *p.placement.counts;
  const CopyLane lane = load_lane(p.placement, static_cast<int>(threadIdx.x) / 32);
  zero_histograms(memory, num_logical);
  __syncthreads();
  if (find_experts(p, ids) && p.routing.status != nullptr) {
    atomicOr(p.routing.status, kStatusBadId);
  }
  rank_in_warp(ids, num_logical, memory);
  __syncthreads();
  add_earlier_warps(ids, num_logical, memory);
  const RowsBefore rows = rows_before(p, static_cast<int>(blockIdx.x) * kSlices, p.slices.slices_per_block);
  wait_for_previous();
  load_rows(p, rows, memory);
  add_earlier_clusters(p, rows, ids);
  make_shares(p, counts, lane, memory);
  make_wide_shares(p, counts, memory);
  __syncthreads();
  add_earlier_slices(memory, ids);
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
