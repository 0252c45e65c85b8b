#pragma once

// From tokens of each copy to physical ids: what remains of a slice once its ids are ranked, and the launch's argument.

#include <cuda_runtime.h>

#include <cstdint>

#include "base/check.h"
#include "cuda/launch.cuh"
#include "cuda/placement.cuh"
#include "cuda/routing.cuh"
#include "cuda/warp.cuh"
#include "lplb/cuda_remap.h"
#include "remap/fast_fraction.h"
#include "remap/interleave.h"
#include "remap/slice.cuh"

namespace lplb::cuda {

/// Where counting left what comes before a slice: offsets of rows, and of how many clusters.
struct RowsBefore {
  std::uint32_t in_block;    // of slice_row
  std::uint32_t in_cluster;  // of block_row
  int num_clusters;
};

/// Behind the last slice, that one's. `slices_per_block` is that of p.slices.
template <class Id>
__device__ RowsBefore rows_before(const RemapParams<Id>& p, int number, int slices_per_block) {
  const int slice = min(number, p.slices.num_slices - 1);
  const int block = slice / slices_per_block;
  return {.in_block = static_cast<std::uint32_t>(slice * p.placement.num_logical),
          .in_cluster = static_cast<std::uint32_t>(block * p.placement.num_logical),
          .num_clusters = block >> (__ffs(p.slices.cluster_size) - 1)};
}

/// Adds up the tokens of the replicated experts before the block's ids, a warp a row, two experts a lane at once, by
/// the threads that rank. (A thread that read the clusters' sums for its own ids would read scattered words.)
template <class Id>
__device__ void add_rows(const RemapParams<Id>& p, const RowsBefore& rows, int num_replicated,
                         const SliceMemory& memory) {
  const int num_logical = p.placement.num_logical;
#pragma unroll 1
  for (int row = static_cast<int>(threadIdx.x) / 32; row <= rows.num_clusters; row += kRemapThreads / 32) {
    const auto tokens_of = [&](int number) {
      const int expert = memory.replicated[number];
      return row == 0 ? p.rows.slice_row[rows.in_block + expert] + p.rows.block_row[rows.in_cluster + expert]
                      : p.rows.cluster_sum[(row - 1) * num_logical + expert];
    };
#pragma unroll 1
    for (int number = lane_id(); number < num_replicated; number += 64) {
      const bool are_two = number + 32 < num_replicated;
      const std::int32_t first = tokens_of(number);
      const std::int32_t second = are_two ? tokens_of(number + 32) : 0;
      atomicAdd(&memory.before[number], first);
      if (are_two) {
        atomicAdd(&memory.before[number + 32], second);
      }
    }
  }
}

/// From ranks among the block's ids to ranks among all.
template <class Id, int kRounds>
__device__ void add_before(const SliceMemory& memory, ThreadIds<Id, kRounds>& ids) {
  for (int round = 0; round < kRounds; ++round) {
    ids.rank[round] += memory.before[ids.number[round]];
  }
}

/// 1 / n, at most one unit in the last place off.
__device__ inline float fast_reciprocal(int n) {
  float reciprocal = 0;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(reciprocal) : "f"(static_cast<float>(n)));
  return reciprocal;
}

/// The share of a copy that has `tokens` of the `left` that it and its expert's later copies have; `behind` is the last
/// copy's slot where that comes next. As in remap.cpp, where a fraction of 1 takes all, too.
__device__ inline CopyShare copy_share(int slot, int behind, Tokens tokens, Tokens left) {
  const std::uint64_t fraction = left == 0 ? 0 : fast_interleave_fraction(tokens, left, fast_reciprocal(left));
  return {.fraction = static_cast<std::uint32_t>(fraction),
          .slot = static_cast<std::uint16_t>(slot),
          .rest = static_cast<std::uint16_t>(fraction >> 32 != 0 ? slot : behind)};
}

/// The slots of the thread's ids, kNone where there is no expert: interleave_copy of all rounds at once, a step a copy.
/// Where there is nothing to find, a step is made in vain rather than branched around.
template <class Id, int kRounds>
__device__ void find_slots(const SliceMemory& memory, const ThreadIds<Id, kRounds>& ids, int (&slot)[kRounds]) {
  std::uint32_t j[kRounds];
  const CopyShare* next[kRounds];
  bool is_moving[kRounds];
  for (int round = 0; round < kRounds; ++round) {
    j[round] = ids.rank[round];
    is_moving[round] = ids.place[round].is_replicated();
    next[round] = memory.share + (is_moving[round] ? ids.place[round].first_copy() : 0);
    slot[round] = ids.place[round].slot();
  }
  for (bool any = true; any;) {
    any = false;
    for (int round = 0; round < kRounds; ++round) {
      const CopyShare share = *next[round];
      const InterleaveStep step = interleave_step(share.fraction, j[round]);
      const int found = step.takes ? share.slot : share.rest;
      slot[round] = is_moving[round] ? found : slot[round];
      is_moving[round] = is_moving[round] && found == CopyShare::kNextCopy;
      any |= is_moving[round];
      j[round] -= step.before;
      next[round] += is_moving[round] ? 1 : 0;
    }
  }
}

template <class Id, int kRounds>
__device__ void write_physical(const RemapParams<Id>& p, const SliceMemory& memory, const ThreadIds<Id, kRounds>& ids) {
  int slot[kRounds];
  find_slots(memory, ids, slot);
  for (int round = 0; round < kRounds; ++round) {
    const std::int32_t position = ids.position(round);
    if (position < p.routing.num_ids) {
      p.physical[position] = slot[round];
    }
  }
}

template <class Id>
void check_remap_args(const PlacementView& placement, const RemapArgs<Id>& args) {
  const std::size_t num_ids = args.routing.topk_idx.size();
  const std::size_t num_tokens = num_ids / args.routing.top_k;
  check(args.physical.size() == num_ids, "[remap] physical has ", args.physical.size(), " entries; topk_idx has ",
        num_ids);
  check(static_cast<int>(args.table.size()) == placement.num_physical, "[remap] table has ", args.table.size(),
        " entries; it must have one for each of the ", placement.num_physical, " physical experts");
  const DispatchLayout& layout = args.layout;
  if (layout.num_tokens_per_rank.empty() && layout.num_tokens_per_expert.empty() && layout.is_token_in_rank.empty()) {
    return;
  }
  check(static_cast<int>(layout.num_tokens_per_rank.size()) == placement.num_ranks &&
            static_cast<int>(layout.num_tokens_per_expert.size()) == placement.num_physical &&
            layout.is_token_in_rank.size() == num_tokens * placement.num_ranks,
        "[remap] the layout has ", layout.num_tokens_per_rank.size(), ", ", layout.num_tokens_per_expert.size(),
        " and ", layout.is_token_in_rank.size(), " entries; it must have [", placement.num_ranks, "], [",
        placement.num_physical, "] and [", num_tokens, ", ", placement.num_ranks, "]");
}

/// Checks the arguments and makes the kernel's.
template <class Id>
RemapParams<Id> remap_params(const PlacementView& placement, const RemapArgs<Id>& args) {
  RemapParams<Id> params{.routing = view_routing("remap", args.routing, placement.num_logical),
                         .placement = placement,
                         .slices = choose_slices(args.routing.topk_idx.size(), current_compute_capability()),
                         .rows = {},
                         .table = args.table.data(),
                         .physical = args.physical.data(),
                         .num_tokens_per_rank = args.layout.num_tokens_per_rank.data(),
                         .num_tokens_per_expert = args.layout.num_tokens_per_expert.data()};
  check_remap_args(placement, args);
  check_workspace("remap", args.workspace, params.slices, placement.num_logical);
  params.rows = slice_rows(args.workspace.data(), params.slices, placement.num_logical);
  return params;
}

}  // namespace lplb::cuda
