#pragma once

// Copies in the lanes of a warp, and sums over the lanes of an expert.

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/placement.cuh"
#include "cuda/warp.cuh"
#include "lplb/types.h"

namespace lplb::cuda {

/// The placement's counts, which all lanes have.
__device__ inline ReplicatedCounts of_all(const ReplicatedCounts& counts) {
  return {.num_replicated = static_cast<std::uint16_t>(of_all(counts.num_replicated)),
          .num_wide = static_cast<std::uint16_t>(of_all(counts.num_wide)),
          .num_warps = static_cast<std::uint16_t>(of_all(counts.num_warps)),
          .unused = 0};
}

/// The slot of the last copy of the lane's expert, if that comes next; else `otherwise`.
__device__ inline int last_slot_behind(const CopyLane& at, int otherwise) {
  const int next = __shfl_down_sync(kAllLanes, at.slot, 1);
  return lane_id() + 2 == at.end ? next : otherwise;
}

/// The lane's copy in warp number `warp` of the placement; none behind the last.
__device__ inline CopyLane load_lane(const PlacementView& placement, int warp) {
  return warp < max_copy_warps(placement.num_logical, placement.num_physical)
             ? placement.lanes[warp * kMatchLanes + lane_id()]
             : CopyLane{};
}

/// The most copies that an expert of the warp has: those of its first, as experts stand in descending order.
__device__ inline int most_copies(const CopyLane& at) { return __shfl_sync(kAllLanes, at.end - at.first, 0); }

/// Sum of the lanes from `first` on up to this one; they are at most `most`.
__device__ inline Tokens sum_to_lane(Tokens value, int first, int most) {
#pragma unroll 1
  for (int offset = 1; offset < most; offset *= 2) {
    const Tokens earlier = __shfl_up_sync(kAllLanes, value, offset);
    value += lane_id() - first >= offset ? earlier : 0;
  }
  return value;
}

/// Sum of this lane and those behind it before `end`.
__device__ inline Tokens sum_from_lane(Tokens value, int end, int most) {
#pragma unroll 1
  for (int offset = 1; offset < most; offset *= 2) {
    const Tokens later = __shfl_down_sync(kAllLanes, value, offset);
    value += lane_id() + offset < end ? later : 0;
  }
  return value;
}

/// From sum_to_lane: the sum of the lanes from `first` on before `lane`.
__device__ inline Tokens sum_before(Tokens sum, int lane, int first) {
  const Tokens earlier = __shfl_sync(kAllLanes, sum, lane - 1);
  return lane > first ? earlier : 0;
}

}  // namespace lplb::cuda
