#pragma once

// How a launch of the CUDA solver is shaped: threads, and where in shared memory everything lies. A pure function of
// the shape, tested without a GPU.

#include <cstddef>

namespace lplb::cuda {

inline constexpr int kThreadsOfFew = 384;  // a block, where there are few splits: a thread may have 168 registers
inline constexpr int kMaxThreadsOfMany = 128;
inline constexpr int kCountsBegin = 16;  // in shared memory: words for BlockSums come before

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

/// Word offsets; counts [E + 1] and the totals of the classes come first, at kCountsBegin. The image and the amounts
/// lie in shared memory, or, where they do not fit, the first stays where it is and the others lie in the caller's
/// workspace.
struct SolveLayout {
  bool in_shared = true;
  int num_rank_threads = 0;    // that add up the slots of ranks; the others add up classes
  int log_lanes_per_rank = 0;  // lanes that add up a rank's slots
  int fixed_load = 0;          // [G + 1] of four words
  int load = 0;
  int in_bottleneck = 0;
  int outcomes = 0;  // a component with classes, four words
  int scratch = 0;
  int scratch_stride = 0;  // a warp
  int amounts = 0;
  int image = 0;
  int live = 0;   // within an image,
  int keys = 0;   //
  int tasks = 0;  // the same for all of the shape
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
