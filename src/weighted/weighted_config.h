#pragma once

// How a launch of the weighted solver is shaped. A pure function of the model's sizes, tested without a GPU.

#include <cstddef>
#include <cstdint>

#include "weighted/problem.h"

namespace lplb::weighted {

inline constexpr int kMaxThreads = 512;  // of a block: more would not leave the registers for a part of a row

struct WeightedConfig {
  int num_threads = 32;
  int num_lead = 32;  // of them that solve; the others help. One warp needs no barrier of the block
  int chunk = 0;      // entries of a matrix row in a thread's registers: 8, 16 or 32; 0 = they stay in shared memory,
                      // and the image is read where it lies
  bool is_plain = false;  // no extra rows, no tight tolerance: there are kernels that have not what these need
  int chunk_bits = 0;     // of the number of threads that share a row
  MemoryLayout layout{};
  std::int64_t shared_bytes = 0;
  std::int64_t counts_offset = 0;  // bytes, in shared memory: the counts,
  std::int64_t image_offset = 0;   // and the image where it is staged
};

/// Doubles at the start of a block's shared memory that combining takes: two times two a warp.
inline constexpr int kCombineDoubles = 2 * 2 * kMaxThreads / 32;

/// `wanted_threads`: 0 = as measured best, else a multiple of 32 up to kMaxThreads. `max_shared_bytes` that the device
/// gives a block. Throws InvalidArgument, with the sizes, when the model does not fit.
WeightedConfig choose_weighted_config(const ImageHeader& header, double tolerance, int max_shared_bytes,
                                      int wanted_threads = 0);

}  // namespace lplb::weighted
