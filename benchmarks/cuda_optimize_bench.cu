// The search for the placements of a whole model with its chains on the GPU: 58 layers of 256 experts on 64 ranks with
// two further slots each, from windows of 16 batches. The result is compared with the CPU's in every slot first. Times
// are of whole calls, with the host's part (starts and the exact judge) on two threads and on all cores; the CPU's own
// search runs in turn with them.
//
//   bench_cuda_optimize benchmarks/results/cuda_optimize.json

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "lplb/cuda.h"
#include "lplb/cuda_optimize.h"
#include "optimize_case.h"

namespace lplb {
namespace {

constexpr int kNumRuns = 9;
constexpr int kNumCpuRuns = 3;

struct Way {
  std::string name;
  int num_threads;
  int num_runs;
  bool on_gpu;
  std::vector<double> seconds = {};
};

double median(const Way& way) { return way.seconds[way.seconds.size() / 2]; }  // of sorted seconds

double seconds_of(const std::function<void()>& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

LayersResult search(const std::vector<Tokens>& windows, const Way& way) {
  const OptimizeArgs args = model_args(way.num_threads);
  return way.on_gpu ? cuda::optimize_layers(windows, kModelLayers, args) : optimize_layers(windows, kModelLayers, args);
}

bool same_placements(const LayersResult& a, const LayersResult& b) {
  return std::ranges::equal(a.layers, b.layers, [](const OptimizeResult& x, const OptimizeResult& y) {
    return std::ranges::equal(x.placement.phy2log(), y.placement.phy2log()) && x.num_accepted == y.num_accepted;
  });
}

void write_json(const char* path, const std::vector<Way>& ways) {
  std::ofstream out(path);
  out << "{\n  \"context\": {\"command\": \"bench_cuda_optimize " << path << "\", \"card\": \""
      << cuda::device_info(0).name << "\", \"cores\": " << std::thread::hardware_concurrency()
      << "},\n  \"benchmarks\": [\n";
  for (const Way& way : ways) {
    out << "    {\"name\": \"" << way.name << "\", \"run_name\": \"" << way.name
        << "\", \"cpu_time\": " << 1e3 * median(way) << ", \"largest\": " << 1e3 * way.seconds.back()
        << ", \"runs\": " << way.num_runs << ", \"time_unit\": \"ms\"}" << (&way == &ways.back() ? "" : ",") << "\n";
  }
  out << "  ]\n}\n";
}

int run(const char* path) {
  const std::vector<Tokens> windows = model_windows();
  std::vector<Way> ways = {{"optimize/cuda/lplb/256_384_64/58_layers_two_threads", 2, kNumRuns, true},
                           {"optimize/cuda/lplb/256_384_64/58_layers_all_cores", 0, kNumRuns, true},
                           {"optimize/cpu/lplb/256_384_64/58_layers_two_threads", 2, kNumCpuRuns, false},
                           {"optimize/cpu/lplb/256_384_64/58_layers_all_cores", 0, kNumCpuRuns, false}};
  if (!same_placements(search(windows, ways[0]), search(windows, ways[3]))) {
    std::cerr << "bench_cuda_optimize: the GPU's placements are not the CPU's\n";
    return 1;
  }
  for (int i = 0; i < kNumRuns; ++i) {
    for (Way& way : ways) {
      if (i < way.num_runs) {
        way.seconds.push_back(seconds_of([&] { search(windows, way); }));
      }
    }
  }
  for (Way& way : ways) {
    std::ranges::sort(way.seconds);
    std::printf("%-56s median %7.3f s  largest %7.3f s\n", way.name.c_str(), median(way), way.seconds.back());
  }
  write_json(path, ways);
  return 0;
}

}  // namespace
}  // namespace lplb

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: bench_cuda_optimize OUTPUT.json\n";
    return 2;
  }
  if (lplb::cuda::device_count() == 0) {
    std::cerr << "bench_cuda_optimize: no CUDA device\n";
    return 4;
  }
  return lplb::run(argv[1]);
}
