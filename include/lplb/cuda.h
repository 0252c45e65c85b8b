#pragma once

// What the CUDA stages share: the stream type, which a header may name without CUDA's, and what the machine has.

#include <string>

struct CUstream_st;

namespace lplb::cuda {

/// The runtime's cudaStream_t.
using Stream = CUstream_st*;

/// Whether this build holds the CUDA stages. Where it does not, every other function that needs them throws CudaError.
bool is_built();

/// GPUs that this process can use; 0 without a GPU, a driver, or the CUDA stages. Never throws.
int device_count();

struct DeviceInfo {
  std::string name;
  int compute_capability = 0;  // 10 * major + minor
  int num_multiprocessors = 0;
  int max_shared_bytes = 0;  // that one block can ask for
};

/// Throws InvalidArgument when there is no such device.
DeviceInfo device_info(int device);

}  // namespace lplb::cuda
