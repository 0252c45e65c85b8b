// The stages on the GPU, each as one call that only launches. In a build without the CUDA stages the same functions
// are here, and throw CudaError.

#include <nanobind/nanobind.h>

#include <tuple>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "device_memory.h"
#include "lplb/cuda_apportion.h"
#include "lplb/cuda_count.h"
#include "lplb/cuda_placement.h"
#include "lplb/cuda_remap.h"
#include "lplb/cuda_solve.h"
#include "lplb/solve.h"
#include "solve/split_graph.h"

namespace lplb::python {
namespace {

using Unlocked = nb::call_guard<nb::gil_scoped_release>;

void count(const Ids& ids, Address status, const Memory& counts, const Memory& workspace, Address stream) {
  with_routing(ids, status, [&](const auto& routing) {
    cuda::count_tokens(routing, to_span<Tokens>(counts), to_span<std::byte>(workspace), to_stream(stream));
  });
}

/// A split graph on the device. What a plan has besides quotas and rank loads is one block of words, the *proof*: the
/// summary, a bound for each component [G], a flag byte for each rank in the certificate [G].
class DeviceGraph {
 public:
  /// Quotas [P], rank loads [G], proof [num_proof_words()], solve's workspace [workspace_bytes()].
  using Outputs = std::tuple<Address, Address, Address, Address>;

  explicit DeviceGraph(const SplitGraph& graph)
      : graph_(graph), component_of_(graph.impl().component_of), num_components_(graph.num_components()) {}

  int num_proof_words() const { return kFlagsAt(num_ranks()) + (num_ranks() + 3) / 4; }
  std::size_t workspace_bytes() const { return cuda::solve_workspace_bytes(graph_); }

  void solve(const Memory& counts, Address base_load, const Outputs& outputs, Address stream) const {
    const auto [quota, rank_load, proof, workspace] = outputs;
    auto* const words = reinterpret_cast<Tokens*>(proof);
    cuda::solve(graph_,
                {.counts = reinterpret_cast<const Tokens*>(counts.first),
                 .num_sources = static_cast<int>(counts.second / graph_.num_logical()),
                 .base_load = reinterpret_cast<const Tokens*>(base_load)},
                {.summary = reinterpret_cast<cuda::PlanSummary*>(proof),
                 .quota = reinterpret_cast<Tokens*>(quota),
                 .rank_load = reinterpret_cast<Tokens*>(rank_load),
                 .in_bottleneck = reinterpret_cast<std::uint8_t*>(words + kFlagsAt(num_ranks())),
                 .component_bound = words + kBoundsAt},
                reinterpret_cast<void*>(workspace), to_stream(stream), {.overlaps_previous = true});
  }

  /// The plan from what solve wrote, copied to the host.
  Plan plan(const Array& quota, const Array& rank_load, const Array& proof) const {
    const auto* const words = static_cast<const Tokens*>(proof.data());
    const auto& summary = *static_cast<const cuda::PlanSummary*>(proof.data());
    const auto* const flags = reinterpret_cast<const std::uint8_t*>(words + kFlagsAt(num_ranks()));
    return {.quota = to_vector(quota),
            .rank_load = to_vector(rank_load),
            .max_load = summary.max_load,
            .lower_bound = summary.lower_bound,
            .status = summary.status,
            .component = component_of_,
            .component_bound = {words + kBoundsAt, words + kBoundsAt + num_components_},
            .in_bottleneck = {flags, flags + num_ranks()},
            .digest = summary.digest,
            .num_sweeps = summary.num_sweeps,
            .num_waves = summary.num_waves,
            .num_raises = summary.num_raises};
  }

 private:
  static constexpr int kBoundsAt = sizeof(cuda::PlanSummary) / sizeof(Tokens);
  static constexpr int kFlagsAt(int num_ranks) { return kBoundsAt + num_ranks; }
  static std::vector<Tokens> to_vector(const Array& array) {
    const auto* const values = static_cast<const Tokens*>(array.data());
    return {values, values + array.size()};
  }

  int num_ranks() const { return static_cast<int>(component_of_.size()); }

  cuda::SolveGraph graph_;
  std::vector<std::int32_t> component_of_;
  int num_components_;
};

/// Counts [S, E], or the source's own [E]; quotas [P]; live ranks [G] or none.
using Batch = std::tuple<Memory, Memory, Memory>;

void apportion(const cuda::DevicePlacement& placement, const Batch& batch, int source_rank, const Memory& tokens,
               Address stream) {
  const auto& [counts, quota, live] = batch;
  cuda::apportion(placement,
                  {.counts = to_span<const Tokens>(counts),
                   .quota = to_span<const Tokens>(quota),
                   .live = to_span<const std::uint8_t>(live),
                   .source_rank = source_rank,
                   .tokens = to_span<Tokens>(tokens)},
                  to_stream(stream));
}

void remap(const cuda::DevicePlacement& placement, const Ids& ids, const Memory& table, const Memory& workspace,
           Address physical, Address stream) {
  with_routing(ids, 0, [&]<class Id>(const cuda::Routing<Id>& routing) {
    cuda::remap(placement,
                cuda::RemapArgs<Id>{.routing = routing,
                                    .table = to_span<const Tokens>(table),
                                    .workspace = to_span<std::byte>(workspace),
                                    .physical = physical_span(routing, physical),
                                    .overlaps_previous = true},
                to_stream(stream));
  });
}

}  // namespace

void bind_cuda_stages(nb::module_& m) {
  using namespace nb::literals;
  m.def("cuda_is_built", &cuda::is_built);
  m.def("cuda_device_count", &cuda::device_count);
  m.def("cuda_workspace_bytes", &cuda::routing_workspace_bytes, "num_ids"_a, "num_logical"_a);
  m.def("cuda_count", &count, "ids"_a, "status"_a, "counts"_a, "workspace"_a, "stream"_a);
  nb::class_<DeviceGraph>(m, "CudaGraph")
      .def(nb::init<const SplitGraph&>(), "graph"_a, Unlocked())
      .def_prop_ro("num_proof_words", &DeviceGraph::num_proof_words)
      .def_prop_ro("workspace_bytes", &DeviceGraph::workspace_bytes)
      .def("solve", &DeviceGraph::solve, "counts"_a, "base_load"_a, "outputs"_a, "stream"_a)
      .def("plan", &DeviceGraph::plan, "quota"_a, "rank_load"_a, "proof"_a);
  nb::class_<cuda::DevicePlacement>(m, "CudaPlacement")
      .def(nb::init<const Placement&>(), "placement"_a, Unlocked())
      .def("apportion", &apportion, "batch"_a, "source_rank"_a, "tokens"_a, "stream"_a)
      .def("remap", &remap, "ids"_a, "table"_a, "workspace"_a, "physical"_a, "stream"_a);
}

}  // namespace lplb::python
