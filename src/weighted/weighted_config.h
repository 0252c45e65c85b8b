#pragma once

// How a launch of the weighted solver is shaped. A pure function of the model's sizes, tested without a GPU.

#include <cstddef>
#include <cstdint>

#include "weighted/problem.h"

namespace lplb::weighted {

inline constexpr int kMaxThreads = 512;  // of a block: more would not leave the registers for large tiles
inline constexpr int kTiles[] = {2, 8, 32, 0};

struct WeightedConfig {
  int num_threads = 32;
  int tile = 2;  // elements of the matrix in a thread's registers: one of kTiles; 0 = all stay in shared memory
  bool stages_image = true;  // else it is read where it lies
  std::int64_t shared_bytes = 0;
};

/// Doubles at the start of a block's shared memory that combining takes.
inline constexpr int kCombineDoubles = 2 * 2 * 32;

/// `wanted_threads`: 0 = as measured best, else a multiple of 32 up to kMaxThreads. `max_shared_bytes` that the device
/// gives a block. Throws InvalidArgument, with the sizes, when the model does not fit.
WeightedConfig choose_weighted_config(const ImageHeader& header, int max_shared_bytes, int wanted_threads = 0);

}  // namespace lplb::weighted
