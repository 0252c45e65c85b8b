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
template <bool kInShared, int kMaxThreads, int kMinBlocks>
__global__ void __launch_bounds__(kMaxThreads, kMinBlocks) solve_kernel(const __grid_constant__ SolveArgs args) {
  extern __shared__ uint4 shared[];
  solve_block<HardwareSimt, kInShared>(args, reinterpret_cast<unsigned*>(shared), static_cast<int>(blockIdx.x), [] {
    let_next_start();
    wait_for_previous();
  });
}

/// The same, for few splits over components of pairs (PairsBlock); it falls back on the other way.
__global__ void __launch_bounds__(kThreadsOfFew, 1) solve_by_lanes_kernel(const __grid_constant__ SolveArgs args) {
  extern __shared__ uint4 shared[];
  solve_block_by_lanes<HardwareSimt>(args, reinterpret_cast<unsigned*>(shared), static_cast<int>(blockIdx.x), [] {
    let_next_start();
    wait_for_previous();
  });
}

/// Few splits get all registers that they can use; many share a multiprocessor.
constexpr auto kSolveFew = solve_kernel<true, kThreadsOfFew, 1>;
constexpr auto kSolveMany = solve_kernel<true, kMaxThreadsOfMany, 4>;
constexpr auto kSolveInDeviceMemory = solve_kernel<false, kThreadsOfFew, 1>;

}  // namespace

struct SolveGraph::Impl {
  SolveShape shape;
  int num_graphs = 0;
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

/// The image, and its lane tables `lanes_begin` words behind its start.
std::vector<std::uint32_t> with_lane_tables(std::vector<std::uint32_t> image, int lanes_begin,
                                            const std::vector<std::uint32_t>& tables) {
  image.resize(lanes_begin);
  image.insert(image.end(), tables.begin(), tables.end());
  image.resize(lanes_begin + std::max<std::size_t>(tables.size(), kLaneTableHeader));
  return image;
}

int num_lane_tasks(const std::vector<std::uint32_t>& tables) {
  return tables.empty() ? 0 : static_cast<int>(tables[0]);
}

SolveHeader header_of(const std::vector<std::uint32_t>& image) {
  SolveHeader header;
  std::memcpy(&header, image.data(), sizeof header);
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

void check_room(const SolveShape& shape, const std::vector<std::uint32_t>& image) {
  const SolveHeader header = header_of(image);
  check(header.num_words <= shape.image_words && header.num_amounts <= shape.amount_words, "[SolveGraph::replace] ",
        header.num_words, " words and ", header.num_amounts, " amounts do not fit in the room of ", shape.image_words,
        " and ", shape.amount_words, "; construct a new SolveGraph from this placement");
}

void allow_shared_memory(int bytes) {
  for (const auto kernel : {kSolveFew, solve_by_lanes_kernel, kSolveMany, kSolveInDeviceMemory}) {
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
  std::vector<std::vector<std::uint32_t>> images;
  for (const SplitGraph* graph : graphs) {
    check_same_shape(shape, *graph);
    images.push_back(make_solve_image(*graph));
    const SolveHeader header = header_of(images.back());
    impl_->staged_words = std::max(impl_->staged_words, header.num_words);
    shape.image_words = std::max(shape.image_words, with_room_for_tasks(header.num_words, shape.num_physical));
    shape.amount_words = std::max(shape.amount_words, with_room(header.num_amounts, shape.num_physical));
  }
  shape.class_words = shape.num_physical / 2 + 1;  // a class has an expert of two copies at least; and one is empty
  shape.max_shared_bytes = shared_bytes_of_block("SolveGraph");
  allow_shared_memory(shape.max_shared_bytes);
  impl_->num_graphs = static_cast<int>(graphs.size());
  impl_->stride = shape.image_words + lane_table_words(shape.num_ranks);
  std::vector<std::uint32_t> words(images.size() * impl_->stride);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::vector<std::uint32_t> tables = make_lane_tables(*graphs[i]);
    impl_->lane_tasks.push_back(num_lane_tasks(tables));
    std::ranges::copy(with_lane_tables(std::move(images[i]), shape.image_words, tables),
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
  const std::vector<std::uint32_t> image = make_solve_image(graph);
  check_room(impl_->shape, image);
  impl_->staged_words = std::max(impl_->staged_words, header_of(image).num_words);
  const std::vector<std::uint32_t> tables = make_lane_tables(graph);
  impl_->lane_tasks[index] = num_lane_tasks(tables);
  impl_->copy.send(with_lane_tables(image, impl_->shape.image_words, tables),
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
                       .counts = input.counts,
                       .num_sources = input.num_sources,
                       .base_load = input.base_load,
                       .num_logical = impl.shape.num_logical,
                       .num_physical = impl.shape.num_physical,
                       .num_ranks = impl.shape.num_ranks,
                       .slots_per_rank = impl.shape.num_physical / impl.shape.num_ranks,
                       .quota = output.quota,
                       .rank_load = output.rank_load,
                       .component_bound = output.component_bound,
                       .in_bottleneck = output.in_bottleneck,
                       .summary = output.summary,
                       .spill = static_cast<unsigned*>(workspace),
                       .layout = config.layout};
  const bool is_few = config.num_threads > kMaxThreadsOfMany;
  const auto kernel = !config.layout.in_shared                ? kSolveInDeviceMemory
                      : !is_few                               ? kSolveMany
                      : std::ranges::min(impl.lane_tasks) > 0 ? solve_by_lanes_kernel
                                                              : kSolveFew;
  launch("cuda::solve", kernel,
         {.num_blocks = config.num_blocks,
          .num_threads = config.num_threads,
          .shared_bytes = config.shared_bytes,
          .cluster_size = 1,
          .overlaps_previous = options.overlaps_previous},
         stream, args);
}

}  // namespace lplb::cuda
