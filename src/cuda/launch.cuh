#pragma once

// Launching a kernel with what the stages use: clusters, and the start of a kernel while the one before it still runs
// (programmatic dependent launch). On devices before Hopper both fall away: the device functions do nothing there.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "cuda/error.cuh"
#include "lplb/cuda.h"

namespace lplb::cuda {

/// Shared memory in bytes that one block can ask for on the current device. `name` is whom an error names.
inline int shared_bytes_of_block(const char* name) {
  int device = 0;
  int bytes = 0;
  check_cuda(cudaGetDevice(&device), name);
  check_cuda(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), name);
  return bytes;
}

/// How one kernel is launched.
struct LaunchConfig {
  int num_blocks = 1;
  int num_threads = 1;
  std::size_t shared_bytes = 0;
  int cluster_size = 1;            // more than 1 on Hopper and later only
  bool overlaps_previous = false;  // may start before its predecessor ends; must call wait_for_previous
};

/// Waits until the kernels before this one have ended and their writes can be seen. Every block of a kernel that was
/// launched with overlaps_previous calls it, also one with nothing to do: only so is its own end the end of all before.
__device__ inline void wait_for_previous() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// Lets the next kernel start, if it was launched with overlaps_previous. It says nothing about this kernel's writes.
__device__ inline void let_next_start() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// 10 * major + minor of the current device.
int current_compute_capability();

/// Launches `kernel(args...)` on the stream.
template <class... Parameters, class... Args>
void launch(const char* name, void (*kernel)(Parameters...), const LaunchConfig& config, Stream stream,
            const Args&... args) {
  constexpr std::size_t kSharedBytesWithoutAsking = 48 * 1024;
  if (config.shared_bytes > kSharedBytesWithoutAsking) {
    check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(config.shared_bytes)),
               name);
  }
  cudaLaunchAttribute attributes[2];
  cudaLaunchConfig_t launch_config{};
  launch_config.gridDim = dim3(static_cast<unsigned>(config.num_blocks));
  launch_config.blockDim = dim3(static_cast<unsigned>(config.num_threads));
  launch_config.dynamicSmemBytes = config.shared_bytes;
  launch_config.stream = stream;
  launch_config.attrs = attributes;
  if (config.cluster_size > 1) {
    cudaLaunchAttribute& attribute = attributes[launch_config.numAttrs++];
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = static_cast<unsigned>(config.cluster_size);
    attribute.val.clusterDim.y = 1;
    attribute.val.clusterDim.z = 1;
  }
  if (config.overlaps_previous && current_compute_capability() >= 90) {
    cudaLaunchAttribute& attribute = attributes[launch_config.numAttrs++];
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
  }
  check_cuda(cudaLaunchKernelEx(&launch_config, kernel, static_cast<Parameters>(args)...), name);
}

}  // namespace lplb::cuda
