#pragma once

// Timing paths of launches as a CUDA graph holds them, and writing the figures as JSON that compare.py reads.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "cuda/device_buffer.cuh"
#include "lplb/cuda.h"

namespace lplb::cuda {

inline constexpr int kNumInstances = 200;
inline constexpr int kReplaysPerInstance = 5;
inline constexpr int kRepeats = 100;

struct Timing {
  std::string name;
  double p50_us;
  double p99_us;
  double target_us;  // 0 = none
};

inline void require(bool ok, const std::string& what) {
  if (!ok) {
    std::cerr << "wrong result: " << what << "\n";
    std::exit(1);
  }
}

class Bench {
 public:
  Bench() {
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "bench");
    check_cuda(cudaEventCreate(&begin_), "bench");
    check_cuda(cudaEventCreate(&end_), "bench");
  }

  Stream stream() const { return stream_; }
  void synchronize() const { check_cuda(cudaStreamSynchronize(stream_), "bench"); }

  /// `enqueue()` is captured kRepeats times; `next(i)` puts instance i where it reads.
  void time(const std::string& name, double target_us, const std::function<void(int)>& next,
            const std::function<void()>& enqueue) {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t instance = nullptr;
    check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "bench");
    for (int i = 0; i < kRepeats; ++i) {
      enqueue();
    }
    check_cuda(cudaStreamEndCapture(stream_, &graph), "bench");
    check_cuda(cudaGraphInstantiate(&instance, graph, 0), "bench");
    std::vector<double> samples;
    for (int i = 0; i < kNumInstances; ++i) {
      next(i);
      check_cuda(cudaGraphLaunch(instance, stream_), "bench");
      for (int replay = 0; replay < kReplaysPerInstance; ++replay) {
        samples.push_back(time_replay(instance) / kRepeats);
      }
    }
    check_cuda(cudaGraphExecDestroy(instance), "bench");
    check_cuda(cudaGraphDestroy(graph), "bench");
    std::ranges::sort(samples);
    timings_.push_back({name, samples[samples.size() / 2], samples[samples.size() * 99 / 100], target_us});
    std::printf("%-52s p50 %7.3f  p99 %7.3f  target %6.2f us\n", name.c_str(), timings_.back().p50_us,
                timings_.back().p99_us, target_us);
  }

  /// Bytes read and written a microsecond by a copy on the device.
  double copy_bytes_per_us() {
    constexpr std::size_t kBytes = std::size_t{1} << 30;
    DeviceBuffer<std::byte> from(kBytes);
    DeviceBuffer<std::byte> to(kBytes);
    double best = 0;
    for (int i = 0; i < 10; ++i) {
      check_cuda(cudaEventRecord(begin_, stream_), "bench");
      check_cuda(cudaMemcpyAsync(to.data(), from.data(), kBytes, cudaMemcpyDeviceToDevice, stream_), "bench");
      check_cuda(cudaEventRecord(end_, stream_), "bench");
      best = std::max(best, 2.0 * kBytes / elapsed_us());
    }
    return best;
  }

  void write_json(const char* path, const char* command, double copy_bandwidth) const {
    cudaDeviceProp properties{};
    int driver = 0;
    int runtime = 0;
    check_cuda(cudaGetDeviceProperties(&properties, 0), "bench");
    check_cuda(cudaDriverGetVersion(&driver), "bench");
    check_cuda(cudaRuntimeGetVersion(&runtime), "bench");
    std::ofstream out(path);
    out << "{\n  \"context\": {\"command\": \"" << command << " " << path << "\", \"card\": \"" << properties.name
        << "\", \"driver\": " << driver << ", \"runtime\": " << runtime
        << ", \"copy_gigabytes_per_second\": " << copy_bandwidth / 1e3 << ", \"num_instances\": " << kNumInstances
        << ", \"replays_per_instance\": " << kReplaysPerInstance << ", \"repeats_per_graph\": " << kRepeats
        << "},\n  \"benchmarks\": [\n";
    for (std::size_t i = 0; i < timings_.size(); ++i) {
      const Timing& t = timings_[i];
      out << "    {\"name\": \"" << t.name << "\", \"run_name\": \"" << t.name << "\", \"cpu_time\": " << t.p50_us
          << ", \"p99\": " << t.p99_us << ", \"target\": " << t.target_us << ", \"time_unit\": \"us\"}"
          << (i + 1 < timings_.size() ? "," : "") << "\n";
    }
    out << "  ]\n}\n";
  }

 private:
  double time_replay(cudaGraphExec_t instance) {
    check_cuda(cudaEventRecord(begin_, stream_), "bench");
    check_cuda(cudaGraphLaunch(instance, stream_), "bench");
    check_cuda(cudaEventRecord(end_, stream_), "bench");
    return elapsed_us();
  }
  double elapsed_us() {
    check_cuda(cudaEventSynchronize(end_), "bench");
    float ms = 0;
    check_cuda(cudaEventElapsedTime(&ms, begin_, end_), "bench");
    return 1e3 * ms;
  }

  Stream stream_ = nullptr;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
  std::vector<Timing> timings_;
};

}  // namespace lplb::cuda
