#pragma once

// How a block takes in a split: the counts and the image into shared memory, then what all components begin with, by
// all threads, since a warp alone is slow: the load that cannot move, the totals of classes, and the even shares. What
// a thread needs for its own part of that comes straight into its registers, on the way at the same time.

#include <algorithm>
#include <cstddef>

#include "solve/block_state.h"

namespace lplb::cuda {

template <class Simt, class Kind>
class BlockInput {
  using Block = BlockState<Simt, Kind>;

 public:
  LPLB_DEVICE explicit BlockInput(Block& block) : block_(block) {}

  /// `wait` returns when the counts may be read; then everything is on its way before anything of it is waited for.
  template <class Wait>
  LPLB_DEVICE void stage(Wait wait) {
    wait();  // also for loads that are on their way, of which there had better be none
    const int first = first_count();
    const unsigned destination = destination_of(std::min(block_.thread, block_.args.num_logical - 1));
    const SolveHeader& header = *section<SolveHeader>(block_.source, 0);
    num_words_ = header.num_words;
    num_shares_ = header.num_shares;
    first_share_ = share(block_.thread);
    task_word_ = word_of_task(block_.source, block_.first_task());
    copy_image(0, block_.args.staged_words);
    clear_sums();
    Simt::sync_block();
    put_counts(first);
    add_up(first, destination);
  }

  LPLB_DEVICE void clear_block_sums() {
    if (block_.thread < static_cast<int>(sizeof(BlockSums) / 4)) {
      block_.shared[block_.thread] = 0;
    }
  }

  /// The tokens of this thread's first expert, on their way; put_counts() takes in those of the others, too.
  LPLB_DEVICE int first_count() const {
    return block_.thread < block_.args.num_logical ? summed_count(block_.thread) : 0;
  }
  LPLB_DEVICE void put_counts(int first) {
    if (block_.thread <= block_.args.num_logical) {
      block_.counts[block_.thread] = first;
    }
    if constexpr (!Kind::kPlain) {
      put_other_counts();
    }
  }
  LPLB_DEVICE void put_other_counts() {
    LPLB_ROLL
    for (int expert = block_.thread + Simt::num_threads(); expert <= block_.args.num_logical;
         expert += Simt::num_threads()) {
      block_.counts[expert] = expert < block_.args.num_logical ? summed_count(expert) : 0;
    }
  }

  /// When the counts are there, and the totals: what components with classes begin with. Takes in the image, too.
  LPLB_DEVICE void share_out() {
    if (block_.thread < num_shares_) {
      put_share(first_share_);
    }
    LPLB_ROLL
    for (int i = block_.thread + Simt::num_threads(); i < num_shares_; i += Simt::num_threads()) {
      put_share(share(i));
    }
    if (Kind::kInShared && num_words_ > block_.args.staged_words) [[unlikely]] {
      copy_image(block_.args.staged_words, num_words_);  // it has more since it was replaced
    }
    Simt::wait_for_copies();
  }

  /// The words of task i, a lane a word.
  LPLB_DEVICE unsigned task_word(int i) const {
    return i == block_.first_task() ? task_word_ : word_of_task(block_.arrays.image, i);
  }

 private:
  LPLB_DEVICE unsigned word_of_task(const unsigned* image, int i) const {
    return image[block_.args.layout.within.tasks + i * kTaskWords + std::min(Simt::lane(), kTaskWords - 1)];
  }
  LPLB_DEVICE unsigned destination_of(int expert) const {
    return block_.source[block_.args.layout.within.destinations + expert];
  }
  /// There is room for one a thread.
  LPLB_DEVICE EvenShare share(int i) const { return section<EvenShare>(block_.source, block_.args.shares_begin)[i]; }

  LPLB_DEVICE void copy_image(int begin, int end) {
    if constexpr (Kind::kInShared) {
      LPLB_ROLL
      for (int word = begin + 4 * block_.thread; word < end; word += 4 * Simt::num_threads()) {
        Simt::copy_quad(block_.shared + block_.args.layout.image + word, block_.source + word);
      }
    }
  }

  LPLB_DEVICE void clear_sums() {
    clear_block_sums();
    LPLB_ROLL
    for (int i = kCountsBegin + block_.args.num_logical + 1 + block_.thread;
         i < block_.args.layout.shares + block_.args.num_ranks; i += Simt::num_threads()) {
      block_.shared[i] = 0;
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

  /// Fixed loads, of them base loads, and totals of classes.
  LPLB_DEVICE void add_up(int first, unsigned destination) const {
    add(destination, first);
    if constexpr (!Kind::kPlain) {
      add_up_others();
      add_up_base_loads();
    }
  }
  LPLB_DEVICE void add_up_others() const {
    LPLB_ROLL
    for (int expert = block_.thread + Simt::num_threads(); expert < block_.args.num_logical;
         expert += Simt::num_threads()) {
      add(destination_of(expert), block_.counts[expert]);
    }
  }
  LPLB_DEVICE void add_up_base_loads() const {
    LPLB_ROLL
    for (int rank = block_.thread; block_.args.base_load != nullptr && rank < block_.args.num_ranks;
         rank += Simt::num_threads()) {
      add(block_.source[block_.args.layout.within.positions + rank], block_.args.base_load[block_.first_rank() + rank]);
    }
  }
  LPLB_DEVICE void add(unsigned place, int tokens) const {
    if (place != 0) {
      Simt::add(&block_.arrays.tokens_at(place), tokens);
    }
  }

  LPLB_DEVICE void put_share(const EvenShare& share) const {
    const unsigned num_members = share.members_and_tokens & 255;
    const unsigned tokens = block_.arrays.tokens_at(share.members_and_tokens >> 16);
    const unsigned quotient = divide(tokens, num_members, share.reciprocal);
    const bool has_more = (share.members_and_tokens >> 8 & 255) < tokens - quotient * num_members;
    const int own = num_members == 0 ? 0 : static_cast<int>(quotient + (has_more ? 1 : 0));
    block_.arrays.amounts[share.amount] = own;
    if (num_members != 0) {
      Simt::add(block_.arrays.shares + share.rank, own);
    }
  }

  Block& block_;
  EvenShare first_share_{};
  int num_shares_ = 0;
  int num_words_ = 0;
  unsigned task_word_ = 0;  // of the first task
};

}  // namespace lplb::cuda
