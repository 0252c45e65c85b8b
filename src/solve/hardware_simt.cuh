#pragma once

// The operations of solve/simt.h on a GPU. Sums, maxima and unions over a warp are one instruction each since sm_80.

#include <cuda_pipeline_primitives.h>
#include <cuda_runtime.h>

#include "cuda/warp.cuh"
#include "solve/simt.h"

namespace lplb::cuda {

struct HardwareSimt {
  __device__ static int thread() { return static_cast<int>(threadIdx.x); }
  __device__ static int lane() { return lane_id(); }
  __device__ static int warp() { return warp_id(); }
  __device__ static int num_threads() { return static_cast<int>(blockDim.x); }
  __device__ static int num_warps() { return num_threads() / kWarpSize; }
  __device__ static void sync_block() { __syncthreads(); }
  __device__ static void sync_warp() { __syncwarp(); }

  __device__ static int shuffle(int value, int lane) { return __shfl_sync(kAllLanes, value, lane); }
  __device__ static unsigned ballot(bool flag) { return __ballot_sync(kAllLanes, flag); }
  __device__ static int reduce_add(int value) { return __reduce_add_sync(kAllLanes, value); }
  __device__ static unsigned reduce_add(unsigned value) { return __reduce_add_sync(kAllLanes, value); }
  __device__ static int reduce_max(int value) { return __reduce_max_sync(kAllLanes, value); }
  __device__ static unsigned reduce_or(unsigned value) { return __reduce_or_sync(kAllLanes, value); }

  __device__ static int add(int* sum, int value) { return atomicAdd(sum, value); }
  __device__ static unsigned add(unsigned* sum, unsigned value) { return atomicAdd(sum, value); }
  __device__ static void raise(int* most, int value) { atomicMax(most, value); }
  __device__ static void copy_quad(unsigned* to, const unsigned* from) { __pipeline_memcpy_async(to, from, 16); }
  __device__ static void wait_for_copies() {
    __pipeline_commit();
    __pipeline_wait_prior(0);
  }

  /// One slow instruction, where __ffs takes two.
  __device__ static int lowest_bit(unsigned bits) { return 31 - __clz(static_cast<int>(bits & (0U - bits))); }
  __device__ static int count_bits(unsigned bits) { return __popc(bits); }
};

}  // namespace lplb::cuda
