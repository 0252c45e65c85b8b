#pragma once

// How a launch of the CUDA solver is shaped: threads, and where in shared memory everything lies. A pure function of
// the shape, tested without a GPU.

#include <cstddef>
#include <cstdint>

#include "solve/solve_image.h"

namespace lplb::cuda {

inline constexpr int kThreadsOfFew = 384;  // a block, where there are few splits: a thread may have 168 registers
inline constexpr int kMaxThreadsOfMany = 128;
inline constexpr int kCountsBegin = 16;  // in shared memory: words for BlockSums come before

/// Where the tokens of an expert lie in the shared memory of a block, in bytes; expert E has none. The fixed loads of
/// the ranks and the totals of classes of several experts follow, counted on from E + 1.
constexpr std::uint32_t place_of_tokens(int index) { return 4 * static_cast<std::uint32_t>(kCountsBegin + index); }

/// What decides the shape of a launch. Words are of 32 bits.
struct SolveShape {
  int num_logical = 0;
  int num_physical = 0;
  int num_ranks = 0;
  int num_splits = 1;
  int image_words = 0;       // room for an image,
  int amount_words = 0;      // its amounts,
  int class_words = 0;       // and its class totals
  int max_shared_bytes = 0;  // that the device gives one block
};

/// Word offsets. First, at kCountsBegin, lie the counts [E + 1], the fixed loads of the ranks [G] and the totals of
/// classes of several experts. The image and the amounts lie in shared memory, or, where they do not fit, the first
/// stays where it is and the others lie in the caller's workspace.
struct SolveLayout {
  bool in_shared = true;
  int shares = 0;  // [G] of the even shares that ranks begin with
  int load = 0;
  int in_bottleneck = 0;
  int scratch = 0;
  int scratch_stride = 0;  // a warp
  int amounts = 0;
  int image = 0;
  ImageLayout within = {};  // the image
  int shared_words = 0;
  int spill_words = 0;  // a split
};

struct SolveConfig {
  int num_blocks = 1;  // a block a split
  int num_threads = kThreadsOfFew;
  std::size_t shared_bytes = 0;
  SolveLayout layout;
};

SolveConfig choose_solve_config(const SolveShape& shape);

}  // namespace lplb::cuda
