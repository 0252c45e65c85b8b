#pragma once

// Who a thread is among the lanes and warps of its block.

#include <cuda_runtime.h>

namespace lplb::cuda {

/// The mask of all lanes of a warp.
inline constexpr unsigned kAllLanes = 0xffffffffU;

__device__ inline int lane_id() { return static_cast<int>(threadIdx.x) % 32; }

/// The warp's number in its block, from one lane, so that the compiler knows that all have the same. Where it is in
/// doubt whether a warp's lanes go together, it puts a branch before each exchange between them.
__device__ inline int warp_id() { return __shfl_sync(kAllLanes, static_cast<int>(threadIdx.x) / 32, 0); }

}  // namespace lplb::cuda
