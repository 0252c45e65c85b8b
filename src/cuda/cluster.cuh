#pragma once

// Thread block clusters, which Hopper has; before it a cluster is one block, and these functions know that.

#include <cuda_runtime.h>

#include <cstdint>

namespace lplb::cuda {

/// The block's number in its cluster.
__device__ inline int cluster_rank() {
  std::uint32_t rank = 0;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
#endif
  return static_cast<int>(rank);
}

/// First half of a barrier before which nothing was written.
__device__ inline void say_started_in_cluster() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
#endif
}

/// First half of a barrier of all threads of the cluster: what a thread wrote before can be read by those that wait.
__device__ inline void arrive_in_cluster() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#endif
}

/// Second half; at least a barrier of the block.
__device__ inline void wait_in_cluster() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
  __syncthreads();
#endif
}

/// *local = value, in the shared memory of block `rank` of the cluster.
__device__ inline void store_in_block(std::int32_t* local, int rank, std::int32_t value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(local));
  std::uint32_t remote = 0;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(address), "r"(rank));
  asm volatile("st.shared::cluster.s32 [%0], %1;" ::"r"(remote), "r"(value) : "memory");
#else
  (void)rank;
  *local = value;
#endif
}

}  // namespace lplb::cuda
