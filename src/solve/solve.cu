// The exact split on the GPU: kernel, launcher, and the device copies of split graphs. The algorithm is in
// solve_block.h (a block), solve_pairs.h and solve_classes.h (a warp); docs/solver.md specifies it, docs/cuda.md says
// why it is fast.

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "base/check.h"
#include "cuda/device_buffer.cuh"
#include "cuda/error.cuh"
#include "cuda/launch.cuh"
#include "lplb/cuda_solve.h"
#include "solve/graph_copy.cuh"
#include "solve/hardware_simt.cuh"
#include "solve/pair_lanes.h"
#include "solve/pairs_block.h"
#include "solve/solve_block.h"
#include "solve/solve_config.h"
#include "solve/solve_image.h"

namespace lplb::cuda {
namespace {

/// A block owns a split, a warp a component, a lane a rank of it (up to four in large components). Shared memory:
/// SolveLayout. It is bound by latency: a chain of dependent shuffles, votes and shared loads, counted in docs/cuda.md.
template <class Kind, int kMaxThreads, int kMinBlocks>
__global__ void __launch_bounds__(kMaxThreads, kMinBlocks) solve_kernel(const __grid_constant__ SolveArgs args) {
  extern __shared__ uint4 shared[];
  solve_block<HardwareSimt, Kind>(args, reinterpret_cast<unsigned*>(shared), static_cast<int>(blockIdx.x), [] {
    let_next_start();
    wait_for_previous();
  });
}

/// The same, for few splits over components of pairs (PairsBlock); it falls back on the other way.
template <class Kind>
__global__ void __launch_bounds__(kThreadsOfFew, 1) solve_by_lanes_kernel(const __grid_constant__ SolveArgs args) {
  extern __shared__ uint4 shared[];
  solve_block_by_lanes<HardwareSimt, Kind>(args, reinterpret_cast<unsigned*>(shared), static_cast<int>(blockIdx.x), [] {
    let_next_start();
    wait_for_previous();
  });
}

using Kernel = void (*)(SolveArgs);

/// Few splits get all registers that they can use; many share a multiprocessor.
constexpr Kernel kSolveFew = solve_kernel<LaunchKind<true, false>, kThreadsOfFew, 1>;
constexpr Kernel kSolveFewPlain = solve_kernel<LaunchKind<true, true>, kThreadsOfFew, 1>;
constexpr Kernel kSolveByLanes = solve_by_lanes_kernel<LaunchKind<true, false>>;
constexpr Kernel kSolveByLanesPlain = solve_by_lanes_kernel<LaunchKind<true, true>>;
constexpr Kernel kSolveMany = solve_kernel<LaunchKind<true, false>, kMaxThreadsOfMany, 4>;
constexpr Kernel kSolveInDeviceMemory = solve_kernel<LaunchKind<false, false>, kThreadsOfFew, 1>;
constexpr Kernel kKernels[] = {kSolveFew,          kSolveFewPlain, kSolveByLanes,
                               kSolveByLanesPlain, kSolveMany,     kSolveInDeviceMemory};

Kernel kernel_of(const SolveConfig& config, const SolveArgs& args, bool has_lane_tables) {
  if (!config.layout.in_shared) {
    return kSolveInDeviceMemory;
  }
  if (config.num_threads <= kMaxThreadsOfMany) {
    return kSolveMany;
  }
  if (has_lane_tables) {
    return is_plain(args, config) ? kSolveByLanesPlain : kSolveByLanes;
  }
  return is_plain(args, config) ? kSolveFewPlain : kSolveFew;
}

}  // namespace

struct SolveGraph::Impl {
  SolveShape shape;
  int num_graphs = 0;
  int shares_begin = 0;         // of EvenShare, in words behind an image's start
  int stride = 0;               // words from image to image
  int staged_words = 0;         // of the longest image so far
  std::vector<int> lane_tasks;  // by graph: components in its lane tables, which lie behind the image; 0 = it has none
  DeviceBuffer<std::uint32_t> images;
  GraphCopy copy;
};

namespace {

/// Placements of one shape differ in how many classes and colors they need; what is reserved holds all that EPLB and
/// the topologies make, and more.
int with_room(int words, int num_physical) { return (words + words / 2 + 2 * num_physical + 3) / 4 * 4; }

/// Every warp reads a task before it knows whether there is one.
int with_room_for_tasks(int words, int num_physical) {
  return with_room(words, num_physical) + kThreadsOfFew / kWarpSize * kTaskWords;
}

/// The image, its lane tables `lanes_begin` words behind its start, and its even shares behind these.
std::vector<std::uint32_t> with_tables(const SolveImage& image, int lanes_begin,
                                       const std::vector<std::uint32_t>& tables, int shares_begin) {
  std::vector<std::uint32_t> words(shares_begin + image.shares.size() * (sizeof(EvenShare) / 4));
  std::ranges::copy(image.words, words.begin());
  std::ranges::copy(tables, words.begin() + lanes_begin);
  if (!image.shares.empty()) {
    std::memcpy(words.data() + shares_begin, image.shares.data(), image.shares.size() * sizeof(EvenShare));
  }
  return words;
}

int num_lane_tasks(const std::vector<std::uint32_t>& tables) {
  return tables.empty() ? 0 : static_cast<int>(tables[0]);
}

SolveHeader header_of(const SolveImage& image) {
  SolveHeader header;
  std::memcpy(&header, image.words.data(), sizeof header);
  return header;
}

SolveShape shape_of(const SplitGraph& graph) {
  return {.num_logical = graph.num_logical(), .num_physical = graph.num_physical(), .num_ranks = graph.num_ranks()};
}

void check_same_shape(const SolveShape& expected, const SplitGraph& graph) {
  check(graph.num_logical() == expected.num_logical && graph.num_physical() == expected.num_physical &&
            graph.num_ranks() == expected.num_ranks,
        "[SolveGraph] a graph of ", graph.num_logical(), " experts, ", graph.num_physical(), " slots and ",
        graph.num_ranks(), " ranks among graphs of ", expected.num_logical, ", ", expected.num_physical, " and ",
        expected.num_ranks);
}

void check_room(const SolveShape& shape, const SolveImage& image) {
  const SolveHeader header = header_of(image);
  check(header.num_words <= shape.image_words && header.num_amounts <= shape.amount_words, "[SolveGraph::replace] ",
        header.num_words, " words and ", header.num_amounts, " amounts do not fit in the room of ", shape.image_words,
        " and ", shape.amount_words, "; construct a new SolveGraph from this placement");
}

void allow_shared_memory(int bytes) {
  for (const Kernel kernel : kKernels) {
    check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes), "SolveGraph");
  }
}

SolveConfig config_of(const SolveGraph& graph, int num_splits) {
  SolveShape shape = graph.impl().shape;
  shape.num_splits = num_splits;
  return choose_solve_config(shape);
}

}  // namespace

SolveGraph::SolveGraph(std::span<const SplitGraph* const> graphs) : impl_(std::make_unique<Impl>()) {
  check(!graphs.empty(), "[SolveGraph] no graph is given");
  SolveShape& shape = impl_->shape = shape_of(*graphs[0]);
  std::vector<SolveImage> images;
  for (const SplitGraph* graph : graphs) {
    check_same_shape(shape, *graph);
    images.push_back(make_solve_image(*graph));
    const SolveHeader header = header_of(images.back());
    impl_->staged_words = std::max(impl_->staged_words, header.num_words);
    shape.image_words = std::max(shape.image_words, with_room_for_tasks(header.num_words, shape.num_physical));
    shape.amount_words = std::max(shape.amount_words, with_room(header.num_amounts, shape.num_physical));
  }
  shape.class_words = shape.num_physical / 4;  // a class of several experts has four copies at least
  shape.max_shared_bytes = shared_bytes_of_block("SolveGraph");
  allow_shared_memory(shape.max_shared_bytes);
  impl_->num_graphs = static_cast<int>(graphs.size());
  impl_->shares_begin = shape.image_words + lane_table_words(shape.num_ranks);
  impl_->stride =
      impl_->shares_begin + std::max(shape.amount_words, kThreadsOfFew) * static_cast<int>(sizeof(EvenShare) / 4);
  std::vector<std::uint32_t> words(images.size() * impl_->stride);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::vector<std::uint32_t> tables = make_lane_tables(*graphs[i]);
    impl_->lane_tasks.push_back(num_lane_tasks(tables));
    std::ranges::copy(with_tables(images[i], shape.image_words, tables, impl_->shares_begin),
                      words.begin() + static_cast<std::ptrdiff_t>(i) * impl_->stride);
  }
  impl_->images = DeviceBuffer<std::uint32_t>(words);
  impl_->copy = GraphCopy(impl_->stride);
}

SolveGraph::SolveGraph(const SplitGraph& graph) : SolveGraph(std::vector{&graph}) {}
SolveGraph::~SolveGraph() = default;
SolveGraph::SolveGraph(SolveGraph&&) noexcept = default;
SolveGraph& SolveGraph::operator=(SolveGraph&&) noexcept = default;

void SolveGraph::replace(const SplitGraph& graph, Stream stream, int index) {
  check(index >= 0 && index < impl_->num_graphs, "[SolveGraph::replace] index is ", index, "; there are ",
        impl_->num_graphs, " graphs");
  check_same_shape(impl_->shape, graph);
  const SolveImage image = make_solve_image(graph);
  check_room(impl_->shape, image);
  impl_->staged_words = std::max(impl_->staged_words, header_of(image).num_words);
  const std::vector<std::uint32_t> tables = make_lane_tables(graph);
  impl_->lane_tasks[index] = num_lane_tasks(tables);
  impl_->copy.send(with_tables(image, impl_->shape.image_words, tables, impl_->shares_begin),
                   impl_->images.data() + static_cast<std::size_t>(index) * impl_->stride, stream);
}

int SolveGraph::num_graphs() const { return impl_->num_graphs; }
int SolveGraph::num_logical() const { return impl_->shape.num_logical; }
int SolveGraph::num_physical() const { return impl_->shape.num_physical; }
int SolveGraph::num_ranks() const { return impl_->shape.num_ranks; }

std::size_t solve_workspace_bytes(const SolveGraph& graph, int num_splits) {
  return config_of(graph, num_splits).layout.spill_words * sizeof(std::uint32_t) * num_splits;
}

void solve(const SolveGraph& graph, const SolveInput& input, const SolveOutput& output, void* workspace, Stream stream,
           const SolveOptions& options) {
  check(options.num_splits >= 1 && input.num_sources >= 1, "[cuda::solve] num_splits is ", options.num_splits,
        " and num_sources ", input.num_sources, "; both must be positive");
  check(input.counts != nullptr && output.summary != nullptr, "[cuda::solve] counts and summary must not be null");
  const SolveConfig config = config_of(graph, options.num_splits);
  check(config.layout.spill_words == 0 || workspace != nullptr, "[cuda::solve] this shape needs a workspace");
  const SolveGraph::Impl& impl = graph.impl();
  const SolveArgs args{.images = impl.images.data(),
                       .num_images = impl.num_graphs,
                       .image_stride = impl.stride,
                       .staged_words = impl.staged_words,
                       .lanes_begin = impl.shape.image_words,
                       .num_lane_tasks = std::ranges::max(impl.lane_tasks),
                       .shares_begin = impl.shares_begin,
                       .counts = input.counts,
                       .num_sources = input.num_sources,
                       .base_load = input.base_load,
                       .num_logical = impl.shape.num_logical,
                       .num_physical = impl.shape.num_physical,
                       .num_ranks = impl.shape.num_ranks,
                       .quota = output.quota,
                       .rank_load = output.rank_load,
                       .component_bound = output.component_bound,
                       .in_bottleneck = output.in_bottleneck,
                       .summary = output.summary,
                       .spill = static_cast<unsigned*>(workspace),
                       .layout = config.layout};
  launch("cuda::solve", kernel_of(config, args, std::ranges::min(impl.lane_tasks) > 0),
         {.num_blocks = config.num_blocks,
          .num_threads = config.num_threads,
          .shared_bytes = config.shared_bytes,
          .cluster_size = 1,
          .overlaps_previous = options.overlaps_previous},
         stream, args);
}

}  // namespace lplb::cuda
