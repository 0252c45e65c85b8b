#pragma once

// Matching the sources and copies of one expert of any number of copies, by one warp over shared memory;
// match_lanes.cuh does it in registers where a lane has one copy. In ascending order that is laying two rulers side by
// side: source s covers [A, A + supply) of one, copy c covers [D, D + demand) of the other, and the overlap is what s
// sends to c. Prefix sums give A and D, so a level of nearness costs one scan instead of a walk.

#include <cuda_runtime.h>

#include "cuda/lanes.cuh"
#include "cuda/placement.cuh"
#include "cuda/warp.cuh"
#include "lplb/types.h"

namespace lplb::cuda {

// Loops over ranks and copies mostly run once and are not unrolled: a kernel this short waits for its instructions,
// too.

/// One expert in shared memory.
struct Expert {
  int num_copies;
  Copy* copies;            // [num_copies]
  Tokens* supply;          // [S] what sources still have
  Tokens* supply_before;   // [S + 1] of the sources before
  Tokens* demand;          // [num_copies] what copies still take
  Tokens* demand_before;   // [num_copies + 1] of the copies before
  Tokens* row;             // [num_copies] what the source gives
  Tokens* matched;         // [num_copies] at the first copy of a node: tokens that stay in the node
  Tokens* matched_before;  // [num_copies] there too: those that stay in the nodes before
};

/// Prefix sums of the remainders; both scans go through the shuffles together.
__device__ inline void lay_rulers(const Expert& expert, int num_ranks) {
  Tokens supply_base = 0;
  Tokens demand_base = 0;
#pragma unroll 1
  for (int i = lane_id(); i - lane_id() < max(num_ranks, expert.num_copies); i += 32) {
    const Tokens supply = i < num_ranks ? expert.supply[i] : 0;
    const Tokens demand = i < expert.num_copies ? expert.demand[i] : 0;
    Tokens supply_end = supply;
    Tokens demand_end = demand;
    for (int offset = 1; offset < 32; offset *= 2) {
      const Tokens earlier_supply = __shfl_up_sync(kAllLanes, supply_end, offset);
      const Tokens earlier_demand = __shfl_up_sync(kAllLanes, demand_end, offset);
      supply_end += lane_id() >= offset ? earlier_supply : 0;
      demand_end += lane_id() >= offset ? earlier_demand : 0;
    }
    supply_end += supply_base;
    demand_end += demand_base;
    if (i < num_ranks) {
      expert.supply_before[i + 1] = supply_end;
    }
    if (i < expert.num_copies) {
      expert.demand_before[i + 1] = demand_end;
    }
    supply_base = __shfl_sync(kAllLanes, supply_end, 31);
    demand_base = __shfl_sync(kAllLanes, demand_end, 31);
  }
  if (lane_id() == 0) {
    expert.supply_before[0] = 0;
    expert.demand_before[0] = 0;
  }
  __syncwarp();
}

/// What [begin, begin + length) and [other, other + other_length) have in common.
__device__ inline Tokens overlap(Tokens begin, Tokens length, Tokens other, Tokens other_length) {
  return max(0, min(begin + length, other + other_length) - max(begin, other));
}

/// Serves copies from their own rank. A lane owns the copies of one rank, so that no two lanes share a supply.
__device__ inline void match_ranks(const Expert& expert, int source) {
#pragma unroll 1
  for (int c = lane_id(); c < expert.num_copies; c += 32) {
    const int rank = expert.copies[c].rank;
    if (c > 0 && expert.copies[c - 1].rank == rank) {
      continue;
    }
    Tokens supply = expert.supply[rank];
#pragma unroll 1
    for (int i = c; i < expert.num_copies && expert.copies[i].rank == rank; ++i) {
      const Tokens tokens = min(supply, expert.demand[i]);
      supply -= tokens;
      expert.demand[i] -= tokens;
      expert.row[i] = rank == source ? tokens : 0;
    }
    expert.supply[rank] = supply;
  }
  __syncwarp();
}

/// The source on its node's ruler, and what of the nodes matters to it.
struct SourceNode {
  int node;
  Tokens begin;           // tokens of earlier sources of the node
  Tokens matched;         // tokens that stay in the node
  Tokens matched_before;  // in the nodes before
};

/// Tokens that stay in each node: the smaller of its supply and its demand. The last copy of a node speaks for it.
__device__ inline SourceNode match_nodes(const Expert& expert, const PlacementView& placement, int source) {
  const int ranks_per_node = placement.ranks_per_node;
  SourceNode own{.node = source / ranks_per_node, .begin = 0, .matched = 0, .matched_before = 0};
  own.begin = expert.supply_before[source] - expert.supply_before[own.node * ranks_per_node];
  Tokens base = 0;
#pragma unroll 1
  for (int chunk = 0; chunk < expert.num_copies; chunk += 32) {
    const int c = chunk + lane_id();
    const bool is_copy = c < expert.num_copies;
    const int node = is_copy ? expert.copies[c].node : -1;
    Tokens matched = 0;
    if (is_copy && (c + 1 == expert.num_copies || expert.copies[c + 1].node != node)) {
      const int first = expert.copies[c].first_of_node;
      matched = min(expert.demand_before[c + 1] - expert.demand_before[first],
                    expert.supply_before[(node + 1) * ranks_per_node] - expert.supply_before[node * ranks_per_node]);
      expert.matched[first] = matched;
    }
    own.matched += static_cast<Tokens>(__reduce_add_sync(kAllLanes, node == own.node ? matched : 0));
    own.matched_before += static_cast<Tokens>(__reduce_add_sync(kAllLanes, node < own.node ? matched : 0));
    Tokens end = matched;
    for (int offset = 1; offset < 32; offset *= 2) {
      const Tokens earlier = __shfl_up_sync(kAllLanes, end, offset);
      end += lane_id() >= offset ? earlier : 0;
    }
    if (is_copy) {
      expert.matched_before[c] = base + end - matched;
    }
    base += __shfl_sync(kAllLanes, end, 31);
  }
  __syncwarp();
  return own;
}

/// Serves copies from their own node, then from anywhere. A node's rulers are pieces of the whole ones; what is left of
/// them, with all that stays in nodes cut out, are the rulers of the rest.
__device__ inline void match_nodes_and_rest(const Expert& expert, const PlacementView& placement, int source) {
  lay_rulers(expert, placement.num_ranks);
  const SourceNode own = match_nodes(expert, placement, source);
  const Tokens supply = expert.supply[source];
  const Tokens supply_left = supply - overlap(0, own.matched, own.begin, supply);
  const Tokens begin_left =
      expert.supply_before[source] - own.begin - own.matched_before + max(0, own.begin - own.matched);
#pragma unroll 1
  for (int c = lane_id(); c < expert.num_copies; c += 32) {
    const int first = expert.copies[c].first_of_node;
    const Tokens demand = expert.demand[c];
    const Tokens node_begin = expert.demand_before[first];
    const Tokens begin = expert.demand_before[c] - node_begin;
    const Tokens matched = expert.matched[first];
    const Tokens from_node = expert.copies[c].node == own.node ? overlap(own.begin, supply, begin, demand) : 0;
    const Tokens demand_left = demand - overlap(0, matched, begin, demand);
    const Tokens demand_begin_left = node_begin - expert.matched_before[first] + max(0, begin - matched);
    expert.row[c] += from_node + overlap(begin_left, supply_left, demand_begin_left, demand_left);
  }
}

/// What the source gives to each copy, in `row`; all lanes can read it then.
__device__ inline void match_copies(const Expert& expert, const PlacementView& placement, int source) {
  match_ranks(expert, source);
  match_nodes_and_rest(expert, placement, source);
  __syncwarp();
}

/// An expert in apportion_warp_words of shared memory, which begin at one of 16 bytes.
__device__ inline Expert expert_memory(const PlacementView& placement, Tokens* memory, int num_copies) {
  const int max_copies = placement.num_physical - placement.num_logical + 1;
  Expert expert{.num_copies = num_copies, .copies = reinterpret_cast<Copy*>(memory)};
  expert.demand = memory + sizeof(Copy) / sizeof(Tokens) * max_copies;
  expert.demand_before = expert.demand + max_copies;
  expert.row = expert.demand_before + max_copies + 1;
  expert.matched = expert.row + max_copies;
  expert.matched_before = expert.matched + max_copies;
  expert.supply = expert.matched_before + max_copies;
  expert.supply_before = expert.supply + placement.num_ranks;
  return expert;
}

/// The expert's copies, which begin at number `first` of the list.
__device__ inline void load_copies(const PlacementView& placement, int first, const Expert& expert) {
#pragma unroll 1
  for (int c = lane_id(); c < expert.num_copies; c += 32) {
    expert.copies[c] = placement.copies[first + c];
  }
  __syncwarp();
}

/// The same, and what sources have of it.
__device__ inline void load_expert(const PlacementView& placement, const Tokens* counts, int e, int first,
                                   const Expert& expert) {
#pragma unroll 1
  for (int s = lane_id(); s < placement.num_ranks; s += 32) {
    expert.supply[s] = counts[static_cast<std::int64_t>(s) * placement.num_logical + e];
  }
  load_copies(placement, first, expert);
}

}  // namespace lplb::cuda
