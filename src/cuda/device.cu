// What the machine has, asked of the CUDA runtime.

#include <array>
#include <atomic>

#include "base/check.h"
#include "cuda/error.cuh"
#include "cuda/launch.cuh"
#include "lplb/cuda.h"

namespace lplb::cuda {
namespace {

int attribute(cudaDeviceAttr attribute, int device) {
  int value = 0;
  check_cuda(cudaDeviceGetAttribute(&value, attribute, device), "device_info");
  return value;
}

int compute_capability(int device) {
  return 10 * attribute(cudaDevAttrComputeCapabilityMajor, device) +
         attribute(cudaDevAttrComputeCapabilityMinor, device);
}

}  // namespace

bool is_built() { return true; }

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // it is answered; a later check must not find it
    return 0;
  }
  return count;
}

DeviceInfo device_info(int device) {
  check(device >= 0 && device < device_count(), "[device_info] device (", device, ") must be one of the ",
        device_count(), " devices from 0 on");
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, device), "device_info");
  return {.name = properties.name,
          .compute_capability = compute_capability(device),
          .num_multiprocessors = properties.multiProcessorCount,
          .max_shared_bytes = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device)};
}

int current_compute_capability() {
  constexpr int kMaxDevices = 64;
  static std::array<std::atomic<int>, kMaxDevices> known{};  // 0 = not asked yet
  int device = 0;
  check_cuda(cudaGetDevice(&device), "current_compute_capability");
  if (device >= kMaxDevices) {
    return compute_capability(device);
  }
  if (known[device] == 0) {
    known[device] = compute_capability(device);
  }
  return known[device];
}

}  // namespace lplb::cuda
