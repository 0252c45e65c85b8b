// The per-batch path on the GPU as a list of launches: count -> solve -> apportion -> remap. All but the first of a
// path may start before their predecessor ends and do then what does not depend on it; each waits for it before the
// rest.

#include "lplb/cuda_planner.h"

#include <utility>
#include <vector>

#include "base/check.h"
#include "cuda/device_buffer.cuh"
#include "cuda/staged_buffer.cuh"
#include "lplb/cuda_count.h"
#include "lplb/cuda_placement.h"
#include "lplb/solve.h"
#include "planner/apportion_remap.cuh"
#include "solve/split_graph.h"

namespace lplb::cuda {
namespace {

template <class T>
T read_one(const T* device, Stream stream) {
  T value{};
  check_cuda(cudaMemcpyAsync(&value, device, sizeof(T), cudaMemcpyDeviceToHost, stream), "Planner");
  check_cuda(cudaStreamSynchronize(stream), "Planner");
  return value;
}

}  // namespace

struct Planner::Impl {
  Impl(const Placement& placement, const PlannerOptions& planner_options);

  void solve_counts(const Tokens* device_counts, int num_sources, bool overlaps_previous, Stream stream);
  template <class Id>
  Routing<Id> checked(Routing<Id> routing);
  template <class Id>
  RemapArgs<Id> remap_args(const Routing<Id>& routing, std::span<const Tokens> device_table, std::span<Id> physical,
                           const DispatchLayout& layout);
  template <class Id>
  void remap(const Routing<Id>& routing, std::span<const Tokens> source_counts, std::span<Id> physical,
             const DispatchLayout& layout, Stream stream);
  template <class Id>
  void run(const Routing<Id>& routing, std::span<Id> physical, const DispatchLayout& layout, Stream stream);

  PlannerOptions options;
  Placement placement;
  std::vector<std::uint8_t> live;  // [G] or empty
  SplitGraph graph;
  DevicePlacement device_placement;
  SolveGraph solve_graph;
  StagedBuffer<std::uint8_t> device_live;  // [G]
  StagedBuffer<Tokens> base_load;          // [G]
  DeviceBuffer<std::byte> routing_workspace;
  DeviceBuffer<std::byte> solve_workspace;
  DeviceBuffer<Tokens> counts;               // [E]
  DeviceBuffer<Tokens> quota;                // [P]
  DeviceBuffer<Tokens> table;                // [P]
  DeviceBuffer<Tokens> rank_load;            // [G]
  DeviceBuffer<std::uint8_t> in_bottleneck;  // [G]
  DeviceBuffer<Tokens> component_bound;      // [G]
  DeviceBuffer<PlanSummary> summary;
  DeviceBuffer<std::int32_t> status;
  bool table_is_quota = true;
};

Planner::Impl::Impl(const Placement& first_placement, const PlannerOptions& planner_options)
    : options(planner_options),
      placement(first_placement),
      graph(placement),
      device_placement(placement),
      solve_graph(graph),
      device_live(std::vector<std::uint8_t>(placement.num_ranks(), 1)),
      base_load(std::vector<Tokens>(placement.num_ranks(), 0)),
      routing_workspace(routing_workspace_bytes(options.max_ids, placement.num_logical())),
      solve_workspace(solve_workspace_bytes(solve_graph)),
      counts(placement.num_logical()),
      quota(placement.num_physical()),
      table(placement.num_physical()),
      rank_load(placement.num_ranks()),
      in_bottleneck(placement.num_ranks()),
      component_bound(placement.num_ranks()),
      summary(1),
      status(1) {
  check(options.source_rank >= 0 && options.source_rank < placement.num_ranks(), "[Planner] source_rank (",
        options.source_rank, ") must be in 0..", placement.num_ranks() - 1);
}

void Planner::Impl::solve_counts(const Tokens* device_counts, int num_sources, bool overlaps_previous, Stream stream) {
  const SolveInput input{.counts = device_counts, .num_sources = num_sources, .base_load = base_load.data()};
  const SolveOutput output{.summary = summary.data(),
                           .quota = quota.data(),
                           .rank_load = rank_load.data(),
                           .in_bottleneck = in_bottleneck.data(),
                           .component_bound = component_bound.data()};
  solve(solve_graph, input, output, solve_workspace.data(), stream, {.overlaps_previous = overlaps_previous});
}

template <class Id>
Routing<Id> Planner::Impl::checked(Routing<Id> routing) {
  check(static_cast<std::int64_t>(routing.topk_idx.size()) <= options.max_ids, "[Planner] topk_idx has ",
        routing.topk_idx.size(), " entries; max_ids is ", options.max_ids);
  if (options.checks && routing.status == nullptr) {
    routing.status = status.data();
  }
  return routing;
}

template <class Id>
RemapArgs<Id> Planner::Impl::remap_args(const Routing<Id>& routing, std::span<const Tokens> device_table,
                                        std::span<Id> physical, const DispatchLayout& layout) {
  return {.routing = checked(routing),
          .table = device_table,
          .workspace = routing_workspace.span(),
          .physical = physical,
          .layout = layout,
          .overlaps_previous = true};
}

template <class Id>
void Planner::Impl::remap(const Routing<Id>& routing, std::span<const Tokens> source_counts, std::span<Id> physical,
                          const DispatchLayout& layout, Stream stream) {
  table_is_quota = false;
  apportion_and_remap(device_placement,
                      {.counts = source_counts,
                       .quota = quota.span(),
                       .live = device_live.span(),
                       .source_rank = options.source_rank,
                       .tokens = table.span(),
                       .overlaps_previous = true},
                      remap_args(routing, table.span(), physical, layout), stream);
}

template <class Id>
void Planner::Impl::run(const Routing<Id>& routing, std::span<Id> physical, const DispatchLayout& layout,
                        Stream stream) {
  count_tokens(checked(routing), counts.span(), routing_workspace.span(), stream);
  solve_counts(counts.data(), 1, true, stream);
  table_is_quota = true;
  cuda::remap(device_placement, remap_args(routing, quota.span(), physical, layout), stream);
}

Planner::Planner(const Placement& placement, const PlannerOptions& options)
    : impl_(std::make_unique<Impl>(placement, options)) {}
Planner::~Planner() = default;
Planner::Planner(Planner&&) noexcept = default;
Planner& Planner::operator=(Planner&&) noexcept = default;

void Planner::set_placement(const Placement& placement, Stream stream) {
  // The other sizes are the solver's to check, before anything has changed.
  check(placement.num_nodes() == impl_->placement.num_nodes(), "[Planner::set_placement] num_nodes (",
        placement.num_nodes(), ") must stay ", impl_->placement.num_nodes());
  SplitGraph graph(placement, impl_->live);
  impl_->solve_graph.replace(graph, stream);
  impl_->device_placement.replace(placement, stream);
  impl_->graph = std::move(graph);
  impl_->placement = placement;
}

void Planner::set_live_ranks(std::span<const std::uint8_t> live, Stream stream) {
  SplitGraph graph(impl_->placement, live);
  impl_->solve_graph.replace(graph, stream);
  impl_->graph = std::move(graph);
  impl_->live.assign(live.begin(), live.end());
  const std::vector<std::uint8_t> all(impl_->placement.num_ranks(), 1);
  impl_->device_live.replace(live.empty() ? all : live, stream);
}

void Planner::set_base_load(std::span<const Tokens> base_load, Stream stream) {
  check(base_load.empty() || static_cast<int>(base_load.size()) == impl_->placement.num_ranks(),
        "[Planner::set_base_load] base_load has ", base_load.size(),
        " entries; it must have none, or one for each of the ", impl_->placement.num_ranks(), " ranks");
  const std::vector<Tokens> none(impl_->placement.num_ranks(), 0);
  impl_->base_load.replace(base_load.empty() ? none : base_load, stream);
}

void Planner::count(const Routing<std::int32_t>& routing, Stream stream) {
  count_tokens(impl_->checked(routing), impl_->counts.span(), impl_->routing_workspace.span(), stream);
}

void Planner::count(const Routing<std::int64_t>& routing, Stream stream) {
  count_tokens(impl_->checked(routing), impl_->counts.span(), impl_->routing_workspace.span(), stream);
}

std::span<const Tokens> Planner::counts() const { return std::as_const(impl_->counts).span(); }

void Planner::plan(std::span<const Tokens> counts, Stream stream) {
  const auto num_logical = static_cast<std::size_t>(impl_->placement.num_logical());
  const auto num_ranks = static_cast<std::size_t>(impl_->placement.num_ranks());
  check(counts.size() == num_logical || counts.size() == num_logical * num_ranks, "[Planner::plan] counts has ",
        counts.size(), " entries; it must be [", num_logical, "] or [", num_ranks, ", ", num_logical, "]");
  impl_->solve_counts(counts.data(), static_cast<int>(counts.size() / num_logical), false, stream);
}

void Planner::remap(const Routing<std::int32_t>& routing, std::span<const Tokens> source_counts,
                    std::span<std::int32_t> physical, const DispatchLayout& layout, Stream stream) {
  impl_->remap(routing, source_counts, physical, layout, stream);
}

void Planner::remap(const Routing<std::int64_t>& routing, std::span<const Tokens> source_counts,
                    std::span<std::int64_t> physical, const DispatchLayout& layout, Stream stream) {
  impl_->remap(routing, source_counts, physical, layout, stream);
}

void Planner::remap_by_table(const Routing<std::int32_t>& routing, std::span<const Tokens> table,
                             std::span<std::int32_t> physical, Stream stream) {
  cuda::remap(impl_->device_placement, impl_->remap_args(routing, table, physical, {}), stream);
}

void Planner::remap_by_table(const Routing<std::int64_t>& routing, std::span<const Tokens> table,
                             std::span<std::int64_t> physical, Stream stream) {
  cuda::remap(impl_->device_placement, impl_->remap_args(routing, table, physical, {}), stream);
}

void Planner::run(const Routing<std::int32_t>& routing, std::span<std::int32_t> physical, const DispatchLayout& layout,
                  Stream stream) {
  impl_->run(routing, physical, layout, stream);
}

void Planner::run(const Routing<std::int64_t>& routing, std::span<std::int64_t> physical, const DispatchLayout& layout,
                  Stream stream) {
  impl_->run(routing, physical, layout, stream);
}

PlanView Planner::plan_view() const {
  return {.quota = std::as_const(impl_->quota).span(),
          .rank_load = std::as_const(impl_->rank_load).span(),
          .in_bottleneck = std::as_const(impl_->in_bottleneck).span(),
          .summary = impl_->summary.data()};
}

std::span<const Tokens> Planner::table() const {
  return std::as_const(impl_->table_is_quota ? impl_->quota : impl_->table).span();
}

Plan Planner::read_plan(Stream stream) const {
  const auto scalars = read_one(impl_->summary.data(), stream);
  const SplitGraph::Impl& graph = impl_->graph.impl();
  Plan plan{.quota = impl_->quota.download(),
            .rank_load = impl_->rank_load.download(),
            .max_load = scalars.max_load,
            .lower_bound = scalars.lower_bound,
            .status = scalars.status,
            .component = graph.component_of,
            .component_bound = impl_->component_bound.download(),
            .in_bottleneck = impl_->in_bottleneck.download(),
            .digest = scalars.digest,
            .num_sweeps = scalars.num_sweeps,
            .num_waves = scalars.num_waves,
            .num_raises = scalars.num_raises};
  plan.component_bound.resize(impl_->graph.num_components());
  return plan;
}

std::int32_t Planner::read_status(Stream stream) {
  const std::int32_t bits = read_one(impl_->status.data(), stream);
  check_cuda(cudaMemsetAsync(impl_->status.data(), 0, sizeof(bits), stream), "Planner::read_status");
  return bits;
}

}  // namespace lplb::cuda
