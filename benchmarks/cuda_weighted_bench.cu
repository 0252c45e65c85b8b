// The weighted split on the GPU: a captured graph of kernels over one instance, replayed; each instance is verified
// against the CPU before anything is timed. Prints JSON. A time is that of one kernel in a graph of kNodes.
//
//   bench_cuda_weighted > benchmarks/results/cuda_weighted.json     all cases
//   bench_cuda_weighted [NAME] [THREADS...]                         one of them, with several sizes of the block

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cuda/device_buffer.cuh"
#include "lplb/cuda_weighted.h"
#include "lplb/solve.h"
#include "support/named_instances.h"

namespace {

using namespace lplb;           // NOLINT
using namespace lplb::testing;  // NOLINT

constexpr int kNodes = 20;
constexpr int kReplays = 4;
constexpr int kPlacements = 10;
constexpr int kBatches = 25;  // a placement
constexpr double kTolerance = 1e-4;

struct Case {
  NamedCase named;
  double spread;  // of the ranks' times per token, log-normal; 0 = all 1
};

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const double spread : {0.0, 0.2}) {
    for (const NamedCase& named : named_cases()) {
      if (named.name == "cube_8x2" || named.name == "hypercube_16x2" || named.name == "torus_8x4x2" ||
          named.name == "512_1024_128") {
        result.push_back({named, spread});
      }
    }
    result.push_back({{"ep64_32", 224 + 64, 320, 64, 8, ""}, spread});
    result.push_back({{"256_320_64", 256, 320, 64, 8, ""}, spread});
  }
  return result;
}

/// kNodes kernels, replayed.
class KernelGraph {
 public:
  template <class Enqueue>
  KernelGraph(cuda::Stream stream, const Enqueue& enqueue) : stream_(stream) {
    cudaGraph_t graph = nullptr;
    cuda::check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "bench");
    for (int i = 0; i < kNodes; ++i) {
      enqueue();
    }
    cuda::check_cuda(cudaStreamEndCapture(stream, &graph), "bench");
    cuda::check_cuda(cudaGraphInstantiate(&instance_, graph, 0), "bench");
    cuda::check_cuda(cudaGraphDestroy(graph), "bench");
  }
  ~KernelGraph() { cudaGraphExecDestroy(instance_); }
  KernelGraph(const KernelGraph&) = delete;
  KernelGraph& operator=(const KernelGraph&) = delete;

  void replay() const { cuda::check_cuda(cudaGraphLaunch(instance_, stream_), "bench"); }

 private:
  cuda::Stream stream_;
  cudaGraphExec_t instance_ = nullptr;
};

struct Times {
  std::vector<double> us;
  int num_wrong = 0;
  double worst_gap = 0;
  long num_iterations = 0;
  int num_instances = 0;
};

bool is_right(const PlacedBatches& placed, const std::vector<Tokens>& counts, const std::vector<double>& times,
              const WeightedSummary& summary, const std::vector<double>& share, const WeightedModel& model) {
  const WeightedResult expected = solve_weighted(model, {.counts = counts}, {.tolerance = 1e-6});
  std::vector<double> rank_time(placed.placement.num_ranks());
  bool ok = summary.status == WeightedStatus::kConverged && expected.status == WeightedStatus::kConverged &&
            summary.lower_bound <= expected.max_time && expected.lower_bound <= summary.max_time * (1 + 1e-12);
  for (int e = 0; e < placed.placement.num_logical(); ++e) {
    double sum = 0;
    for (const auto slot : placed.placement.replicas(e)) {
      ok = ok && share[slot] >= 0;
      sum += share[slot];
      rank_time[placed.placement.rank_of(slot)] += share[slot] * times[placed.placement.rank_of(slot)];
    }
    ok = ok && sum == counts[e];
  }
  const double largest = *std::max_element(rank_time.begin(), rank_time.end());
  return ok && std::abs(largest - summary.max_time) <= 1e-12 * largest;
}

void run_placement(const Case& c, const PlacedBatches& placed, Rng& rng, int num_threads, cuda::Stream stream,
                   Times& result) {
  std::vector<double> times(placed.placement.num_ranks(), 1);
  for (double& time : times) {
    time = c.spread > 0 ? std::exp(c.spread * rng.normal()) : 1;
  }
  const WeightedModel model(placed.placement, {.time_per_token = times});
  const cuda::WeightedDeviceModel device_model(model, kTolerance);
  cuda::DeviceBuffer<double> share(placed.placement.num_physical());
  cuda::DeviceBuffer<WeightedSummary> summary(1);
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  cuda::check_cuda(cudaEventCreate(&begin), "bench");
  cuda::check_cuda(cudaEventCreate(&end), "bench");
  for (const auto& counts : placed.batches) {
    const cuda::DeviceBuffer<Tokens> device_counts(counts);
    const KernelGraph graph(stream, [&] {
      cuda::solve_weighted(device_model, {.counts = device_counts.data()},
                           {.summary = summary.data(), .share = share.data()}, stream, {.num_threads = num_threads});
    });
    graph.replay();
    cuda::check_cuda(cudaStreamSynchronize(stream), "bench");
    const WeightedSummary found = summary.download()[0];
    result.num_wrong += is_right(placed, counts, times, found, share.download(), model) ? 0 : 1;
    result.worst_gap = std::max(result.worst_gap, found.gap);
    result.num_iterations += found.num_iterations;
    ++result.num_instances;
    for (int i = 0; i < kReplays; ++i) {
      float ms = 0;
      cuda::check_cuda(cudaEventRecord(begin, stream), "bench");
      graph.replay();
      cuda::check_cuda(cudaEventRecord(end, stream), "bench");
      cuda::check_cuda(cudaEventSynchronize(end), "bench");
      cuda::check_cuda(cudaEventElapsedTime(&ms, begin, end), "bench");
      result.us.push_back(ms * 1000 / kNodes);
    }
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
}

void run_case(const Case& c, int num_threads, cuda::Stream stream, bool& is_first) {
  const bool is_large = c.named.num_ranks > 64;
  Times result;
  Rng rng(11);
  for (const PlacedBatches& placed : place_and_draw(c.named, is_large ? 2 : kPlacements, is_large ? 5 : kBatches, 5)) {
    run_placement(c, placed, rng, num_threads, stream, result);
  }
  std::sort(result.us.begin(), result.us.end());
  const auto at = [&](double part) { return result.us[static_cast<std::size_t>(part * (result.us.size() - 1))]; };
  std::printf(
      "%s    {\"name\": \"weighted/cuda/%s/%s\", \"threads\": %d, \"p50_us\": %.2f, \"p99_us\": %.2f, "
      "\"instances\": %d, \"replays\": %zu, \"wrong\": %d, \"worst_gap\": %.3g, \"mean_iterations\": %.2f}",
      is_first ? "" : ",\n", c.named.name.c_str(), c.spread > 0 ? "times" : "ones", num_threads, at(0.5), at(0.99),
      result.num_instances, result.us.size(), result.num_wrong, result.worst_gap,
      static_cast<double>(result.num_iterations) / result.num_instances);
  std::fflush(stdout);
  is_first = false;
}

}  // namespace

int main(int argc, char** argv) {
  cudaStream_t stream = nullptr;
  cuda::check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "bench");
  std::vector<int> threads;
  for (int i = 2; i < argc; ++i) {
    threads.push_back(std::atoi(argv[i]));
  }
  if (threads.empty()) {
    threads.push_back(0);
  }
  std::printf(
      "{\n  \"command\": \"bench_cuda_weighted > benchmarks/results/cuda_weighted.json\",\n  \"card\": \"%s\",\n  "
      "\"nodes_per_graph\": %d,\n  \"tolerance\": %g,\n  \"results\": [\n",
      cuda::device_info(0).name.c_str(), kNodes, kTolerance);
  bool is_first = true;
  for (const Case& c : cases()) {
    for (const int n : threads) {
      if (argc < 2 || c.named.name == argv[1]) {
        run_case(c, n, stream, is_first);
      }
    }
  }
  std::printf("\n  ]\n}\n");
  return 0;
}
