#pragma once

// Matching the sources and copies of one expert, by one warp. In ascending order that is laying two rulers side by
// side: source s covers [A, A + supply) of one, copy c covers [D, D + demand) of the other, and the overlap is what s
// sends to c. Prefix sums give A and D, so a level of nearness costs one scan instead of a walk.

#include <cuda_runtime.h>

#include "cuda/launch.cuh"
#include "cuda/placement.cuh"
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

__device__ inline int lane_id() { return static_cast<int>(threadIdx.x) % 32; }

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

/// Both levels for two copies on different ranks, which is what most experts with copies have. The rulers' marks that
/// matter are a few sums over the sources, so that no scan is needed.
__device__ inline void match_pair(const Expert& expert, const PlacementView& placement, int source) {
  const int ranks_per_node = placement.ranks_per_node;
  const Copy copy[2] = {expert.copies[0], expert.copies[1]};
  const Tokens own[2] = {min(expert.supply[copy[0].rank], expert.demand[0]),
                         min(expert.supply[copy[1].rank], expert.demand[1])};
  const auto supply_of = [&](int s) {
    return expert.supply[s] - (s == copy[0].rank ? own[0] : 0) - (s == copy[1].rank ? own[1] : 0);
  };
  const int node = source / ranks_per_node;
  const auto is_in = [&](int s, int n) { return s >= n * ranks_per_node && s < (n + 1) * ranks_per_node; };
  unsigned before = 0;          // supply of earlier sources,
  unsigned before_in_node = 0;  // and of those in the source's node
  unsigned in_node[2] = {0, 0};
#pragma unroll 1
  for (int s = lane_id(); s < placement.num_ranks; s += 32) {
    const auto supply = static_cast<unsigned>(supply_of(s));
    before += s < source ? supply : 0;
    before_in_node += s < source && is_in(s, node) ? supply : 0;
    in_node[0] += is_in(s, copy[0].node) ? supply : 0;
    in_node[1] += is_in(s, copy[1].node) ? supply : 0;
  }
  const auto begin = static_cast<Tokens>(__reduce_add_sync(kAllLanes, before_in_node));
  const auto supply_before = static_cast<Tokens>(__reduce_add_sync(kAllLanes, before));
  const auto supply_a = static_cast<Tokens>(__reduce_add_sync(kAllLanes, in_node[0]));
  const auto supply_b = static_cast<Tokens>(__reduce_add_sync(kAllLanes, in_node[1]));
  const Tokens demand[2] = {expert.demand[0] - own[0], expert.demand[1] - own[1]};
  const bool one_node = copy[0].node == copy[1].node;
  const Tokens matched[2] = {min(one_node ? demand[0] + demand[1] : demand[0], supply_a),
                             one_node ? 0 : min(demand[1], supply_b)};
  const Tokens own_matched = (copy[0].node == node ? matched[0] : 0) + (copy[1].node == node ? matched[1] : 0);
  const Tokens matched_before = (copy[0].node < node ? matched[0] : 0) + (copy[1].node < node ? matched[1] : 0);
  const Tokens supply = supply_of(source);
  const Tokens supply_left = supply - overlap(0, own_matched, begin, supply);
  const Tokens begin_left = supply_before - begin - matched_before + max(0, begin - own_matched);
  if (lane_id() < 2) {
    const int c = lane_id();
    const bool opens_node = c == 1 && !one_node;
    const Tokens node_begin = opens_node ? demand[0] : 0;
    const Tokens in_node_begin = c == 1 && one_node ? demand[0] : 0;
    const Tokens node_matched = opens_node ? matched[1] : matched[0];
    const Tokens wanted = c == 0 ? demand[0] : demand[1];
    const int copy_rank = c == 0 ? copy[0].rank : copy[1].rank;
    const int copy_node = c == 0 ? copy[0].node : copy[1].node;
    const Tokens from_node = copy_node == node ? overlap(begin, supply, in_node_begin, wanted) : 0;
    const Tokens wanted_left = wanted - overlap(0, node_matched, in_node_begin, wanted);
    const Tokens wanted_begin = node_begin - (opens_node ? matched[0] : 0) + max(0, in_node_begin - node_matched);
    expert.row[c] = (copy_rank == source ? (c == 0 ? own[0] : own[1]) : 0) + from_node +
                    overlap(begin_left, supply_left, wanted_begin, wanted_left);
  }
  __syncwarp();
}

/// What the source gives to each copy, in `row`; all lanes can read it then.
__device__ inline void match_copies(const Expert& expert, const PlacementView& placement, int source) {
  if (expert.num_copies == 2 && expert.copies[0].rank != expert.copies[1].rank) {
    match_pair(expert, placement, source);
    return;
  }
  match_ranks(expert, source);
  match_nodes_and_rest(expert, placement, source);
  __syncwarp();
}

}  // namespace lplb::cuda
