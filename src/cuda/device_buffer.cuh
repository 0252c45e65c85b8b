#pragma once

// Memory on the device that is freed with its owner, and copies to and from it. Allocating and copying synchronize:
// for constructors, placement changes and tests, never for a launcher.

#include <cuda_runtime.h>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "cuda/error.cuh"

namespace lplb::cuda {

template <class T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  /// `size` elements, all bytes 0.
  explicit DeviceBuffer(std::size_t size) : size_(size) {
    if (size > 0) {
      check_cuda(cudaMalloc(&data_, size * sizeof(T)), "DeviceBuffer");
      check_cuda(cudaMemset(data_, 0, size * sizeof(T)), "DeviceBuffer");
      // The memset is ordered in the default stream alone, and launchers run in others.
      check_cuda(cudaDeviceSynchronize(), "DeviceBuffer");
    }
  }
  explicit DeviceBuffer(std::span<const T> values) : DeviceBuffer(values.size()) { upload(values); }
  explicit DeviceBuffer(const std::vector<T>& values) : DeviceBuffer(std::span<const T>(values)) {}
  ~DeviceBuffer() { cudaFree(data_); }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }

  void upload(std::span<const T> values) {
    check_cuda(cudaMemcpy(data_, values.data(), values.size_bytes(), cudaMemcpyHostToDevice), "DeviceBuffer::upload");
    // From pageable memory that returns once all is staged, and the rest is ordered in the default stream alone.
    check_cuda(cudaStreamSynchronize(nullptr), "DeviceBuffer::upload");
  }
  std::vector<T> download() const {
    std::vector<T> values(size_);
    check_cuda(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost), "DeviceBuffer::download");
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace lplb::cuda
