#pragma once

// Matching the sources and copies of experts, a lane a copy: all experts of a warp at once, in registers. The rulers
// are those of match.cuh. What sources have depends on the counts alone and is summed up while the quotas are on their
// way; what is left then are a few sums over the lanes of an expert.

#include <cuda_runtime.h>

#include "apportion/match.cuh"
#include "cuda/lanes.cuh"
#include "cuda/placement.cuh"
#include "cuda/warp.cuh"
#include "lplb/types.h"

namespace lplb::cuda {

/// The source whose tokens are given to copies.
struct Source {
  int rank;
  int node;
};

/// What a copy's lane needs of its expert's sources.
struct SupplyMarks {
  Tokens of_rank;         // of the copy's rank
  Tokens of_node;         // of the copy's node
  Tokens of_source;       // of the source itself,
  Tokens before;          // of the sources before it,
  Tokens before_in_node;  // and of those among them that are in its node
};

/// Sum of what `count` sources have, eight loads at a time.
__device__ inline Tokens sum_sources(const Tokens* supply, int stride, int count) {
  constexpr int kLoads = 8;
  Tokens sum = 0;
#pragma unroll 1
  for (int left = count; left > 0; left -= kLoads) {
    for (int i = 0; i < kLoads; ++i) {
      sum += i < left ? *supply : 0;
      supply += stride;
    }
  }
  return sum;
}

/// `supply` [S], `stride` apart, in shared memory: what the sources of the lane's expert have.
__device__ inline SupplyMarks read_marks(const CopyLane& at, const Tokens* supply, int stride, int ranks_per_node,
                                         Source source) {
  const int first_in_node = source.node * ranks_per_node;
  const Tokens before_in_node = sum_sources(supply + first_in_node * stride, stride, source.rank - first_in_node);
  return {.of_rank = supply[at.rank * stride],
          .of_node = sum_sources(supply + at.node * ranks_per_node * stride, stride, ranks_per_node),
          .of_source = supply[source.rank * stride],
          .before = before_in_node + sum_sources(supply, stride, first_in_node),
          .before_in_node = before_in_node};
}

/// Where the source stands among the lanes of a copy's expert.
struct SourceLanes {
  int rank_begin;  // the first copy on its rank, or behind it
  int rank_end;    // the first behind it
  int node_begin;  // as these, of its node
  int node_end;
};

__device__ inline SourceLanes find_source(const CopyLane& at, Source source) {
  const unsigned lanes = at.end == 0 ? 0 : kAllLanes >> (32 - at.end) & kAllLanes << at.first;
  const auto first_behind = [&](bool is_ahead) {
    return at.first + __popc(__ballot_sync(kAllLanes, is_ahead) & lanes);
  };
  return {.rank_begin = first_behind(at.rank < source.rank),
          .rank_end = first_behind(at.rank <= source.rank),
          .node_begin = first_behind(at.node < source.node),
          .node_end = first_behind(at.node <= source.node)};
}

/// What the source gives to the lane's copy, which demands `demand`; 0 without a copy. No expert of the warp has more
/// than `most` copies.
__device__ inline Tokens match_in_lanes(const CopyLane& at, const SupplyMarks& marks, Tokens demand, Source source,
                                        int most) {
  const SourceLanes near = find_source(at, source);
  const int first = at.first;
  Tokens ahead = 0;  // what earlier copies on the same rank demand
  if (__any_sync(kAllLanes, at.end > 0 && at.first_of_rank != lane_id())) {
    const Tokens sum = sum_to_lane(demand, first, most);
    ahead = sum - demand - sum_before(sum, at.first_of_rank, first);
  }
  const Tokens from_rank = max(0, min(demand, marks.of_rank - ahead));
  const Tokens left = demand - from_rank;
  Tokens rank_sum = from_rank;
  Tokens left_sum = left;
#pragma unroll 1
  for (int offset = 1; offset < most; offset *= 2) {
    const Tokens earlier_rank = __shfl_up_sync(kAllLanes, rank_sum, offset);
    const Tokens earlier_left = __shfl_up_sync(kAllLanes, left_sum, offset);
    rank_sum += lane_id() - first >= offset ? earlier_rank : 0;
    left_sum += lane_id() - first >= offset ? earlier_left : 0;
  }

  // The copy's node: tokens that stay in it, and in the nodes before.
  const Tokens node_begin = sum_before(left_sum, at.first_of_node, first);
  const Tokens node_demand = __shfl_sync(kAllLanes, left_sum, at.last_of_node) - node_begin;
  const Tokens node_supply = marks.of_node - (__shfl_sync(kAllLanes, rank_sum, at.last_of_node) -
                                              sum_before(rank_sum, at.first_of_node, first));
  const Tokens matched = min(node_demand, node_supply);
  const Tokens matched_sum = sum_to_lane(at.first_of_node == lane_id() ? matched : 0, first, most);

  // The source on its node's ruler and on that of the rest.
  const Tokens ranks_before = sum_before(rank_sum, near.rank_begin, first);
  const Tokens supply = marks.of_source - (sum_before(rank_sum, near.rank_end, first) - ranks_before);
  const Tokens begin = marks.before_in_node - (ranks_before - sum_before(rank_sum, near.node_begin, first));
  const Tokens own_matched_before = sum_before(matched_sum, near.node_begin, first);
  const Tokens own_matched = sum_before(matched_sum, near.node_end, first) - own_matched_before;
  const Tokens supply_left = supply - overlap(0, own_matched, begin, supply);
  const Tokens begin_left = marks.before - ranks_before - begin - own_matched_before + max(0, begin - own_matched);

  // The copy on the same two.
  const Tokens in_node = left_sum - left - node_begin;
  const Tokens from_node = at.node == source.node ? overlap(begin, supply, in_node, left) : 0;
  const Tokens wanted = left - overlap(0, matched, in_node, left);
  const Tokens wanted_begin = node_begin - (matched_sum - matched) + max(0, in_node - matched);
  return (at.rank == source.rank ? from_rank : 0) + from_node + overlap(begin_left, supply_left, wanted_begin, wanted);
}

}  // namespace lplb::cuda
