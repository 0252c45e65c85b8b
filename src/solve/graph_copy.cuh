#pragma once

// Replacing an image while kernels read it: the host writes into pinned memory, a stream of its own carries that to a
// spare device buffer, and a copy on the caller's stream puts it in its place, between the kernels before and after.

#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "cuda/device_buffer.cuh"
#include "cuda/error.cuh"
#include "lplb/cuda.h"

namespace lplb::cuda {

class GraphCopy {
 public:
  GraphCopy() = default;
  explicit GraphCopy(std::size_t max_words) : spare_(max_words) {
    check_cuda(cudaMallocHost(&pinned_, max_words * sizeof(std::uint32_t)), "SolveGraph");
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "SolveGraph");
    check_cuda(cudaEventCreateWithFlags(&arrived_, cudaEventDisableTiming), "SolveGraph");
    check_cuda(cudaEventCreateWithFlags(&switched_, cudaEventDisableTiming), "SolveGraph");
  }
  ~GraphCopy() {
    cudaFreeHost(pinned_);
    if (stream_ != nullptr) {
      cudaStreamDestroy(stream_);
      cudaEventDestroy(arrived_);
      cudaEventDestroy(switched_);
    }
  }
  GraphCopy(GraphCopy&& other) noexcept { *this = std::move(other); }
  GraphCopy& operator=(GraphCopy&& other) noexcept {
    std::swap(spare_, other.spare_);
    std::swap(pinned_, other.pinned_);
    std::swap(stream_, other.stream_);
    std::swap(arrived_, other.arrived_);
    std::swap(switched_, other.switched_);
    return *this;
  }

  /// Puts `image` at `place` for what follows on `stream`. Waits on the host for the switch before this one.
  void send(const std::vector<std::uint32_t>& image, std::uint32_t* place, Stream stream) {
    check_cuda(cudaEventSynchronize(switched_), "SolveGraph::replace");
    const std::size_t bytes = image.size() * sizeof(std::uint32_t);
    std::memcpy(pinned_, image.data(), bytes);
    check_cuda(cudaMemcpyAsync(spare_.data(), pinned_, bytes, cudaMemcpyHostToDevice, stream_), "SolveGraph::replace");
    check_cuda(cudaEventRecord(arrived_, stream_), "SolveGraph::replace");
    check_cuda(cudaStreamWaitEvent(stream, arrived_), "SolveGraph::replace");
    check_cuda(cudaMemcpyAsync(place, spare_.data(), bytes, cudaMemcpyDeviceToDevice, stream), "SolveGraph::replace");
    check_cuda(cudaEventRecord(switched_, stream), "SolveGraph::replace");
  }

 private:
  DeviceBuffer<std::uint32_t> spare_;
  std::uint32_t* pinned_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t arrived_ = nullptr;   // the spare buffer is filled
  cudaEvent_t switched_ = nullptr;  // the spare buffer is free again
};

}  // namespace lplb::cuda
