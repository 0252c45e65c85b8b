#pragma once

// What the threads of a block share while it solves one split, and what a launch says about all of them.

#include <cstddef>
#include <cstdint>

#include "lplb/cuda_solve.h"
#include "solve/solve_arrays.h"
#include "solve/solve_config.h"

namespace lplb::cuda {

/// What a kernel takes for granted: that image and amounts are in shared memory; and, plain, that there is a thread for
/// each expert and E, an image for each split, and no base load.
template <bool kIsInShared, bool kIsPlain>
struct LaunchKind {
  static constexpr bool kInShared = kIsInShared;
  static constexpr bool kPlain = kIsPlain;
};

/// What all splits of a launch share; shapes without the leading number of splits.
struct SolveArgs {
  const unsigned* images = nullptr;       // [num_images][image_stride]
  int num_images = 1;                     // split i has image i % num_images
  int image_stride = 0;                   // words
  int staged_words = 0;                   // of an image, taken in before its header is known; a multiple of 4
  int lanes_begin = 0;                    // of the lane tables, in words behind an image's start
  int num_lane_tasks = 0;                 // components that a launch by lane tables has a warp for
  int shares_begin = 0;                   // of EvenShare, in words behind an image's start
  const int* counts = nullptr;            // [num_sources, E]
  int num_sources = 1;                    //
  const int* base_load = nullptr;         // [G] or null
  int num_logical = 0;                    // E
  int num_physical = 0;                   // P
  int num_ranks = 0;                      // G
  int* quota = nullptr;                   // [P] or null
  int* rank_load = nullptr;               // [G] or null
  int* component_bound = nullptr;         // [G], the first num_components filled, or null
  std::uint8_t* in_bottleneck = nullptr;  // [G] or null
  PlanSummary* summary = nullptr;
  unsigned* spill = nullptr;  // [layout.spill_words] a split, where the image does not fit in shared memory
  SolveLayout layout;
};

/// Whether a launch is plain, as LaunchKind has it.
inline bool is_plain(const SolveArgs& args, const SolveConfig& config) {
  return args.num_logical < config.num_threads && config.num_blocks <= args.num_images && args.base_load == nullptr;
}

/// Sums that all threads of a block add to.
struct alignas(16) BlockSums {
  unsigned digest_low;  // three parts of 22 bits
  unsigned digest_middle;
  unsigned digest_high;
  int max_load;
  int bound;
  int num_sweeps;
  int num_waves;
  int num_raises;
  int num_taken;  // components beyond the first a warp
  int lowest_count;
  unsigned total_low;   // of counts and base loads: sum of the low 16 bits,
  unsigned total_high;  // and of the others
};

static_assert(sizeof(BlockSums) / 4 <= kCountsBegin);

template <class Simt, class Kind>
struct BlockState {
  /// `shared` is 16-byte aligned and holds layout.shared_words.
  LPLB_DEVICE BlockState(const SolveArgs& launch_args, unsigned* block_shared, int split_idx)
      : args(launch_args),
        split(split_idx),
        source(launch_args.images + static_cast<std::size_t>(image_of(split_idx)) * launch_args.image_stride),
        sums(*reinterpret_cast<BlockSums*>(block_shared)),
        counts(reinterpret_cast<int*>(block_shared) + kCountsBegin),
        shared(block_shared) {
    unsigned* const large =
        Kind::kInShared ? shared : args.spill + static_cast<std::size_t>(split) * args.layout.spill_words;
    int* const words = reinterpret_cast<int*>(shared);
    arrays = {.image = Kind::kInShared ? shared + args.layout.image : source,
              .tokens = reinterpret_cast<char*>(shared),
              .fixed_load = counts + args.num_logical + 1,
              .shares = words + args.layout.shares,
              .load = words + args.layout.load,
              .in_bottleneck = words + args.layout.in_bottleneck,
              .amounts = reinterpret_cast<int*>(large) + args.layout.amounts,
              .scratch = words + args.layout.scratch + warp * args.layout.scratch_stride};
  }

  /// Read where it is needed: kept in registers it would crowd a component out of them.
  LPLB_DEVICE const SolveHeader& header() const { return *section<SolveHeader>(arrays.image, 0); }

  template <class T>
  LPLB_DEVICE const T* part(int offset) const {
    return section<T>(arrays.image, offset);
  }

  /// Tokens of a slot whose expert lives on one rank; 0 for any other.
  LPLB_DEVICE int fixed_tokens(unsigned slot_word) const {
    int tokens = counts[slot_word & 0xffff];
    if (is_stacked(slot_word)) [[unlikely]] {
      tokens = share_of(tokens, part<unsigned>(header().stacks)[(slot_word >> 16) - 1]);
    }
    return tokens;
  }
  LPLB_DEVICE static bool is_stacked(unsigned slot_word) { return (slot_word >> 16) - 1 < kSharedStack - 1; }

  /// Copies on one rank share evenly, the remainder to the lowest slots.
  LPLB_DEVICE static int share_of(int tokens, unsigned stack) {
    const int count = static_cast<int>(stack & 0xffff);
    const int number = static_cast<int>(stack >> 16);
    return count == 1 ? tokens : tokens / count + (number < tokens % count ? 1 : 0);
  }

  /// The component that this warp solves first: the last warp has the largest.
  LPLB_DEVICE int first_task() const { return Simt::num_warps() - 1 - warp; }

  /// Threads without a component, which do what else there is: the first ones; or all, when every warp has one.
  LPLB_DEVICE int num_free() const {
    return (Simt::num_warps() > num_tasks ? Simt::num_warps() - num_tasks : Simt::num_warps()) * kWarpSize;
  }
  LPLB_DEVICE bool is_free() const { return thread < num_free(); }

  /// Where the ranks and slots of this split begin in what a launch writes.
  LPLB_DEVICE std::size_t first_rank() const { return static_cast<std::size_t>(split) * args.num_ranks; }
  LPLB_DEVICE std::size_t first_slot() const { return static_cast<std::size_t>(split) * args.num_physical; }

  const SolveArgs& args;
  const int split;
  const int thread = Simt::thread();
  const int warp = Simt::warp();
  const unsigned* const source;  // the image in device memory
  BlockSums& sums;
  int* const counts;  // [E + 1] summed over sources, and 0
  unsigned* const shared;
  SolveArrays arrays;
  int num_tasks = 0;

 private:
  /// A remainder takes a hundred cycles, which a launch of one split had better not wait.
  LPLB_DEVICE int image_of(int split_idx) const {
    if (!Kind::kPlain && split_idx >= args.num_images) [[unlikely]] {
      return split_idx % args.num_images;
    }
    return split_idx;
  }
};

}  // namespace lplb::cuda
