#pragma once

// How a block takes in a split: the image and the counts into shared memory, then the load that cannot move and the
// totals of the classes.

#include "solve/block_state.h"

namespace lplb::cuda {

template <class Simt, bool kInShared>
class BlockInput {
  using Block = BlockState<Simt, kInShared>;

 public:
  LPLB_DEVICE explicit BlockInput(Block& block) : block_(block) {}

  /// The first 16 bytes a thread hold all of a small image, and the header of a large one. Both loads are on their way
  /// before either is waited for.
  template <class Wait>
  LPLB_DEVICE void stage(Wait wait) {
    const bool has_quad = kInShared && block_.thread * 4 < block_.args.layout.image_words;
    Quad quad{};
    if (has_quad) {
      quad = reinterpret_cast<const Quad*>(block_.source)[block_.thread];
    }
    wait();
    const int first = block_.thread < block_.args.num_logical ? summed_count(block_.thread) : 0;
    if (has_quad) {
      reinterpret_cast<Quad*>(block_.shared + block_.args.layout.image)[block_.thread] = quad;
    }
    if (block_.thread < static_cast<int>(sizeof(BlockSums) / 4)) {
      block_.shared[block_.thread] = 0;
    }
    if (block_.thread == 0) {
      block_.counts[block_.args.num_logical] = 0;
    }
    if (block_.thread < block_.args.num_logical) {
      block_.counts[block_.thread] = first;
    }
    LPLB_ROLL
    for (int expert = block_.thread + Simt::num_threads(); expert < block_.args.num_logical;
         expert += Simt::num_threads()) {
      block_.counts[expert] = summed_count(expert);
    }
  }

  LPLB_DEVICE void stage_rest_of_image() {
    if constexpr (kInShared) {
      const int num_words = section<SolveHeader>(block_.arrays.image, 0)->num_words;
      if (num_words > Simt::num_threads() * 4) {
        LPLB_UNROLL_BY_4
        for (int i = block_.thread + Simt::num_threads(); i * 4 < num_words; i += Simt::num_threads()) {
          reinterpret_cast<Quad*>(block_.shared + block_.args.layout.image)[i] =
              reinterpret_cast<const Quad*>(block_.source)[i];
        }
        Simt::sync_block();
      }
    }
  }

  /// The first half of the warps add up the ranks, the others the classes.
  LPLB_DEVICE void add_up() {
    const int num_rank_threads = Simt::num_threads() / 2;
    if (block_.thread < num_rank_threads) {
      add_up_ranks(num_rank_threads);
    } else {
      add_up_classes(block_.thread - num_rank_threads, Simt::num_threads() - num_rank_threads);
    }
  }

 private:
  struct alignas(16) Quad {
    unsigned word[4];
  };

  LPLB_DEVICE int summed_count(int expert) const {
    const int* const counts =
        block_.args.counts +
        static_cast<std::size_t>(block_.split) * block_.args.num_sources * block_.args.num_logical + expert;
    int tokens = counts[0];
    LPLB_UNROLL_BY_4
    for (int source = 1; source < block_.args.num_sources; ++source) {
      tokens += counts[static_cast<std::size_t>(source) * block_.args.num_logical];
    }
    return tokens;
  }

  LPLB_DEVICE void add_up_classes(int thread, int num_threads) {
    int* const class_total = const_cast<int*>(block_.arrays.class_total);
    LPLB_ROLL
    for (int i = thread; i <= block_.header.num_classes; i += num_threads) {
      const SolveClass c = block_.template part<SolveClass>(block_.header.classes)[i];
      int total = 0;
      LPLB_ROLL
      for (int j = 0; j < c.num_experts; ++j) {
        total += block_.counts[block_.arrays.image[c.first_expert + j]];
      }
      class_total[i] = total;
    }
  }

  /// Load that cannot move, a rank by a few neighbouring lanes.
  LPLB_DEVICE void add_up_ranks(int num_threads) {
    const int log_width = block_.args.layout.log_lanes_per_rank;
    const int width = 1 << log_width;
    const int lane = block_.thread & (width - 1);
    int* const fixed_load = const_cast<int*>(block_.arrays.fixed_load);
    LPLB_ROLL
    for (int first = 0; first < block_.args.num_ranks; first += num_threads >> log_width) {
      const int rank = first + (block_.thread >> log_width);
      int load = 0;
      if (rank < block_.args.num_ranks) {
        const unsigned* const slots =
            block_.template part<unsigned>(block_.header.slots) + rank * block_.args.slots_per_rank;
        LPLB_ROLL
        for (int slot = lane; slot < block_.args.slots_per_rank; slot += width) {
          load += block_.fixed_tokens(slots[slot]);
        }
      }
      load = sum_of_lanes(load, width);
      if (rank < block_.args.num_ranks && lane == 0) {
        fixed_load[rank] = load + block_.base_load(rank);
      }
    }
    if (block_.thread == 0) {
      fixed_load[block_.args.num_ranks] = 0;
    }
  }

  LPLB_DEVICE static int sum_of_lanes(int value, int width) {
    if (width == kWarpSize) {
      return Simt::reduce_add(value);
    }
    LPLB_ROLL
    for (int step = width / 2; step > 0; step /= 2) {
      value += Simt::shuffle(value, Simt::lane() ^ step);
    }
    return value;
  }

  Block& block_;
};

}  // namespace lplb::cuda
