#pragma once

// How a block takes in a split: the image and the counts into shared memory, then the load that cannot move and the
// totals of the classes. What a thread needs of the image for its own part of that comes straight into its registers,
// on the way at the same time, so that after the first barrier only the counts are looked up.

#include <algorithm>
#include <cstddef>

#include "solve/block_state.h"

namespace lplb::cuda {

template <class Simt, bool kInShared>
class BlockInput {
  using Block = BlockState<Simt, kInShared>;

 public:
  LPLB_DEVICE explicit BlockInput(Block& block)
      : block_(block),
        log_width_(block.args.layout.log_lanes_per_rank),
        lane_(block.thread & ((1 << log_width_) - 1)),
        rank_(block.thread >> log_width_) {}

  /// Everything is on its way before anything is waited for; `wait` returns when the counts may be read.
  template <class Wait>
  LPLB_DEVICE void stage(Wait wait) {
    copy_image(0, block_.args.staged_words);
    if (block_.thread < static_cast<int>(sizeof(BlockSums) / 4)) {
      block_.shared[block_.thread] = 0;
    }
    if (block_.thread < 4) {
      const_cast<int*>(block_.arrays.fixed_load[block_.args.num_ranks].part)[block_.thread] = 0;
    }
    wait();  // also for loads that are on their way, of which there had better be none
    const int first = first_count();
    num_words_ = static_cast<int>(block_.source[0]);
    first_task_ = task_words(block_.source, block_.first_task())[std::min(Simt::lane(), kTaskWords - 1)];
    const bool is_summing = are_slots_ahead() && sums_ranks() && rank_ < block_.args.num_ranks;
    LPLB_UNROLL
    for (int i = 0; i < kSlotsAhead; ++i) {
      slots_[i] = is_summing && slot(i) < block_.args.slots_per_rank
                      ? block_.source[kSlotsBegin + rank_ * block_.args.slots_per_rank + slot(i)]
                      : static_cast<unsigned>(block_.args.num_logical);
    }
    base_ = sums_ranks() && rank_ < block_.args.num_ranks && lane_ == 0 ? base_load(rank_) : 0;
    put_counts(first);
    Simt::wait_for_copies();
  }

  /// The tokens of this thread's first expert, on their way; put_counts() takes in those of the others, too.
  LPLB_DEVICE int first_count() const {
    return block_.thread < block_.args.num_logical ? summed_count(block_.thread) : 0;
  }
  LPLB_DEVICE void put_counts(int first) {
    if (block_.thread <= block_.args.num_logical) {
      block_.counts[block_.thread] = first;
    }
    if (Simt::num_threads() <= block_.args.num_logical) [[unlikely]] {
      stage_other_counts();
    }
  }

  /// What the image has more since it was replaced.
  LPLB_DEVICE void stage_rest_of_image() {
    if (kInShared && num_words_ > block_.args.staged_words) [[unlikely]] {
      copy_image(block_.args.staged_words, num_words_);
      Simt::wait_for_copies();
      Simt::sync_block();
    }
    block_.num_tasks = block_.header().num_tasks;
  }

  /// The first warps add up the ranks, the others the classes.
  LPLB_DEVICE void add_up() {
    if (sums_ranks()) {
      add_up_ranks();
    } else if (block_.header().num_totals > 0) {
      add_up_classes(block_.thread - num_rank_threads(), Simt::num_threads() - num_rank_threads());
    }
  }

  /// The words of task i, a lane a word.
  LPLB_DEVICE unsigned task_word(int i) const {
    return i == block_.first_task() ? first_task_
                                    : task_words(block_.arrays.image, i)[std::min(Simt::lane(), kTaskWords - 1)];
  }

 private:
  static constexpr int kSlotsAhead = 2;

  LPLB_DEVICE const unsigned* task_words(const unsigned* image, int i) const {
    return image + block_.args.layout.tasks + i * kTaskWords;
  }
  LPLB_DEVICE int num_rank_threads() const { return block_.args.layout.num_rank_threads; }
  LPLB_DEVICE bool sums_ranks() const { return block_.thread < num_rank_threads(); }
  LPLB_DEVICE bool are_slots_ahead() const { return kSlotsAhead << log_width_ >= block_.args.slots_per_rank; }
  LPLB_DEVICE int slot(int i) const { return lane_ + (i << log_width_); }

  LPLB_DEVICE void copy_image(int begin, int end) {
    if constexpr (kInShared) {
      LPLB_ROLL
      for (int word = begin + 4 * block_.thread; word < end; word += 4 * Simt::num_threads()) {
        Simt::copy_quad(block_.shared + block_.args.layout.image + word, block_.source + word);
      }
    }
  }

  LPLB_DEVICE void stage_other_counts() {
    LPLB_ROLL
    for (int expert = block_.thread + Simt::num_threads(); expert <= block_.args.num_logical;
         expert += Simt::num_threads()) {
      block_.counts[expert] = expert < block_.args.num_logical ? summed_count(expert) : 0;
    }
  }

  LPLB_DEVICE int summed_count(int expert) const {
    const int* const counts =
        block_.args.counts +
        static_cast<std::size_t>(block_.split) * block_.args.num_sources * block_.args.num_logical + expert;
    int tokens = counts[0];
    if (block_.args.num_sources > 1) [[unlikely]] {
      LPLB_UNROLL_BY_4
      for (int source = 1; source < block_.args.num_sources; ++source) {
        tokens += counts[static_cast<std::size_t>(source) * block_.args.num_logical];
      }
    }
    return tokens;
  }

  LPLB_DEVICE int base_load(int rank) const {
    return block_.args.base_load != nullptr && block_.source[block_.args.layout.live + rank] != 0
               ? block_.args.base_load[block_.first_rank() + rank]
               : 0;
  }

  LPLB_DEVICE void add_up_classes(int thread, int num_threads) {
    int* const class_total = const_cast<int*>(block_.arrays.class_total);
    LPLB_ROLL
    for (int i = thread; i < block_.header().num_totals; i += num_threads) {
      const SolveClass c = block_.template part<SolveClass>(block_.header().classes)[i];
      int total = 0;
      LPLB_ROLL
      for (int j = 0; j < c.num_experts; ++j) {
        total += block_.counts[block_.arrays.image[c.first_expert + j]];
      }
      class_total[i] = total;
    }
  }

  /// Load that cannot move, a rank by a few neighbouring lanes. All that few splits need stands first.
  LPLB_DEVICE void add_up_ranks() {
    int load = base_;
    bool is_any_stacked = false;
    LPLB_UNROLL
    for (int i = 0; i < kSlotsAhead; ++i) {
      load += block_.counts[slots_[i] & 0xffff];
      is_any_stacked = is_any_stacked || Block::is_stacked(slots_[i]);
    }
    if (is_any_stacked || !are_slots_ahead()) [[unlikely]] {
      load = base_ + fixed_tokens(rank_);
    }
    put_fixed_load(rank_, load);
    if (num_rank_threads() >> log_width_ < block_.args.num_ranks) [[unlikely]] {
      add_up_other_ranks();
    }
  }

  LPLB_DEVICE void add_up_other_ranks() {
    const int stride = num_rank_threads() >> log_width_;
    LPLB_ROLL
    for (int first = stride; first + (block_.warp * kWarpSize >> log_width_) < block_.args.num_ranks; first += stride) {
      const int rank = first + rank_;
      const int base = lane_ == 0 && rank < block_.args.num_ranks ? base_load(rank) : 0;
      put_fixed_load(rank, base + fixed_tokens(rank));
    }
  }

  /// This lane's part of a rank.
  LPLB_DEVICE int fixed_tokens(int rank) const {
    int load = 0;
    LPLB_ROLL
    for (int i = 0; rank < block_.args.num_ranks && slot(i) < block_.args.slots_per_rank; ++i) {
      load +=
          block_.fixed_tokens(block_.template part<unsigned>(kSlotsBegin)[rank * block_.args.slots_per_rank + slot(i)]);
    }
    return load;
  }

  /// Sums over the lanes of a rank, but for the last four parts, which who reads them adds up.
  LPLB_DEVICE void put_fixed_load(int rank, int load) {
    if (log_width_ == 5) {
      const int sum = Simt::reduce_add(load);
      load = lane_ == 0 ? sum : 0;
    } else if (log_width_ > 2) {
      load += Simt::shuffle(load, Simt::lane() ^ 4);
      const int other = Simt::shuffle(load, Simt::lane() ^ 8);
      load += log_width_ == 4 ? other : 0;
    }
    if (rank < block_.args.num_ranks && lane_ < 4) {
      int* const parts = const_cast<int*>(block_.arrays.fixed_load[rank].part);
      if (log_width_ >= 2) {
        parts[lane_] = load;
      } else {
        const int num_parts = 4 >> log_width_;
        LPLB_UNROLL
        for (int i = 0; i < 4; ++i) {
          if (i / num_parts == lane_) {
            parts[i] = i % num_parts == 0 ? load : 0;
          }
        }
      }
    }
  }

  Block& block_;
  const int log_width_;
  const int lane_;  // among those of its rank,
  const int rank_;  // the first that this thread helps to add up
  unsigned slots_[kSlotsAhead];
  int base_ = 0;
  int num_words_ = 0;
  unsigned first_task_ = 0;  // a word of it
};

}  // namespace lplb::cuda
