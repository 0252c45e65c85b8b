// The weighted split on the GPU: kernel, launcher and the device copy of a model. The method is in solve_problem.h and
// what it includes, which also runs on the host; docs/cuda.md says who owns what and where the time goes.

#include <cuda_pipeline_primitives.h>

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
  weighted::MemoryLayout layout;
  const std::uint32_t* words;
  weighted::Batch batch;
  weighted::Output output;
  std::int32_t num_lead;
  std::int32_t chunk_bits;
  std::int32_t counts_offset;  // of the counts in shared memory, bytes
  std::int32_t image_offset;   // of the image
};

/// Into shared memory, all on its way at once; __pipeline_wait_prior waits for it.
template <class T>
__device__ void stage(T* to, const T* from, int count) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
    __pipeline_memcpy_async(to + i, from + i, sizeof(T));
  }
}

/// A block owns a problem, the lead's threads experts and rows in turn, and each a row of the matrix, or a part of one
/// of kChunk elements, in registers. It is bound by latency: an iteration is a chain of barriers, which are nearly free
/// in a warp: one a row of the largest block of the matrix, and eleven more.
template <int kChunk, bool kOneWarp, bool kPlain>
__global__ void __launch_bounds__(weighted::kMaxThreads, 1) weighted_kernel(const __grid_constant__ KernelArgs args) {
  extern __shared__ uint4 shared[];
  auto* const bytes = reinterpret_cast<char*>(shared);
  auto* const doubles = reinterpret_cast<double*>(shared);
  const std::uint32_t* words = args.words;
  if constexpr (kChunk != 0) {
    auto* const staged = reinterpret_cast<uint4*>(bytes + args.image_offset);
    stage(staged, reinterpret_cast<const uint4*>(args.words), args.header.num_words / 4);
    words = reinterpret_cast<const std::uint32_t*>(staged);
  }
  wait_for_previous();
  const auto problem = static_cast<std::size_t>(blockIdx.x);
  auto* const counts = reinterpret_cast<Tokens*>(bytes + args.counts_offset);
  stage(counts, args.batch.counts + problem * args.header.num_logical, args.header.num_logical);
  __pipeline_commit();
  weighted::Batch batch = args.batch;
  batch.counts = counts;
  batch.base_time += batch.base_time != nullptr ? problem * args.header.num_ranks : 0;
  batch.row_bound += problem * args.header.num_extra;
  weighted::Output output = args.output;
  output.summary += problem;
  output.share += output.share != nullptr ? problem * args.header.num_physical : 0;
  output.quota += output.quota != nullptr ? problem * args.header.num_physical : 0;
  output.rank_time += output.rank_time != nullptr ? problem * args.header.num_ranks : 0;
  weighted::DeviceTeam<kChunk, kOneWarp, kPlain> team(doubles, args.num_lead, args.chunk_bits);
  const weighted::ImageView view{.header = args.header, .words = words};
  const weighted::Memory memory{.at = args.layout, .doubles = doubles + weighted::kCombineDoubles};
  __pipeline_wait_prior(0);
  __syncthreads();
  weighted::solve_problem(team, view, batch, memory, output);
}

using Kernel = void (*)(KernelArgs);

Kernel kernel_of(const weighted::WeightedConfig& config) {
  const bool is_one_warp = config.num_lead == 32;
  if (!config.is_plain) {
    return config.chunk == 16   ? weighted_kernel<16, false, false>
           : config.chunk == 32 ? weighted_kernel<32, false, false>
                                : weighted_kernel<0, false, false>;
  }
  switch (config.chunk) {
    case 8:
      return is_one_warp ? weighted_kernel<8, true, true> : weighted_kernel<8, false, true>;
    case 16:
      return is_one_warp ? weighted_kernel<16, true, true> : weighted_kernel<16, false, true>;
    default:
      return weighted_kernel<32, false, true>;
  }
}

void allow_shared_memory(int bytes) {
  for (const int num_lead : {32, 64}) {
    for (const int chunk : {0, 8, 16, 32}) {
      for (const bool is_plain : {false, true}) {
        check_cuda(cudaFuncSetAttribute(kernel_of({.num_lead = num_lead, .chunk = chunk, .is_plain = is_plain}),
                                        cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
                   "WeightedDeviceModel");
      }
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
  const int max_shared_bytes = shared_bytes_of_block("WeightedDeviceModel");
  weighted::choose_weighted_config(image.header, tolerance, max_shared_bytes);
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
      weighted::choose_weighted_config(impl.header, impl.tolerance, impl.max_shared_bytes, options.num_threads);
  const KernelArgs args{.header = impl.header,
                        .layout = config.layout,
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
                        .num_lead = config.num_lead,
                        .chunk_bits = config.chunk_bits,
                        .counts_offset = static_cast<std::int32_t>(config.counts_offset),
                        .image_offset = static_cast<std::int32_t>(config.image_offset)};
  launch("cuda::solve_weighted", kernel_of(config),
         {.num_blocks = options.num_problems,
          .num_threads = config.num_threads,
          .shared_bytes = static_cast<std::size_t>(config.shared_bytes),
          .cluster_size = 1,
          .overlaps_previous = options.overlaps_previous},
         stream, args);
}

}  // namespace lplb::cuda
