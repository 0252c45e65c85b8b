#pragma once

// Device memory whose contents are replaced in the order of a stream, at an address that stays, so that captured graphs
// follow. There are two pinned copies on the host: one can be filled while the copy out of the other is still to come.

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "cuda/device_buffer.cuh"
#include "cuda/error.cuh"
#include "lplb/cuda.h"

namespace lplb::cuda {

template <class T>
class StagedBuffer {
 public:
  /// Allocates and uploads; synchronizes.
  explicit StagedBuffer(std::span<const T> values)
      : device_(values), staging_{Pinned(values.size()), Pinned(values.size())} {}

  T* data() { return device_.data(); }
  std::span<T> span() { return device_.span(); }

  /// Waits for the host side alone, and only where the last two replacements have not been copied yet.
  void replace(std::span<const T> values, Stream stream) {
    Pinned& pinned = staging_[next_];
    next_ = 1 - next_;
    check_cuda(cudaEventSynchronize(pinned.copied), "StagedBuffer");
    std::ranges::copy(values, pinned.data);
    check_cuda(cudaMemcpyAsync(device_.data(), pinned.data, values.size_bytes(), cudaMemcpyHostToDevice, stream),
               "StagedBuffer");
    check_cuda(cudaEventRecord(pinned.copied, stream), "StagedBuffer");
  }

 private:
  struct Pinned {
    explicit Pinned(std::size_t size) {
      check_cuda(cudaMallocHost(&data, size * sizeof(T)), "StagedBuffer");
      check_cuda(cudaEventCreateWithFlags(&copied, cudaEventDisableTiming), "StagedBuffer");
    }
    ~Pinned() {
      cudaFreeHost(data);
      cudaEventDestroy(copied);
    }
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;

    T* data = nullptr;
    cudaEvent_t copied = nullptr;  // the last copy out of data
  };

  DeviceBuffer<T> device_;
  std::array<Pinned, 2> staging_;
  int next_ = 0;
};

}  // namespace lplb::cuda
