// Threads, registers and shared memory of the weighted solver. One element a thread was measured best up to 512
// threads; a thread holds up to 32 elements of the matrix in registers, and beyond that the matrix is swept in shared
// memory.

#include "weighted/weighted_config.h"

#include "base/check.h"

namespace lplb::weighted {
namespace {

constexpr int kWarp = 32;

int choose_threads(const ImageHeader& h) {
  if (h.num_elements <= kWarp) {
    return kWarp;
  }
  int threads = 2 * kWarp;
  while (threads < kMaxThreads && (threads < h.num_elements || threads < h.num_experts)) {
    threads *= 2;
  }
  return threads;
}

int choose_tile(const ImageHeader& h, int num_threads) {
  for (const int tile : kTiles) {
    if (tile * num_threads >= h.num_elements) {
      return tile;
    }
  }
  return 0;
}

}  // namespace

WeightedConfig choose_weighted_config(const ImageHeader& header, int max_shared_bytes, int wanted_threads) {
  check(wanted_threads >= 0 && wanted_threads <= kMaxThreads && wanted_threads % kWarp == 0,
        "[cuda::solve_weighted] num_threads (", wanted_threads, ") must be 0 or a multiple of 32 up to ", kMaxThreads);
  WeightedConfig config;
  config.num_threads = wanted_threads != 0 ? wanted_threads : choose_threads(header);
  config.tile = choose_tile(header, config.num_threads);
  const std::int64_t memory =
      static_cast<std::int64_t>(sizeof(double)) * (kCombineDoubles + memory_doubles(header, config.num_threads));
  const std::int64_t image = static_cast<std::int64_t>(sizeof(std::uint32_t)) * header.num_words;
  constexpr std::int64_t kAlignment = 16;
  const std::int64_t aligned = (memory + kAlignment - 1) / kAlignment * kAlignment;
  check(memory <= max_shared_bytes, "[cuda::solve_weighted] ", header.num_columns, " copies of ", header.num_experts,
        " shared experts, ", header.num_rows, " rows and a matrix of ", header.num_elements, " elements need ", memory,
        " bytes of shared memory; a block of this device has ", max_shared_bytes);
  config.stages_image = aligned + image <= max_shared_bytes;
  config.shared_bytes = config.stages_image ? aligned + image : aligned;
  return config;
}

}  // namespace lplb::weighted
