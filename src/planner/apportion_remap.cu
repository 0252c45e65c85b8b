// Apportioning and remapping in one kernel. A block owns a slice of the ids and ranks them as remap does; meanwhile
// further warps of it make this source's table for the experts with several copies, a lane a copy, as every block does:
// that costs less than to wait for another block's. The integers are those of the two stages.

#include "planner/apportion_remap.cuh"

#include <cstdint>

#include "apportion/apportion_args.cuh"
#include "apportion/match.cuh"
#include "apportion/match_lanes.cuh"
#include "cuda/launch.cuh"
#include "cuda/load_async.cuh"
#include "cuda/slices.h"
#include "cuda/warp.cuh"
#include "planner/apportion_remap_config.h"
#include "remap/assign.cuh"
#include "remap/dispatch_layout.cuh"
#include "remap/slice.cuh"

namespace lplb::cuda {
namespace {

/// Slices that a block of the counting kernel has where there are few of them.
constexpr int kSlicesPerBlock = kSlicesInFlight;
static_assert(choose_slices(std::int64_t{kMaxFusedSlices} * kSliceIds, 90).slices_per_block == kSlicesPerBlock &&
              choose_slices(std::int64_t{kMaxFusedSlices} * kSliceIds, 80).slices_per_block == kSlicesPerBlock);

template <class Id>
struct FusedParams {
  RemapParams<Id> remap;
  const Tokens* counts;  // [S, E]
  const Tokens* quota;   // [P]
  Tokens* table;         // [P]
  Source source;
};

/// The counts [S, E] in shared memory, behind the slice.
template <class Id>
__device__ Tokens* counts_memory(const FusedParams<Id>& p, uint4* shared) {
  const PlacementView& placement = p.remap.placement;
  const std::size_t offset = align_to_16(slice_bytes(placement.num_logical, placement.num_physical));
  return reinterpret_cast<Tokens*>(reinterpret_cast<char*>(shared) + offset);
}

/// Where a wide expert is matched, behind the counts.
template <class Id>
__device__ Tokens* wide_memory(const FusedParams<Id>& p, uint4* shared) {
  const PlacementView& placement = p.remap.placement;
  const std::size_t bytes = counts_bytes(
      {.num_logical = placement.num_logical, .num_physical = placement.num_physical, .num_ranks = placement.num_ranks});
  return counts_memory(p, shared) + align_to_16(bytes) / sizeof(Tokens);
}

__device__ int table_thread() { return static_cast<int>(threadIdx.x) - kRemapThreads; }

/// Barriers of the warps that rank ids, and of those that make the table.
__device__ void sync_rankers() { asm volatile("bar.sync 1, %0;" ::"n"(kRemapThreads) : "memory"); }
__device__ void sync_table_warps() { asm volatile("bar.sync 2, %0;" ::"n"(kTableThreads) : "memory"); }

/// Asks for the counts, 16 bytes at a time where they are so aligned.
template <class Id>
__device__ void load_counts(const FusedParams<Id>& p, Tokens* counts) {
  constexpr int kWords = 4;
  const int num_words = p.remap.placement.num_ranks * p.remap.placement.num_logical;
  const bool is_aligned = reinterpret_cast<std::uintptr_t>(p.counts) % (kWords * sizeof(Tokens)) == 0;
  const int num_aligned = is_aligned ? num_words / kWords * kWords : 0;
#pragma unroll 4
  for (int i = kWords * table_thread(); i < num_aligned; i += kWords * kTableThreads) {
    load_async<kWords * sizeof(Tokens)>(counts + i, p.counts + i);
  }
#pragma unroll 1
  for (int i = num_aligned + table_thread(); i < num_words; i += kTableThreads) {
    load_async<sizeof(Tokens)>(counts + i, p.counts + i);
  }
}

/// An entry of the table in device memory, and of the layout.
template <class Id>
__device__ void put_tokens(const FusedParams<Id>& p, int slot, Tokens tokens) {
  p.table[slot] = tokens;
  if (p.remap.num_tokens_per_expert != nullptr) {
    p.remap.num_tokens_per_expert[slot] = tokens;
  }
}

/// A copy's share, and its tokens to the table by the first block.
template <class Id>
__device__ void put_share(const FusedParams<Id>& p, const SliceMemory& memory, int copy, const CopyShare& share,
                          Tokens tokens) {
  memory.share[copy] = share;
  if (blockIdx.x == 0) {
    put_tokens(p, share.slot, tokens);
  }
}

/// Matches the warp's copies; `demand` is the quota of the lane's.
template <class Id>
__device__ void match_lanes(const FusedParams<Id>& p, const CopyLane& at, Tokens demand, const Tokens* counts,
                            const SliceMemory& memory) {
  const PlacementView& placement = p.remap.placement;
  const SupplyMarks marks =
      read_marks(at, counts + at.expert, placement.num_logical, placement.ranks_per_node, p.source);
  const int most = most_copies(at);
  const Tokens row = match_in_lanes(at, marks, demand, p.source, most);
  const Tokens left = sum_from_lane(row, at.end, most);
  const int behind = last_slot_behind(at, CopyShare::kNextCopy);
  if (at.end > 0) {
    put_share(p, memory, at.copy, copy_share(at.slot, behind, row, left), row);
  }
}

/// Matches the wide experts, by one warp; rarely there is one.
template <class Id>
__device__ void match_wide(const FusedParams<Id>& p, int num_wide, const Tokens* counts, Tokens* words,
                           const SliceMemory& memory) {
  const PlacementView& placement = p.remap.placement;
#pragma unroll 1
  for (int i = 0; i < num_wide; ++i) {
    const WideExpert wide = placement.wide[i];
    const Expert expert = expert_memory(placement, words, wide.count);
    load_expert(placement, counts, wide.expert, wide.first, expert);
#pragma unroll 1
    for (int c = lane_id(); c < expert.num_copies; c += 32) {
      expert.demand[c] = p.quota[expert.copies[c].slot];
    }
    __syncwarp();
    match_copies(expert, placement, p.source.rank);
#pragma unroll 1
    for (int c = lane_id(); c < expert.num_copies; c += 32) {
      Tokens left = 0;
      for (int later = c; later < expert.num_copies; ++later) {
        left += expert.row[later];
      }
      const int behind = c + 2 == expert.num_copies ? expert.copies[c + 1].slot : CopyShare::kNextCopy;
      put_share(p, memory, wide.first + c, copy_share(expert.copies[c].slot, behind, expert.row[c], left),
                expert.row[c]);
    }
    __syncwarp();
  }
}

/// What remains of the table and the layout: experts with one copy, empty slots, and zeros. Blocks share it out, and
/// give it to their last warps first, which have no copies to match where these are few.
template <class Id>
__device__ void write_rest(const FusedParams<Id>& p, const Tokens* counts) {
  const PlacementView& placement = p.remap.placement;
  const auto num_blocks = static_cast<int>(gridDim.x);
  const int first = static_cast<int>(blockIdx.x) + num_blocks * (kTableThreads - 1 - table_thread());
#pragma unroll 1
  for (int i = first; i < placement.num_physical; i += num_blocks * kTableThreads) {
    const CopyRange range = placement.ranges[min(i, placement.num_logical - 1)];
    const Copy copy = placement.copies[i];
    if (i < placement.num_logical && range.count == 1) {
      put_tokens(p, range.slot, counts[p.source.rank * placement.num_logical + i]);
    }
    if (copy.count == 0) {
      put_tokens(p, copy.slot, 0);
    }
  }
#pragma unroll 1
  for (int g = first; p.remap.num_tokens_per_rank != nullptr && g < placement.num_ranks;
       g += num_blocks * kTableThreads) {
    p.remap.num_tokens_per_rank[g] = 0;
  }
}

/// The shares of all copies of replicated experts. Loads are asked for before anything is done with what others bring:
/// lanes and counts before the wait, quotas right behind it.
template <class Id>
__device__ void make_table(const FusedParams<Id>& p, uint4* shared, const SliceMemory& memory) {
  const PlacementView& placement = p.remap.placement;
  const int first_warp = warp_id() - kRemapThreads / 32;
  Tokens* const counts = counts_memory(p, shared);
  CopyLane at = load_lane(placement, first_warp);
  loads_go_first();
  load_counts(p, counts);
  const ReplicatedCounts loaded = *placement.counts;
  const auto demand_of = [&](const CopyLane& lane) { return lane.end > 0 ? p.quota[lane.slot] : 0; };
  wait_for_previous();
  Tokens demand = demand_of(at);
  wait_for_loads();
  sync_table_warps();
  const ReplicatedCounts sizes = of_all(loaded);
#pragma unroll 1
  for (int warp = first_warp; warp < sizes.num_warps;) {
    match_lanes(p, at, demand, counts, memory);
    warp += kTableWarps;
    if (warp < sizes.num_warps) {
      at = load_lane(placement, warp);
      demand = demand_of(at);
    }
  }
  if (sizes.num_wide > 0 && first_warp == kTableWarps - 1) {
    match_wide(p, sizes.num_wide, counts, wide_memory(p, shared), memory);
  }
  write_rest(p, counts);
}

/// Ranks the slice's ids among each other, and adds up what comes before them.
template <class Id>
__device__ void rank_slice(const FusedParams<Id>& p, const SliceMemory& memory, SliceIds<Id>& ids) {
  const RemapParams<Id>& r = p.remap;
  load_ids(r, ids);
  start_slice(r.placement, memory);
  const ReplicatedCounts loaded = *r.placement.counts;
  loads_go_first();
  const ReplicatedCounts sizes = of_all(loaded);
  find_experts(r, ids);
  wait_for_loads();
  sync_rankers();
  find_places(memory, ids);
  rank_in_warp(ids, sizes.num_replicated, memory);
  sync_rankers();
  add_earlier_warps(ids, memory);
  const RowsBefore rows = rows_before(r, static_cast<int>(blockIdx.x), kSlicesPerBlock);
  wait_for_previous();
  add_rows(r, rows, sizes.num_replicated, memory);
}

/// A block owns a slice of 1,024 ids, as in remap; its last warps read the counts of all sources and make the whole
/// table. Shared memory: fused_shared_bytes. Floor: launch; before the wait ranking, or one trip to L2 that is as long
/// as the counts are many; after it one trip to the quotas, four sums over the copies of an expert, a fraction, a
/// barrier, and the stores.
template <class Id>
__global__ void __launch_bounds__(kFusedThreads, 1) apportion_remap_kernel(const FusedParams<Id> p) {
  extern __shared__ uint4 shared[];
  const RemapParams<Id>& r = p.remap;
  const SliceMemory memory = slice_memory(r, shared);
  const bool is_ranker = warp_id() < kRemapThreads / 32;
  let_next_start();
  SliceIds<Id> ids;
  if (is_ranker) {
    rank_slice(p, memory, ids);
  } else {
    make_table(p, shared, memory);
  }
  __syncthreads();
  if (is_ranker) {
    add_before(memory, ids);
    write_physical(r, memory, ids);
  }
}

template <class Id>
void launch_both(const DevicePlacement& device_placement, const ApportionArgs& first, const RemapArgs<Id>& second,
                 Stream stream) {
  const PlacementView& view = device_placement.impl().view;
  const RemapParams<Id> params = remap_params(view, second);
  check_apportion_args(view, first);
  const FusedConfig config = choose_fused_config(
      {.num_logical = view.num_logical, .num_physical = view.num_physical, .num_ranks = view.num_ranks},
      params.slices.num_slices, shared_bytes_of_block("apportion_and_remap"));
  const bool is_proportional = first.counts.size() == static_cast<std::size_t>(view.num_logical);
  if (is_proportional || config.num_blocks == 0) {
    apportion(device_placement, first, stream);
    remap(device_placement, second, stream);
    return;
  }
  launch("apportion_and_remap", apportion_remap_kernel<Id>,
         {.num_blocks = config.num_blocks,
          .num_threads = kFusedThreads,
          .shared_bytes = config.shared_bytes,
          .overlaps_previous = first.overlaps_previous},
         stream,
         FusedParams<Id>{.remap = params,
                         .counts = first.counts.data(),
                         .quota = first.quota.data(),
                         .table = first.tokens.data(),
                         .source = {.rank = first.source_rank, .node = first.source_rank / view.ranks_per_node}});
  if (!second.layout.num_tokens_per_rank.empty()) {
    launch_dispatch_layout(view, second, stream);
  }
}

}  // namespace

void apportion_and_remap(const DevicePlacement& placement, const ApportionArgs& first,
                         const RemapArgs<std::int32_t>& second, Stream stream) {
  launch_both(placement, first, second, stream);
}

void apportion_and_remap(const DevicePlacement& placement, const ApportionArgs& first,
                         const RemapArgs<std::int64_t>& second, Stream stream) {
  launch_both(placement, first, second, stream);
}

}  // namespace lplb::cuda
