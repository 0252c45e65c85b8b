#pragma once

// Who a thread is among the lanes and warps of its block.

#include <cuda_runtime.h>

namespace lplb::cuda {

/// The mask of all lanes of a warp.
inline constexpr unsigned kAllLanes = 0xffffffffU;

__device__ inline int lane_id() { return static_cast<int>(threadIdx.x) % 32; }

/// Loads that come before are asked for before what follows begins. The compiler puts a load where its value is used,
/// be that behind a wait or behind the use of another one, unless something that all lanes do together lies between.
__device__ inline void loads_go_first() { __syncwarp(); }

/// What all lanes have, from one of them, so that the compiler knows. Where it is in doubt whether a warp's lanes go
/// together, it puts a branch before each exchange between them.
__device__ inline int of_all(int value) { return __shfl_sync(kAllLanes, value, 0); }

/// The warp's number in its block.
__device__ inline int warp_id() { return of_all(static_cast<int>(threadIdx.x) / 32); }

}  // namespace lplb::cuda
