// The weighted split on the GPU: kernel, launcher and the device copy of a model. The method is in solve_problem.h and
// what it includes, which also runs on the host; docs/cuda.md says who owns what and where the time goes.

#include <cstring>

#include "base/check.h"
#include "cuda/device_buffer.cuh"
#include "cuda/error.cuh"
#include "cuda/launch.cuh"
#include "lplb/cuda_weighted.h"
#include "weighted/device_block.cuh"
#include "weighted/solve_problem.h"
#include "weighted/weighted_config.h"

namespace lplb::cuda {
namespace {

/// What all problems of a launch share; shapes without the leading number of problems.
struct KernelArgs {
  weighted::ImageHeader header;
  const std::uint32_t* words;
  weighted::Batch batch;
  weighted::Output output;
  std::int32_t image_offset;  // of the staged image in shared memory, bytes; 0 = not staged
};

/// A block owns a problem, a thread whole experts, rows, and kTile elements of the matrix. It is bound by latency: an
/// iteration is a chain of barriers, one a row of the largest block of the matrix and about twelve more.
template <int kTile, bool kOneWarp>
__global__ void __launch_bounds__(kOneWarp ? 32 : weighted::kMaxThreads, 1)
    weighted_kernel(const __grid_constant__ KernelArgs args) {
  extern __shared__ uint4 shared[];
  auto* const doubles = reinterpret_cast<double*>(shared);
  using Block = weighted::DeviceBlock<kTile, kOneWarp>;
  Block block(doubles);
  const weighted::ImageHeader& h = args.header;
  weighted::ImageView view{.header = h, .words = args.words};
  if (args.image_offset != 0) {
    auto* const staged = reinterpret_cast<uint4*>(reinterpret_cast<char*>(shared) + args.image_offset);
    const auto* const source = reinterpret_cast<const uint4*>(args.words);
    for (int i = Block::thread(); i < h.num_words / 4; i += Block::num_threads()) {
      staged[i] = source[i];
    }
    view.words = reinterpret_cast<const std::uint32_t*>(staged);
  }
  wait_for_previous();
  Block::sync();
  const auto problem = static_cast<std::size_t>(blockIdx.x);
  weighted::Batch batch = args.batch;
  batch.counts += problem * h.num_logical;
  batch.base_time += batch.base_time != nullptr ? problem * h.num_ranks : 0;
  batch.row_bound += problem * h.num_extra;
  weighted::Output output = args.output;
  output.summary += problem;
  output.share += output.share != nullptr ? problem * h.num_physical : 0;
  output.quota += output.quota != nullptr ? problem * h.num_physical : 0;
  output.rank_time += output.rank_time != nullptr ? problem * h.num_ranks : 0;
  const weighted::Memory memory =
      weighted::lay_out_memory(h, Block::num_threads(), doubles + weighted::kCombineDoubles);
  weighted::solve_problem(block, view, batch, memory, output);
}

using Kernel = void (*)(KernelArgs);

Kernel kernel_of(const weighted::WeightedConfig& config) {
  const bool one_warp = config.num_threads == 32;
  switch (config.tile) {
    case 2:
      return one_warp ? weighted_kernel<2, true> : weighted_kernel<2, false>;
    case 8:
      return one_warp ? weighted_kernel<8, true> : weighted_kernel<8, false>;
    case 32:
      return weighted_kernel<32, false>;
    default:
      return weighted_kernel<0, false>;
  }
}

int device_shared_bytes() {
  int device = 0;
  int bytes = 0;
  check_cuda(cudaGetDevice(&device), "WeightedDeviceModel");
  check_cuda(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "WeightedDeviceModel");
  return bytes;
}

void allow_shared_memory(int bytes) {
  for (const int threads : {32, 64}) {
    for (const int tile : weighted::kTiles) {
      check_cuda(cudaFuncSetAttribute(kernel_of({.num_threads = threads, .tile = tile}),
                                      cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
                 "WeightedDeviceModel");
    }
  }
}

}  // namespace

struct WeightedDeviceModel::Impl {
  weighted::ImageHeader header;
  double tolerance;
  int max_shared_bytes;
  DeviceBuffer<std::uint32_t> words;
};

WeightedDeviceModel::WeightedDeviceModel(const WeightedModel& model, double tolerance) {
  check(tolerance > 0, "[WeightedDeviceModel] tolerance is ", tolerance, "; it must be above 0");
  const weighted::Image& image =
      tolerance < weighted::kCarefulTolerance ? model.impl().one_block : model.impl().by_component;
  const int max_shared_bytes = device_shared_bytes();
  weighted::choose_weighted_config(image.header, max_shared_bytes);
  allow_shared_memory(max_shared_bytes);
  impl_ = std::make_unique<Impl>(Impl{.header = image.header,
                                      .tolerance = tolerance,
                                      .max_shared_bytes = max_shared_bytes,
                                      .words = DeviceBuffer<std::uint32_t>(image.words)});
}

WeightedDeviceModel::~WeightedDeviceModel() = default;
WeightedDeviceModel::WeightedDeviceModel(WeightedDeviceModel&&) noexcept = default;
WeightedDeviceModel& WeightedDeviceModel::operator=(WeightedDeviceModel&&) noexcept = default;

void solve_weighted(const WeightedDeviceModel& model, const WeightedDeviceInput& input,
                    const WeightedDeviceOutput& output, Stream stream, const WeightedLaunch& options) {
  const WeightedDeviceModel::Impl& impl = model.impl();
  check(options.num_problems >= 1 && options.max_iterations >= 0, "[cuda::solve_weighted] num_problems is ",
        options.num_problems, " and max_iterations ", options.max_iterations, "; they must be at least 1 and 0");
  check(input.counts != nullptr && output.summary != nullptr,
        "[cuda::solve_weighted] counts and summary must not be null");
  check(impl.header.num_extra == 0 || input.row_bound != nullptr,
        "[cuda::solve_weighted] row_bound must not be null: ", "the model has ", impl.header.num_extra, " rows");
  const weighted::WeightedConfig config =
      weighted::choose_weighted_config(impl.header, impl.max_shared_bytes, options.num_threads);
  const auto image_bytes = static_cast<std::int64_t>(sizeof(std::uint32_t)) * impl.header.num_words;
  const KernelArgs args{
      .header = impl.header,
      .words = impl.words.data(),
      .batch = {.counts = input.counts,
                .base_time = input.base_time,
                .row_bound = input.row_bound,
                .tolerance = impl.tolerance,
                .max_iterations = options.max_iterations},
      .output = {.share = output.share,
                 .rank_time = output.rank_time,
                 .quota = output.quota,
                 .summary = output.summary},
      .image_offset = config.stages_image ? static_cast<std::int32_t>(config.shared_bytes - image_bytes) : 0};
  launch("cuda::solve_weighted", kernel_of(config),
         {.num_blocks = options.num_problems,
          .num_threads = config.num_threads,
          .shared_bytes = static_cast<std::size_t>(config.shared_bytes),
          .cluster_size = 1,
          .overlaps_previous = options.overlaps_previous},
         stream, args);
}

}  // namespace lplb::cuda
