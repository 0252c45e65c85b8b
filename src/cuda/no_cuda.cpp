// The CUDA interface of a build without CUDA: the same functions, which say so. Objects cannot be made, so what they
// would do is never reached.

#include <string>

#include "lplb/cuda.h"
#include "lplb/cuda_apportion.h"
#include "lplb/cuda_count.h"
#include "lplb/cuda_optimize.h"
#include "lplb/cuda_placement.h"
#include "lplb/cuda_planner.h"
#include "lplb/cuda_remap.h"
#include "lplb/cuda_routing.h"
#include "lplb/cuda_solve.h"
#include "lplb/cuda_weighted.h"
#include "lplb/error.h"

namespace lplb::cuda {
namespace {

[[noreturn]] void refuse(const char* function) {
  throw CudaError(std::string("[") + function +
                  "] this build of lplb has no CUDA stages; configure with LPLB_CUDA=ON where a CUDA toolkit is");
}

template <class Id>
using Physical = std::span<Id>;
using Ids32 = Routing<std::int32_t>;
using Ids64 = Routing<std::int64_t>;
using Counts = std::span<const Tokens>;

}  // namespace

bool is_built() { return false; }
int device_count() { return 0; }
DeviceInfo device_info(int /*device*/) { refuse("device_info"); }

std::size_t routing_workspace_bytes(std::int64_t /*num_ids*/, int /*num_logical*/) {
  refuse("routing_workspace_bytes");
}

void count_tokens(const Ids32&, std::span<Tokens>, std::span<std::byte>, Stream) { refuse("count_tokens"); }
void count_tokens(const Ids64&, std::span<Tokens>, std::span<std::byte>, Stream) { refuse("count_tokens"); }

struct DevicePlacement::Impl {};
DevicePlacement::DevicePlacement(const Placement& /*placement*/) { refuse("DevicePlacement"); }
DevicePlacement::~DevicePlacement() = default;
DevicePlacement::DevicePlacement(DevicePlacement&&) noexcept = default;
DevicePlacement& DevicePlacement::operator=(DevicePlacement&&) noexcept = default;
void DevicePlacement::replace(const Placement&, Stream) { refuse("DevicePlacement"); }
int DevicePlacement::num_logical() const { refuse("DevicePlacement"); }
int DevicePlacement::num_physical() const { refuse("DevicePlacement"); }
int DevicePlacement::num_ranks() const { refuse("DevicePlacement"); }

struct SolveGraph::Impl {};
SolveGraph::SolveGraph(const SplitGraph& /*graph*/) { refuse("SolveGraph"); }
SolveGraph::SolveGraph(std::span<const SplitGraph* const> /*graphs*/) { refuse("SolveGraph"); }
SolveGraph::~SolveGraph() = default;
SolveGraph::SolveGraph(SolveGraph&&) noexcept = default;
SolveGraph& SolveGraph::operator=(SolveGraph&&) noexcept = default;
void SolveGraph::replace(const SplitGraph&, Stream, int) { refuse("SolveGraph"); }
int SolveGraph::num_graphs() const { refuse("SolveGraph"); }
int SolveGraph::num_logical() const { refuse("SolveGraph"); }
int SolveGraph::num_physical() const { refuse("SolveGraph"); }
int SolveGraph::num_ranks() const { refuse("SolveGraph"); }
std::size_t solve_workspace_bytes(const SolveGraph&, int) { refuse("solve"); }
void solve(const SolveGraph&, const SolveInput&, const SolveOutput&, void*, Stream, const SolveOptions&) {
  refuse("solve");
}

void apportion(const DevicePlacement&, const ApportionArgs&, Stream) { refuse("apportion"); }

void remap(const DevicePlacement&, const RemapArgs<std::int32_t>&, Stream) { refuse("remap"); }
void remap(const DevicePlacement&, const RemapArgs<std::int64_t>&, Stream) { refuse("remap"); }

struct Planner::Impl {};
Planner::Planner(const Placement& /*placement*/, const PlannerOptions& /*options*/) { refuse("Planner"); }
Planner::~Planner() = default;
Planner::Planner(Planner&&) noexcept = default;
Planner& Planner::operator=(Planner&&) noexcept = default;
void Planner::set_placement(const Placement&, Stream) { refuse("Planner"); }
void Planner::set_live_ranks(std::span<const std::uint8_t>, Stream) { refuse("Planner"); }
void Planner::set_base_load(std::span<const Tokens>, Stream) { refuse("Planner"); }
void Planner::count(const Ids32&, Stream) { refuse("Planner"); }
void Planner::count(const Ids64&, Stream) { refuse("Planner"); }
Counts Planner::counts() const { refuse("Planner"); }
void Planner::plan(Counts, Stream) { refuse("Planner"); }
void Planner::remap(const Ids32&, Counts, Physical<std::int32_t>, const DispatchLayout&, Stream) { refuse("Planner"); }
void Planner::remap(const Ids64&, Counts, Physical<std::int64_t>, const DispatchLayout&, Stream) { refuse("Planner"); }
void Planner::remap_by_table(const Ids32&, Counts, Physical<std::int32_t>, Stream) { refuse("Planner"); }
void Planner::remap_by_table(const Ids64&, Counts, Physical<std::int64_t>, Stream) { refuse("Planner"); }
void Planner::run(const Ids32&, Physical<std::int32_t>, const DispatchLayout&, Stream) { refuse("Planner"); }
void Planner::run(const Ids64&, Physical<std::int64_t>, const DispatchLayout&, Stream) { refuse("Planner"); }
PlanView Planner::plan_view() const { refuse("Planner"); }
Counts Planner::table() const { refuse("Planner"); }
Plan Planner::read_plan(Stream) const { refuse("Planner"); }
std::int32_t Planner::read_status(Stream) { refuse("Planner"); }

LayersResult optimize_layers(std::span<const Tokens>, int, const OptimizeArgs&, std::span<const Placement>, int, int) {
  refuse("optimize_layers");
}

struct WeightedDeviceModel::Impl {};
WeightedDeviceModel::WeightedDeviceModel(const WeightedModel&, double) { refuse("WeightedDeviceModel"); }
WeightedDeviceModel::~WeightedDeviceModel() = default;
WeightedDeviceModel::WeightedDeviceModel(WeightedDeviceModel&&) noexcept = default;
WeightedDeviceModel& WeightedDeviceModel::operator=(WeightedDeviceModel&&) noexcept = default;
void solve_weighted(const WeightedDeviceModel&, const WeightedDeviceInput&, const WeightedDeviceOutput&, Stream,
                    const WeightedLaunch&) {
  refuse("solve_weighted");
}

}  // namespace lplb::cuda
