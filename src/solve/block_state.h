#pragma once

// What the threads of a block share while it solves one split, and what a launch says about all of them.

#include <cstddef>
#include <cstdint>

#include "lplb/cuda_solve.h"
#include "solve/simt.h"
#include "solve/solve_config.h"
#include "solve/solve_image.h"

namespace lplb::cuda {

/// What all splits of a launch share; shapes without the leading number of splits.
struct SolveArgs {
  const unsigned* images = nullptr;       // [num_images][image_stride]
  int num_images = 1;                     // split i has image i % num_images
  int image_stride = 0;                   // words
  const int* counts = nullptr;            // [num_sources, E]
  int num_sources = 1;                    //
  const int* base_load = nullptr;         // [G] or null
  int num_logical = 0;                    // E
  int num_physical = 0;                   // P
  int num_ranks = 0;                      // G
  int slots_per_rank = 0;                 // P / G
  int* quota = nullptr;                   // [P] or null
  int* rank_load = nullptr;               // [G] or null
  int* component_bound = nullptr;         // [G], the first num_components filled, or null
  std::uint8_t* in_bottleneck = nullptr;  // [G] or null
  PlanSummary* summary = nullptr;
  unsigned* spill = nullptr;  // [layout.spill_words] a split, where the image does not fit in shared memory
  SolveLayout layout;
};

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

template <class Simt, bool kInShared>
struct BlockState {
  /// `shared` is 16-byte aligned and holds layout.shared_words.
  LPLB_DEVICE BlockState(const SolveArgs& launch_args, unsigned* block_shared, int split_idx)
      : args(launch_args),
        split(split_idx),
        source(launch_args.images +
               static_cast<std::size_t>(split_idx % launch_args.num_images) * launch_args.image_stride),
        sums(*reinterpret_cast<BlockSums*>(block_shared)),
        counts(reinterpret_cast<int*>(block_shared) + launch_args.layout.counts),
        shared(block_shared) {
    unsigned* const large = kInShared ? shared : args.spill + static_cast<std::size_t>(split) * args.layout.spill_words;
    int* const words = reinterpret_cast<int*>(shared);
    arrays = {.image = kInShared ? shared + args.layout.image : source,
              .class_total = reinterpret_cast<int*>(large) + args.layout.class_total,
              .fixed_load = words + args.layout.fixed_load,
              .load = words + args.layout.load,
              .in_bottleneck = words + args.layout.in_bottleneck,
              .amounts = reinterpret_cast<int*>(large) + args.layout.amounts,
              .scratch = words + args.layout.scratch + Simt::warp() * args.layout.scratch_stride};
  }

  template <class T>
  LPLB_DEVICE const T* part(int offset) const {
    return section<T>(arrays.image, offset);
  }

  LPLB_DEVICE int base_load(int rank) const {
    return args.base_load != nullptr && part<int>(header.live)[rank] != 0
               ? args.base_load[static_cast<std::size_t>(split) * args.num_ranks + rank]
               : 0;
  }

  /// Tokens of a slot whose expert lives on one rank; 0 for any other.
  LPLB_DEVICE int fixed_tokens(unsigned slot_word) const {
    const int tokens = counts[slot_word & 0xffff];
    const unsigned stack = slot_word >> 16;
    return stack == 0 || stack == kSharedStack ? tokens : share_of(tokens, part<unsigned>(header.stacks)[stack - 1]);
  }

  /// Copies on one rank share evenly, the remainder to the lowest slots.
  LPLB_DEVICE static int share_of(int tokens, unsigned stack) {
    const int count = static_cast<int>(stack & 0xffff);
    const int number = static_cast<int>(stack >> 16);
    return count == 1 ? tokens : tokens / count + (number < tokens % count ? 1 : 0);
  }

  /// The first warp without a component; 0 when all have one, and share the other work.
  LPLB_DEVICE int first_free() const { return header.num_tasks < Simt::num_warps() ? header.num_tasks : 0; }

  const SolveArgs& args;
  const int split;
  const int thread = Simt::thread();
  const int warp = Simt::warp();
  const unsigned* const source;  // the image in device memory
  BlockSums& sums;
  int* const counts;  // [E + 1] summed over sources, and 0
  unsigned* const shared;
  SolveArrays arrays;
  SolveHeader header{};
};

}  // namespace lplb::cuda
