#pragma once

// Return codes of the CUDA runtime as CudaError.

#include <cuda_runtime.h>

#include <string>

#include "lplb/error.h"

namespace lplb::cuda {

/// Throws CudaError "[what] cudaErrorName: text" unless `code` is success.
inline void check_cuda(cudaError_t code, const char* what) {
  if (code != cudaSuccess) [[unlikely]] {
    throw CudaError(std::string("[") + what + "] " + cudaGetErrorName(code) + ": " + cudaGetErrorString(code));
  }
}

}  // namespace lplb::cuda
