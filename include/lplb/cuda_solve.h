#pragma once

// The exact split on a CUDA device: the integers of solve.h, one block a split, any number of splits in one launch.
// docs/cuda.md describes the kernel.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "lplb/cuda.h"
#include "lplb/plan.h"
#include "lplb/solve.h"

namespace lplb::cuda {

/// The scalars of a Plan, as the kernel writes them.
struct PlanSummary {
  Tokens max_load;
  Tokens lower_bound;
  /// kOptimal, or kFallback when a count is negative or the total is 2^31 or more: the quotas mean nothing then.
  Status status;
  std::int32_t num_sweeps;
  std::int32_t num_waves;
  std::int32_t num_raises;
  std::uint64_t digest;
};

/// Split graphs of the same shape on the device (one a layer, say), where kernels read them. Lives on the device that
/// is current at construction.
class SolveGraph {
 public:
  /// Room is left for other placements of the same shape. Throws InvalidArgument where more than 128 ranks share
  /// experts, directly or over others, or where the shapes differ.
  explicit SolveGraph(const SplitGraph& graph);
  explicit SolveGraph(std::span<const SplitGraph* const> graphs);
  ~SolveGraph();
  SolveGraph(SolveGraph&&) noexcept;
  SolveGraph& operator=(SolveGraph&&) noexcept;

  /// Puts another graph in the place of one, for all work that comes after it on `stream`; a captured graph of kernels
  /// need not be captured again. The copy to the device runs beside the work on `stream`, the switch is a copy on it.
  /// Not for capture. Throws InvalidArgument when the shape differs or the room does not suffice.
  void replace(const SplitGraph& graph, Stream stream, int index = 0);

  int num_graphs() const;
  int num_logical() const;
  int num_physical() const;
  int num_ranks() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// What is split, in device memory. A leading number of splits before each shape.
struct SolveInput {
  const Tokens* counts = nullptr;     // [num_sources, E]
  int num_sources = 1;                // counts are summed over sources
  const Tokens* base_load = nullptr;  // [G], null = 0
};

/// Where the plan goes, in device memory; every pointer but `summary` may be null. A leading number of splits before
/// each shape.
struct SolveOutput {
  PlanSummary* summary = nullptr;         // []
  Tokens* quota = nullptr;                // [P]
  Tokens* rank_load = nullptr;            // [G]
  std::uint8_t* in_bottleneck = nullptr;  // [G]
  Tokens* component_bound = nullptr;      // [G], of which the first num_components are written
};

/// How a launch relates to the stream.
struct SolveOptions {
  int num_splits = 1;  // split i is over graph i % num_graphs
  /// The kernel may start before its predecessor on the stream ends; it reads counts and writes plans after that.
  bool overlaps_previous = false;
};

/// Bytes of device memory that `solve` needs as workspace; 0 for most shapes, whose state fits in shared memory.
std::size_t solve_workspace_bytes(const SolveGraph& graph, int num_splits = 1);

/// Launches the solver on `stream`: no allocation, no synchronization, capturable. Bit-equal to lplb::solve in every
/// field of the plan. `workspace` [solve_workspace_bytes], aligned to 16 bytes, not shared by launches that overlap.
/// Throws InvalidArgument on a null pointer that is needed, CudaError when the launch fails.
void solve(const SolveGraph& graph, const SolveInput& input, const SolveOutput& output, void* workspace, Stream stream,
           const SolveOptions& options = {});

}  // namespace lplb::cuda
