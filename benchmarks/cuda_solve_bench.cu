// The split on a GPU, as a node of a CUDA graph and many in one launch. Every plan is compared with the CPU's, field by
// field, before anything is timed. A node's time is that of a graph of 100 nodes, one after another, over one instance,
// divided by 100: start and end of a kernel are in it. 256 instances a case, 1,024 replays in turn over them.
// Use: bench_cuda_solve [recorded trace with 128 experts] > results.json

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lplb/cuda_solve.h"
#include "lplb/trace_io.h"
#include "support/cuda_solver.h"
#include "support/named_instances.h"

namespace lplb {
namespace {

using namespace lplb::testing;

constexpr int kNumPlacements = 8;
constexpr int kNumBatches = 32;  // a placement
constexpr int kNumNodes = 100;
constexpr int kReplaysPerInstance = 4;

__global__ void empty_kernel() {}

struct BenchCase {
  NamedCase named;
  std::string loads;  // "randn", "recorded" or "log_normal"
};

std::vector<BenchCase> bench_cases() {
  std::vector<BenchCase> cases;
  const NamedCase topologies[] = {
      named_cases()[4], named_cases()[5], named_cases()[6], {"cube_8x2_times_4", 256, 320, 32, 4, "cube"}};
  const NamedCase placed[] = {named_cases()[0], named_cases()[1], {"256_384_64", 256, 384, 64, 8, ""}};
  for (const NamedCase& named : topologies) {
    cases.push_back({named, "randn"});
    cases.push_back({named, "recorded"});
  }
  for (const NamedCase& named : placed) {
    cases.push_back({named, "log_normal"});
    cases.push_back({named, "recorded"});
  }
  return cases;
}

/// `1 + 0.3 randn` times 32,768 tokens a rank, evenly over the experts.
std::vector<Tokens> randn_batch(Rng& rng, const NamedCase& named) {
  std::vector<Tokens> counts(named.num_experts);
  for (Tokens& tokens : counts) {
    tokens =
        static_cast<Tokens>(std::max(0.0, 32768.0 * named.num_ranks / named.num_experts * (1 + 0.3 * rng.normal())));
  }
  return counts;
}

/// Two neighbouring layers of the recorded 128-expert model side by side: 256 experts.
std::vector<Tokens> recorded_batch(const Trace& trace, int step, int layer) {
  std::vector<Tokens> counts(2 * static_cast<std::size_t>(trace.num_experts));
  add_counts(trace, step, layer, std::span(counts).first(trace.num_experts));
  add_counts(trace, step, layer + 1, std::span(counts).last(trace.num_experts));
  return counts;
}

std::vector<PlacedBatches> draw(const BenchCase& c, const Trace* trace) {
  if (c.loads == "log_normal") {
    return place_and_draw(c.named, kNumPlacements, kNumBatches, 7);
  }
  Rng rng(7);
  std::vector<PlacedBatches> result;
  for (int i = 0; i < kNumPlacements; ++i) {
    // Recorded: placed for one step, solved for the steps after it.
    const int layer = i % 6;
    const auto batch = [&](int step) {
      return c.loads == "randn" ? randn_batch(rng, c.named) : recorded_batch(*trace, step % trace->num_steps, layer);
    };
    const int first = i < 6 ? 0 : 20;
    PlacedBatches placed{.placement = place_case(c.named, batch(first)), .batches = {}};
    for (int b = 1; b <= kNumBatches; ++b) {
      placed.batches.push_back(batch(first + b));
    }
    result.push_back(std::move(placed));
  }
  return result;
}

/// What `work` puts on the stream, as a graph that can be replayed.
class NodeGraph {
 public:
  template <class Work>
  NodeGraph(cudaStream_t stream, const Work& work) {
    cudaGraph_t graph = nullptr;
    cuda::check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "NodeGraph");
    work();
    cuda::check_cuda(cudaStreamEndCapture(stream, &graph), "NodeGraph");
    cuda::check_cuda(cudaGraphInstantiate(&graph_, graph, 0), "NodeGraph");
    cuda::check_cuda(cudaGraphDestroy(graph), "NodeGraph");
  }
  ~NodeGraph() { cudaGraphExecDestroy(graph_); }
  NodeGraph(const NodeGraph&) = delete;
  NodeGraph& operator=(const NodeGraph&) = delete;

  void replay(cudaStream_t stream) const { cuda::check_cuda(cudaGraphLaunch(graph_, stream), "NodeGraph"); }

 private:
  cudaGraphExec_t graph_ = nullptr;
};

class Timer {
 public:
  Timer() {
    cudaEventCreate(&begin_);
    cudaEventCreate(&end_);
  }
  ~Timer() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  double microseconds(cudaStream_t stream, const std::function<void()>& work) {
    float ms = 0;
    cudaEventRecord(begin_, stream);
    work();
    cudaEventRecord(end_, stream);
    cuda::check_cuda(cudaEventSynchronize(end_), "Timer");
    cudaEventElapsedTime(&ms, begin_, end_);
    return 1e3 * ms;
  }

 private:
  cudaEvent_t begin_;
  cudaEvent_t end_;
};

double quantile(std::vector<double> values, double q) {
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

void print(const std::string& name, const char* unit, double time, const std::string& more) {
  static bool is_first = true;
  std::printf("%s\n    {\"name\": \"%s\", \"real_time\": %.4f, \"time_unit\": \"%s\"%s}", is_first ? "" : ",",
              name.c_str(), time, unit, more.c_str());
  is_first = false;
}

std::string field(const char* name, double value) {
  char text[96];
  std::snprintf(text, sizeof text, ", \"%s\": %.4f", name, value);
  return text;
}

/// One placement on the device, with its batches.
struct Placed {
  explicit Placed(const PlacedBatches& placed)
      : graph(placed.placement), device_graph(graph), batches(placed.batches) {}
  SplitGraph graph;
  cuda::SolveGraph device_graph;
  std::vector<std::vector<Tokens>> batches;
};

bool is_right(CudaSolver& solver, const Placed& placed, const std::vector<Tokens>& batch) {
  SolveWorkspace workspace;
  Plan expected;
  solve(placed.graph, batch, {}, workspace, expected);
  const std::string found = difference(expected, solver.plans({&placed.graph}).front());
  if (!found.empty()) {
    std::fprintf(stderr, "wrong plan: %s\n", found.c_str());
  }
  return found.empty();
}

/// One instance in a graph of many nodes.
struct Node {
  Node(const Placed& placed, const std::vector<Tokens>& batch) : solver(placed.device_graph, 1) {
    solver.set_input(batch);
    solver.launch();
    is_verified = is_right(solver, placed, batch);
    for (const bool overlaps : {false, true}) {
      captured[overlaps] = std::make_unique<NodeGraph>(solver.stream(), [&] {
        for (int i = 0; i < kNumNodes; ++i) {
          solver.launch(overlaps);
        }
      });
    }
  }
  CudaSolver solver;
  std::unique_ptr<NodeGraph> captured[2];  // full dependency on the node before, or programmatic dependent launch
  bool is_verified = false;
};

void time_replays(const std::string& name, const std::vector<std::unique_ptr<Node>>& nodes, bool overlaps) {
  Timer timer;
  std::vector<double> times;
  for (int replay = -1; replay < kReplaysPerInstance; ++replay) {
    for (const auto& node : nodes) {
      const cudaStream_t stream = node->solver.stream();
      const double us = timer.microseconds(stream, [&] { node->captured[overlaps]->replay(stream); });
      if (replay >= 0) {
        times.push_back(us / kNumNodes);
      }
    }
  }
  print(name, "us", quantile(times, 0.5),
        field("p99", quantile(times, 0.99)) + field("max", quantile(times, 1)) +
            field("instances", static_cast<double>(nodes.size())) +
            field("replays", static_cast<double>(times.size())));
}

/// Returns false when a plan was wrong.
bool time_nodes(const BenchCase& c, const std::vector<std::unique_ptr<Placed>>& placed) {
  std::vector<std::unique_ptr<Node>> nodes;
  for (const auto& p : placed) {
    for (const std::vector<Tokens>& batch : p->batches) {
      nodes.push_back(std::make_unique<Node>(*p, batch));
      if (!nodes.back()->is_verified) {
        return false;
      }
    }
  }
  time_replays("solve/cuda/" + c.named.name + "/" + c.loads, nodes, false);
  time_replays("solve/cuda/overlapped/" + c.named.name + "/" + c.loads, nodes, true);
  return true;
}

/// Many splits in one launch, over one placement; batches in turn.
bool time_batched(const BenchCase& c, const Placed& placed, int num_splits) {
  std::vector<Tokens> counts;
  for (int i = 0; i < num_splits; ++i) {
    const std::vector<Tokens>& batch = placed.batches[i % placed.batches.size()];
    counts.insert(counts.end(), batch.begin(), batch.end());
  }
  CudaSolver solver(placed.device_graph, num_splits);
  solver.set_input(counts);
  solver.launch();
  const std::vector<Plan> plans = solver.plans(std::vector<const SplitGraph*>(num_splits, &placed.graph));
  SolveWorkspace workspace;
  Plan expected;
  for (int i = 0; i < num_splits; ++i) {
    if (i < static_cast<int>(placed.batches.size())) {
      solve(placed.graph, placed.batches[i], {}, workspace, expected);
      if (!difference(expected, plans[i]).empty()) {
        return false;
      }
    } else if (plans[i].digest != plans[i % placed.batches.size()].digest) {
      return false;
    }
  }
  Timer timer;
  std::vector<double> times;
  for (int i = 0; i < 30; ++i) {
    times.push_back(timer.microseconds(solver.stream(), [&] { solver.launch(); }));
  }
  const double us = quantile(times, 0.5);
  print("solve/cuda/batched/" + c.named.name + "/" + c.loads, "us", us,
        field("splits", num_splits) + field("million_splits_per_second", num_splits / us));
  return true;
}

void time_empty_kernel() {
  cudaStream_t stream = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  {
    const NodeGraph captured(stream, [&] {
      for (int i = 0; i < kNumNodes; ++i) {
        empty_kernel<<<1, 256, 0, stream>>>();
      }
    });
    Timer timer;
    std::vector<double> times;
    for (int i = 0; i < 100; ++i) {
      times.push_back(timer.microseconds(stream, [&] { captured.replay(stream); }) / kNumNodes);
    }
    print("empty_kernel", "us", quantile(times, 0.5), field("p99", quantile(times, 0.99)));
  }
  cudaStreamDestroy(stream);
}

int run(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "data/moe128.npz";
  const Trace trace = read_trace(path);
  const cuda::DeviceInfo device = cuda::device_info(0);
  std::printf("{\n  \"context\": {\"card\": \"%s\", \"command\": \"bench_cuda_solve %s\"},\n  \"benchmarks\": [",
              device.name.c_str(), path.c_str());
  time_empty_kernel();
  bool is_right = true;
  for (const BenchCase& c : bench_cases()) {
    std::vector<std::unique_ptr<Placed>> placed;
    for (const PlacedBatches& p : draw(c, &trace)) {
      placed.push_back(std::make_unique<Placed>(p));
    }
    is_right = is_right && time_nodes(c, placed) && time_batched(c, *placed[0], 1 << 15);
  }
  std::printf("\n  ]\n}\n");
  if (!is_right) {
    std::fprintf(stderr, "a plan differs from the CPU's: not timed\n");
  }
  return is_right ? 0 : 1;
}

}  // namespace
}  // namespace lplb

int main(int argc, char** argv) { return lplb::run(argc, argv); }
