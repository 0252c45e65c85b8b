#pragma once

// Splits on the device with the interface of the CPU: counts in, plans out.

#include <cuda_runtime.h>

#include <string>
#include <vector>

#include "cuda/device_buffer.cuh"
#include "cuda/error.cuh"
#include "lplb/cuda_solve.h"
#include "solve/split_graph.h"
#include "support/plans.h"

namespace lplb::testing {

/// Buffers and a stream for `num_splits` splits over `graph`.
class CudaSolver {
 public:
  CudaSolver(const cuda::SolveGraph& graph, int num_splits, int num_sources = 1)
      : graph_(graph),
        num_splits_(num_splits),
        num_sources_(num_sources),
        counts_(static_cast<std::size_t>(num_splits) * num_sources * graph.num_logical()),
        base_load_(static_cast<std::size_t>(num_splits) * graph.num_ranks()),
        quota_(static_cast<std::size_t>(num_splits) * graph.num_physical()),
        rank_load_(static_cast<std::size_t>(num_splits) * graph.num_ranks()),
        component_bound_(static_cast<std::size_t>(num_splits) * graph.num_ranks()),
        in_bottleneck_(static_cast<std::size_t>(num_splits) * graph.num_ranks()),
        summary_(num_splits),
        workspace_(cuda::solve_workspace_bytes(graph, num_splits)) {
    cuda::check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "CudaSolver");
  }
  ~CudaSolver() { cudaStreamDestroy(stream_); }
  CudaSolver(const CudaSolver&) = delete;
  CudaSolver& operator=(const CudaSolver&) = delete;

  cudaStream_t stream() const { return stream_; }

  /// `counts` [num_splits, num_sources, E]; `base_load` [num_splits, G] or empty. Outputs are poisoned.
  void set_input(const std::vector<Tokens>& counts, const std::vector<Tokens>& base_load = {}) {
    counts_.upload(counts);
    has_base_ = !base_load.empty();
    if (has_base_) {
      base_load_.upload(base_load);
    }
    poison();
  }

  void poison() {
    cuda::check_cuda(cudaMemset(quota_.data(), 0x5a, quota_.size() * sizeof(Tokens)), "poison");
    cuda::check_cuda(cudaMemset(rank_load_.data(), 0x5a, rank_load_.size() * sizeof(Tokens)), "poison");
    cuda::check_cuda(cudaMemset(component_bound_.data(), 0x5a, component_bound_.size() * sizeof(Tokens)), "poison");
    cuda::check_cuda(cudaMemset(in_bottleneck_.data(), 0x5a, in_bottleneck_.size()), "poison");
    cuda::check_cuda(cudaMemset(summary_.data(), 0x5a, summary_.size() * sizeof(cuda::PlanSummary)), "poison");
    cuda::check_cuda(cudaDeviceSynchronize(), "poison");
  }

  /// Launches alone; nothing is waited for.
  void launch(bool overlaps_previous = false) {
    cuda::solve(
        graph_,
        {.counts = counts_.data(), .num_sources = num_sources_, .base_load = has_base_ ? base_load_.data() : nullptr},
        {.summary = summary_.data(),
         .quota = quota_.data(),
         .rank_load = rank_load_.data(),
         .in_bottleneck = in_bottleneck_.data(),
         .component_bound = component_bound_.data()},
        workspace_.data(), stream_, {.num_splits = num_splits_, .overlaps_previous = overlaps_previous});
  }

  void wait() const { cuda::check_cuda(cudaStreamSynchronize(stream_), "CudaSolver::wait"); }

  /// The plans of the last launch. `graphs` [num_splits] say what the device was not told: the ranks' components.
  std::vector<Plan> plans(const std::vector<const SplitGraph*>& graphs) const {
    wait();
    const std::vector<Tokens> quota = quota_.download();
    const std::vector<Tokens> rank_load = rank_load_.download();
    const std::vector<Tokens> bound = component_bound_.download();
    const std::vector<std::uint8_t> in_bottleneck = in_bottleneck_.download();
    const std::vector<cuda::PlanSummary> summary = summary_.download();
    std::vector<Plan> plans(num_splits_);
    for (int i = 0; i < num_splits_; ++i) {
      Plan& plan = plans[i];
      plan.quota = part(quota, i, graph_.num_physical());
      plan.rank_load = part(rank_load, i, graph_.num_ranks());
      plan.component = graphs[i]->impl().component_of;
      plan.component_bound = part(bound, i, graph_.num_ranks());
      plan.component_bound.resize(graphs[i]->num_components());
      plan.in_bottleneck = part(in_bottleneck, i, graph_.num_ranks());
      plan.max_load = summary[i].max_load;
      plan.lower_bound = summary[i].lower_bound;
      plan.status = summary[i].status;
      plan.num_sweeps = summary[i].num_sweeps;
      plan.num_waves = summary[i].num_waves;
      plan.num_raises = summary[i].num_raises;
      plan.digest = summary[i].digest;
    }
    return plans;
  }

 private:
  template <class T>
  static std::vector<T> part(const std::vector<T>& values, int i, int size) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(i) * size;
    return {begin, begin + size};
  }

  const cuda::SolveGraph& graph_;
  int num_splits_;
  int num_sources_;
  bool has_base_ = false;
  cuda::DeviceBuffer<Tokens> counts_;
  cuda::DeviceBuffer<Tokens> base_load_;
  cuda::DeviceBuffer<Tokens> quota_;
  cuda::DeviceBuffer<Tokens> rank_load_;
  cuda::DeviceBuffer<Tokens> component_bound_;
  cuda::DeviceBuffer<std::uint8_t> in_bottleneck_;
  cuda::DeviceBuffer<cuda::PlanSummary> summary_;
  cuda::DeviceBuffer<std::uint8_t> workspace_;
  cudaStream_t stream_ = nullptr;
};

/// What differs between two plans, in words; empty when they are equal.
inline std::string difference(const Plan& expected, const Plan& plan) {
  if (same_plan(expected, plan)) {
    return "";
  }
  const auto pair = [](const char* name, auto a, auto b) {
    return a == b ? std::string()
                  : std::string(name) + " " + std::to_string(b) + " instead of " + std::to_string(a) + "; ";
  };
  return pair("max_load", expected.max_load, plan.max_load) + pair("bound", expected.lower_bound, plan.lower_bound) +
         pair("status", static_cast<int>(expected.status), static_cast<int>(plan.status)) +
         pair("sweeps", expected.num_sweeps, plan.num_sweeps) + pair("waves", expected.num_waves, plan.num_waves) +
         pair("raises", expected.num_raises, plan.num_raises) + pair("digest", expected.digest, plan.digest) +
         (expected.quota == plan.quota ? "" : "quotas differ; ") +
         (expected.rank_load == plan.rank_load ? "" : "loads differ; ") +
         (expected.component_bound == plan.component_bound ? "" : "component bounds differ; ") +
         (expected.in_bottleneck == plan.in_bottleneck ? "" : "certificates differ");
}

}  // namespace lplb::testing
