// Apportioning and remapping in one kernel. A block owns a slice of the ids and ranks them as remap does; meanwhile
// further warps of it make this source's table for a part of the experts with several copies, and write it into the
// shared memory of all blocks of the cluster, which share out the experts. The integers are those of the two stages.

#include "planner/apportion_remap.cuh"

#include <algorithm>

#include "apportion/apportion_args.cuh"
#include "apportion/match.cuh"
#include "cuda/cluster.cuh"
#include "cuda/launch.cuh"
#include "cuda/slices.h"
#include "planner/apportion_remap_config.h"
#include "remap/assign.cuh"
#include "remap/dispatch_layout.cuh"
#include "remap/slice.cuh"

namespace lplb::cuda {
namespace {

template <class Id>
struct FusedParams {
  RemapParams<Id> remap;
  const Tokens* counts;  // [S, E]
  const Tokens* quota;   // [P]
  Tokens* table;         // [P]
  std::int32_t source_rank;
  std::int32_t cluster_size;
};

/// Experts with several copies in shared memory: arrays over the copies as in the placement's list, and over the
/// sources of each expert that the block owns.
struct TableMemory {
  Copy* copies;            // [P]
  Tokens* demand;          // [P]
  Tokens* row;             // [P]
  Tokens* matched;         // [P]
  Tokens* matched_before;  // [P]
  Tokens* demand_before;   // [P + shared experts]
  Tokens* supply;          // [own experts, S]
  Tokens* supply_before;   // [own experts, S + 1]
};

__device__ TableMemory table_memory(const PlacementView& placement, int cluster_size, char* memory) {
  const int num_physical = placement.num_physical;
  const int max_shared = num_physical - placement.num_logical;
  TableMemory table{.copies = reinterpret_cast<Copy*>(memory)};
  table.demand = reinterpret_cast<Tokens*>(table.copies + num_physical);
  table.row = table.demand + num_physical;
  table.matched = table.row + num_physical;
  table.matched_before = table.matched + num_physical;
  table.demand_before = table.matched_before + num_physical;
  table.supply = table.demand_before + num_physical + max_shared;
  table.supply_before = table.supply + max_own_experts(max_shared, cluster_size) * placement.num_ranks;
  return table;
}

/// Number `own` of the block's experts, number `shared` of the list.
__device__ Expert expert_of_table(const TableMemory& table, const SharedExpert& entry, int own, int shared,
                                  int num_ranks) {
  return {.num_copies = entry.count,
          .copies = table.copies + entry.first,
          .supply = table.supply + own * num_ranks,
          .supply_before = table.supply_before + own * (num_ranks + 1),
          .demand = table.demand + entry.first,
          .demand_before = table.demand_before + entry.first + shared,
          .row = table.row + entry.first,
          .matched = table.matched + entry.first,
          .matched_before = table.matched_before + entry.first};
}

/// A load that the thread does not wait for.
template <class T>
__device__ void load_async(T* to, const T* from) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(address), "l"(from), "n"(sizeof(T)) : "memory");
}
__device__ void wait_for_loads() {
  asm volatile("cp.async.wait_all;" ::: "memory");
  __syncwarp();
}

/// The other blocks' shared memory is there once they have all started; a lone block has nobody to wait for.
__device__ void wait_for_start(int cluster_size) {
  if (cluster_size > 1) {
    wait_in_cluster();
  }
}

/// f(expert's entry, own number, number in the list) for the experts of this warp.
template <class F>
__device__ void for_own_experts(const PlacementView& placement, int cluster_size, F f) {
  const int warp = (static_cast<int>(threadIdx.x) - kRemapThreads) / 32;
  const int num_shared = placement.shared[0].num_experts;
#pragma unroll 1
  for (int own = warp;; own += kTableWarps) {
    const int shared = own * cluster_size + cluster_rank();
    const SharedExpert entry = placement.shared[min(1 + shared, placement.num_logical)];  // loaded with the number
    if (shared >= num_shared) {
      break;
    }
    f(entry, own, shared);
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

/// The fractions of an expert's copies into all blocks of the cluster, a lane a copy and block where the copies are
/// few, else a lane a copy; the table's entries by the first cluster.
template <class Id>
__device__ void publish(const FusedParams<Id>& p, const SliceMemory& memory, const Expert& expert,
                        const SharedExpert& entry) {
  const int cluster_bits = __ffs(p.cluster_size) - 1;
  const int bits = expert.num_copies << cluster_bits <= 32 ? cluster_bits : 0;
#pragma unroll 1
  for (int i = lane_id(); i < expert.num_copies << bits; i += 32) {
    const int c = i >> bits;
    Tokens rest = 0;
#pragma unroll 4
    for (int later = c; later < expert.num_copies; ++later) {
      rest += expert.row[later];
    }
    const std::uint64_t fraction = rest == 0 ? 0 : fast_interleave_fraction(expert.row[c], rest);
#pragma unroll 1
    for (int block = i & ((1 << bits) - 1); block < p.cluster_size; block += 1 << bits) {
      store_in_block(memory.fraction + entry.first + c, block, fraction);
    }
  }
  if (static_cast<int>(blockIdx.x) < p.cluster_size) {
#pragma unroll 1
    for (int c = lane_id(); c < expert.num_copies; c += 32) {
      put_tokens(p, expert.copies[c].slot, expert.row[c]);
    }
  }
}

/// The table of the block's experts, as fractions into all blocks of the cluster.
template <class Id>
__device__ void make_table(const FusedParams<Id>& p, const TableMemory& table, const SliceMemory& memory) {
  const PlacementView& placement = p.remap.placement;
  for_own_experts(placement, p.cluster_size, [&](const SharedExpert& entry, int own, int shared) {
    const Expert expert = expert_of_table(table, entry, own, shared, placement.num_ranks);
#pragma unroll 1
    for (int c = lane_id(); c < expert.num_copies; c += 32) {
      load_async(expert.copies + c, placement.copies + entry.first + c);
    }
#pragma unroll 1
    for (int s = lane_id(); s < placement.num_ranks; s += 32) {
      load_async(expert.supply + s, p.counts + static_cast<std::int64_t>(s) * placement.num_logical + entry.expert);
    }
  });
  wait_for_loads();
  wait_for_previous();
  for_own_experts(placement, p.cluster_size, [&](const SharedExpert& entry, int, int) {
#pragma unroll 1
    for (int c = entry.first + lane_id(); c < entry.first + entry.count; c += 32) {
      load_async(table.demand + c, p.quota + table.copies[c].slot);
    }
  });
  wait_for_loads();
  wait_for_start(p.cluster_size);
  for_own_experts(placement, p.cluster_size, [&](const SharedExpert& entry, int own, int shared) {
    const Expert expert = expert_of_table(table, entry, own, shared, placement.num_ranks);
    match_copies(expert, placement, p.source_rank);
    publish(p, memory, expert, entry);
  });
}

/// A barrier of the warps that rank ids.
__device__ void sync_rankers() { asm volatile("bar.sync 1, %0;" ::"n"(kRemapThreads) : "memory"); }

/// Ranks the slice's ids, then reads what counting left.
template <class Id>
__device__ void rank_slice(const FusedParams<Id>& p, const SliceMemory& memory, uint4* shared, ThreadIds<Id>& ids) {
  const RemapParams<Id>& r = p.remap;
  const int num_logical = r.placement.num_logical;
  const int stride = histogram_stride(num_logical);
  load_ids(r, ids);
  load_placement(r, memory);
  zero_histograms(shared, stride);
  sync_rankers();
  if (find_experts(r, ids) && r.routing.status != nullptr) {
    atomicOr(r.routing.status, kStatusBadId);
  }
  rank_in_warp(ids, num_logical, memory.warp_before + static_cast<int>(threadIdx.x) / 32 * stride);
  sync_rankers();
  add_warps(memory.warp_before, num_logical);
  wait_for_previous();
#pragma unroll 1
  for (int e = static_cast<int>(threadIdx.x); e < num_logical; e += kRemapThreads) {
    memory.before[e] = static_cast<int>(blockIdx.x) < r.slices.num_slices ? tokens_before(r, e) : 0;
    if (blockIdx.x == 0) {
      memory.tokens[e] = p.counts[static_cast<std::int64_t>(p.source_rank) * num_logical + e];
    }
  }
  wait_for_start(p.cluster_size);
}

/// What remains of the table and the layout: experts with one copy, empty slots, and zeros. By the first block.
template <class Id>
__device__ void write_rest(const FusedParams<Id>& p, const SliceMemory& memory) {
  const PlacementView& placement = p.remap.placement;
  const int thread = static_cast<int>(threadIdx.x) - kRemapThreads;
  for (int e = thread; e < placement.num_logical; e += kTableThreads) {
    if (memory.range[e].count == 1) {
      put_tokens(p, memory.copy[memory.range[e].first].slot, memory.tokens[e]);
    }
  }
  const CopyRange last = memory.range[placement.num_logical - 1];
  for (int i = last.first + last.count + thread; i < placement.num_physical; i += kTableThreads) {
    put_tokens(p, memory.copy[i].slot, 0);
  }
  for (int g = thread; p.remap.num_tokens_per_rank != nullptr && g < placement.num_ranks; g += kTableThreads) {
    p.remap.num_tokens_per_rank[g] = 0;
  }
}

/// A block owns a slice of 1,024 ids, as in remap; its last warps an expert each in turn, as in apportion. Shared
/// memory: fused_shared_bytes. Floor: launch; the longer of remap's ranking and three trips to L2 with a match behind
/// them; a cluster barrier, a fraction a copy, and the stores.
template <class Id>
__global__ void __launch_bounds__(kFusedThreads, 2) apportion_remap_kernel(const FusedParams<Id> p) {
  extern __shared__ uint4 shared[];
  const RemapParams<Id>& r = p.remap;
  const SliceMemory memory = slice_memory(r, shared);
  const bool is_ranker = threadIdx.x < kRemapThreads;
  let_next_start();
  if (p.cluster_size > 1) {
    say_started_in_cluster();
  }
  ThreadIds<Id> ids;
  if (is_ranker) {
    rank_slice(p, memory, shared, ids);
  } else {
    const std::size_t offset = remap_shared_bytes(r.placement.num_logical, r.placement.num_physical);
    make_table(p, table_memory(r.placement, p.cluster_size, reinterpret_cast<char*>(shared) + align_16(offset)),
               memory);
  }
  arrive_in_cluster();
  wait_in_cluster();
  if (is_ranker) {
    write_physical(r, memory, ids);
  } else if (blockIdx.x == 0) {
    write_rest(p, memory);
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
      params.slices.num_slices, current_compute_capability() >= 90 ? kMaxClusterSize : 1);
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
          .cluster_size = config.cluster_size,
          .overlaps_previous = first.overlaps_previous},
         stream,
         FusedParams<Id>{.remap = params,
                         .counts = first.counts.data(),
                         .quota = first.quota.data(),
                         .table = first.tokens.data(),
                         .source_rank = first.source_rank,
                         .cluster_size = config.cluster_size});
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
