#pragma once

// From tokens of each copy to physical ids: what remains of a slice once its ids are ranked, and the launch's argument.

#include <cuda_runtime.h>

#include <cstdint>

#include "base/check.h"
#include "cuda/launch.cuh"
#include "cuda/placement.cuh"
#include "cuda/routing.cuh"
#include "lplb/cuda_remap.h"
#include "remap/fast_fraction.h"
#include "remap/interleave.h"
#include "remap/slice.cuh"

namespace lplb::cuda {

/// What counting left: tokens of the expert in earlier slices.
template <class Id>
__device__ std::int32_t tokens_before(const RemapParams<Id>& p, int e) {
  const int num_logical = p.placement.num_logical;
  const int slice = static_cast<int>(blockIdx.x);
  const int block = slice / p.slices.slices_per_block;
  const int cluster = block / p.slices.cluster_size;
  std::int32_t before = p.rows.slice_row[static_cast<std::int64_t>(slice) * num_logical + e] +
                        p.rows.block_row[static_cast<std::int64_t>(block) * num_logical + e];
  if (p.slices.num_clusters() > 1) {
#pragma unroll 8
    for (int earlier = 0; earlier < cluster; ++earlier) {
      before += p.rows.cluster_sum[earlier * num_logical + e];
    }
  }
  return before;
}

/// Fraction of copy i of an expert whose copies end at `end`; the last needs none. As in remap.cpp.
__device__ inline void make_fraction(const SliceMemory& memory, int i, int end) {
  if (i + 1 >= end) {
    return;
  }
  Tokens rest = 0;
  for (int later = i; later < end; ++later) {
    rest += memory.tokens[later];
  }
  memory.fraction[i] = rest == 0 ? 0 : fast_interleave_fraction(memory.tokens[i], rest);
}

/// The thread's copies: interleave_copy of all rounds at once, a step a copy.
template <class Id>
__device__ void find_copies(const RemapParams<Id>& p, const SliceMemory& memory, const ThreadIds<Id>& ids,
                            int (&copy)[kRounds]) {
  const std::uint16_t* const warp_before =
      memory.warp_before + static_cast<int>(threadIdx.x) / 32 * histogram_stride(p.placement.num_logical);
  std::int32_t j[kRounds];
  int last[kRounds];
  for (int round = 0; round < kRounds; ++round) {
    const std::int32_t expert = max(ids.expert[round], 0);
    const CopyRange range = memory.range[expert];
    j[round] = memory.before[expert] + warp_before[expert] + ids.rank[round];
    copy[round] = range.first;
    last[round] = range.first + range.count - 1;
  }
  for (bool is_moving = true; is_moving;) {
    is_moving = false;
    for (int round = 0; round < kRounds; ++round) {
      if (copy[round] < last[round]) {
        const std::uint64_t fraction = memory.fraction[copy[round]];
        const std::int32_t before = interleave_before(fraction, j[round]);
        if (interleave_before(fraction, j[round] + 1) != before) {
          last[round] = copy[round];
        } else {
          j[round] -= before;
          ++copy[round];
          is_moving = true;
        }
      }
    }
  }
}

template <class Id>
__device__ void write_physical(const RemapParams<Id>& p, const SliceMemory& memory, const ThreadIds<Id>& ids) {
  int copy[kRounds];
  find_copies(p, memory, ids, copy);
  for (int round = 0; round < kRounds; ++round) {
    const std::int32_t position = first_position() + 32 * round;
    if (position < p.routing.num_ids) {
      p.physical[position] = ids.expert[round] == kNone ? Id{kNone} : Id{memory.copy[copy[round]].slot};
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
