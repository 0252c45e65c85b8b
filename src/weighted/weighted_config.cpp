// Threads, registers and shared memory of the weighted solver. The lead has a thread for each row of the matrix, or a
// few where rows are long, and for each shared expert, if one warp can be that; three more warps help with what is
// fixed.

#include "weighted/weighted_config.h"

#include <algorithm>

#include "base/check.h"

namespace lplb::weighted {
namespace {

constexpr int kWarp = 32;
constexpr int kHelpers = 96;
constexpr std::int64_t kAlignment = 16;

constexpr std::int64_t align(std::int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }
constexpr int whole_warps(int threads) { return (threads + kWarp - 1) / kWarp * kWarp; }

/// Entries of a row in a thread's registers, and threads a row: short parts while that leaves few enough threads.
void choose_chunk(const ImageHeader& h, int max_threads, WeightedConfig& config) {
  const int rows = whole_warps(h.num_rows);
  for (const int chunk : {8, 16, 32}) {
    int bits = 0;
    while (chunk << bits < h.num_steps) {
      ++bits;
    }
    if ((chunk != 8 || (bits == 0 && config.is_plain)) && rows << bits <= max_threads) {
      config.chunk = chunk;
      config.chunk_bits = bits;
      return;
    }
  }
}

void choose_threads(const ImageHeader& h, int wanted_threads, WeightedConfig& config) {
  const int max_threads = wanted_threads != 0 ? wanted_threads : kMaxThreads;
  choose_chunk(h, max_threads, config);
  if (config.chunk == 0) {
    config.is_plain = false;
    config.num_threads = config.num_lead = max_threads;
    return;
  }
  const int for_rows = whole_warps(h.num_rows) << config.chunk_bits;
  const int for_experts = std::min(whole_warps(h.num_experts), 2 * kWarp);
  config.num_lead = std::min(std::max(for_rows, for_experts), max_threads);
  config.num_threads = wanted_threads != 0 ? wanted_threads : std::min(config.num_lead + kHelpers, kMaxThreads);
}

void lay_out(const ImageHeader& h, WeightedConfig& config) {
  const int pivot_doubles =
      config.chunk == 0 ? h.num_rows + h.num_rows % 2 : h.num_blocks * (config.chunk << config.chunk_bits);
  config.layout = lay_out_memory(h, config.num_threads, pivot_doubles);
  const std::int64_t doubles = std::int64_t{kCombineDoubles} + config.layout.num_doubles;
  config.counts_offset = align(static_cast<std::int64_t>(sizeof(double)) * doubles);
  config.image_offset = align(config.counts_offset + static_cast<std::int64_t>(sizeof(Tokens)) * h.num_logical);
  config.shared_bytes = config.image_offset;
  if (config.chunk != 0) {
    config.shared_bytes += static_cast<std::int64_t>(sizeof(std::uint32_t)) * h.num_words;
  }
}

}  // namespace

WeightedConfig choose_weighted_config(const ImageHeader& header, double tolerance, int max_shared_bytes,
                                      int wanted_threads) {
  check(wanted_threads >= 0 && wanted_threads <= kMaxThreads && wanted_threads % kWarp == 0,
        "[cuda::solve_weighted] num_threads (", wanted_threads, ") must be 0 or a multiple of 32 up to ", kMaxThreads);
  WeightedConfig config;
  config.is_plain = header.num_extra == 0 && tolerance >= kCarefulTolerance;
  choose_threads(header, wanted_threads, config);
  lay_out(header, config);
  if (config.shared_bytes > max_shared_bytes) {
    config.chunk = config.chunk_bits = 0;
    config.is_plain = false;
    config.num_threads = config.num_lead = wanted_threads != 0 ? wanted_threads : kMaxThreads;
    lay_out(header, config);
  }
  check(config.shared_bytes <= max_shared_bytes, "[cuda::solve_weighted] ", header.num_columns, " copies of ",
        header.num_experts, " shared experts, ", header.num_rows, " rows and a matrix of ", header.num_elements,
        " elements need ", config.shared_bytes, " bytes of shared memory; a block of this device has ",
        max_shared_bytes);
  return config;
}

}  // namespace lplb::weighted
