// Remapping: each block finds the rank of its slice's tokens within their experts, which depends on the ids alone and
// is done while the kernels ahead still run; then it reads how many tokens came before the slice and the source's
// table, and gives token j of an expert to interleave_copy(j).

#include "lplb/cuda_remap.h"

#include "cuda/launch.cuh"
#include "cuda/placement.cuh"
#include "remap/assign.cuh"
#include "remap/dispatch_layout.cuh"
#include "remap/remap_config.h"
#include "remap/slice.cuh"

namespace lplb::cuda {
namespace {

/// What counting and apportioning left, in one trip to L2.
template <class Id>
__device__ void load_rows(const RemapParams<Id>& p, const SliceMemory& memory) {
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < p.placement.num_physical; i += kRemapThreads) {
    const Tokens tokens = p.table[memory.copy[i].slot];
    if (i < p.placement.num_logical) {
      memory.before[i] = tokens_before(p, i);
    }
    memory.tokens[i] = tokens;
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

/// A block owns a slice of 1,024 ids, a warp 64 of them, a lane one of 32 in each of two rounds. Shared memory: 40 E +
/// 16 P bytes. Floor: launch, and about 1 us of loading and ranking, which overlap what is ahead; then one trip to L2
/// (rows and table), one fraction a copy, and the stores.
template <class Id>
__global__ void __launch_bounds__(kRemapThreads, 3) remap_kernel(const RemapParams<Id> p) {
  extern __shared__ uint4 shared[];
  const SliceMemory memory = slice_memory(p, shared);
  let_next_start();
  ThreadIds<Id> ids;
  load_ids(p, ids);
  load_placement(p, memory);
  const int num_logical = p.placement.num_logical;
  const int stride = histogram_stride(num_logical);
  zero_histograms(shared, stride);
  __syncthreads();
  if (find_experts(p, ids) && p.routing.status != nullptr) {
    atomicOr(p.routing.status, kStatusBadId);
  }
  rank_in_warp(ids, num_logical, memory.warp_before + static_cast<int>(threadIdx.x) / 32 * stride);
  __syncthreads();
  add_warps(memory.warp_before, num_logical);
  wait_for_previous();
  load_rows(p, memory);
  __syncthreads();
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < p.placement.num_physical; i += kRemapThreads) {
    make_fraction(memory, i, memory.copy[i].end);
  }
  __syncthreads();
  write_physical(p, memory, ids);
  if (blockIdx.x == 0 && p.num_tokens_per_rank != nullptr) {
    start_layout(p);
  }
}

template <class Id>
void launch_remap(const DevicePlacement& device_placement, const RemapArgs<Id>& args, Stream stream) {
  const PlacementView& placement = device_placement.impl().view;
  const RemapParams<Id> params = remap_params(placement, args);
  launch("remap", remap_kernel<Id>,
         {.num_blocks = params.slices.num_slices,
          .num_threads = kRemapThreads,
          .shared_bytes = remap_shared_bytes(placement.num_logical, placement.num_physical),
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
