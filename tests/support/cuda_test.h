#pragma once

// The fixture of tests that need a GPU: skipped with a word where there is none, and a stream of their own.

#include <gtest/gtest.h>

#include "cuda/device_buffer.cuh"
#include "lplb/cuda.h"

namespace lplb::testing {

class CudaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (cuda::device_count() == 0) {
      GTEST_SKIP() << "no CUDA device";
    }
    cuda::check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "CudaTest");
  }
  void TearDown() override {
    if (stream_ != nullptr) {
      EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    }
  }

  cuda::Stream stream() const { return stream_; }
  void synchronize() const { cuda::check_cuda(cudaStreamSynchronize(stream_), "CudaTest"); }

 private:
  cuda::Stream stream_ = nullptr;
};

/// What `record` puts on the stream, as a graph that can be replayed.
class CapturedGraph {
 public:
  template <class Record>
  CapturedGraph(cuda::Stream stream, const Record& record) : stream_(stream) {
    cudaGraph_t graph = nullptr;
    cuda::check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "CapturedGraph");
    record();
    cuda::check_cuda(cudaStreamEndCapture(stream, &graph), "CapturedGraph");
    cuda::check_cuda(cudaGraphInstantiate(&instance_, graph, 0), "CapturedGraph");
    cuda::check_cuda(cudaGraphDestroy(graph), "CapturedGraph");
  }
  ~CapturedGraph() { cudaGraphExecDestroy(instance_); }
  CapturedGraph(const CapturedGraph&) = delete;
  CapturedGraph& operator=(const CapturedGraph&) = delete;

  void replay() const { cuda::check_cuda(cudaGraphLaunch(instance_, stream_), "CapturedGraph"); }

 private:
  cuda::Stream stream_;
  cudaGraphExec_t instance_ = nullptr;
};

}  // namespace lplb::testing
