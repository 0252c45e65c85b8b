#pragma once

// How a block hands out a plan: slots, loads, digest and summary. What does not wait for the components is written
// while they are being solved.

#include <algorithm>

#include "base/rng.h"
#include "solve/block_state.h"

namespace lplb::cuda {

template <class Simt, bool kInShared>
class BlockOutput {
  using Block = BlockState<Simt, kInShared>;

 public:
  LPLB_DEVICE explicit BlockOutput(Block& block) : block_(block) {}

  LPLB_DEVICE void write_bound(int component, int bound) {
    Simt::raise(&block_.sums.bound, bound);
    if (block_.args.component_bound != nullptr) {
      block_.args.component_bound[static_cast<std::size_t>(block_.split) * block_.args.num_ranks + component] = bound;
    }
  }

  /// What does not wait for the components, by the warps without one, or else by all after them.
  LPLB_DEVICE void write_known() {
    const int thread = block_.thread - block_.first_free() * kWarpSize;
    if (thread >= 0) {
      const int num_threads = Simt::num_threads() - block_.first_free() * kWarpSize;
      write_lone_ranks(thread, num_threads);
      write_fixed_slots(thread, num_threads);
      check_counts(thread, num_threads);
    }
  }

  /// What a thread can know of its first slot and rank while the components are being solved.
  struct Prepared {
    SharedSlot shared;
    SolveClass of_class;
    std::uint64_t slot_key;
    std::uint64_t rank_key;
  };

  LPLB_DEVICE Prepared prepare() const {
    Prepared prepared{};
    if (late_thread() < block_.header.num_shared) {
      prepared.shared = block_.template part<SharedSlot>(block_.header.shared)[late_thread()];
      prepared.of_class =
          block_.template part<SolveClass>(block_.header.classes)[prepared.shared.class_and_position & 0xffff];
      prepared.slot_key = digest_key(static_cast<int>(prepared.shared.slot_and_expert & 0xffff));
    }
    prepared.rank_key = digest_key(block_.args.num_physical + late_rank());
    return prepared;
  }

  LPLB_DEVICE void hand_down(const Prepared& prepared) {
    if (late_thread() < block_.header.num_shared) {
      hand_down_slot(prepared.shared, prepared.of_class, prepared.slot_key);
    }
    LPLB_ROLL
    for (int i = late_thread() + Simt::num_threads(); i < block_.header.num_shared; i += Simt::num_threads()) {
      const SharedSlot shared = block_.template part<SharedSlot>(block_.header.shared)[i];
      hand_down_slot(shared,
                     block_.template part<SolveClass>(block_.header.classes)[shared.class_and_position & 0xffff],
                     digest_key(static_cast<int>(shared.slot_and_expert & 0xffff)));
    }
  }

  LPLB_DEVICE void write_ranks(const Prepared& prepared) {
    if (late_rank() < block_.args.num_ranks) {
      write_rank(late_rank(), prepared.rank_key);
    }
    LPLB_ROLL
    for (int rank = late_rank() + Simt::num_threads(); rank < block_.args.num_ranks; rank += Simt::num_threads()) {
      write_rank(rank, digest_key(block_.args.num_physical + rank));
    }
  }

  /// The 64-bit sum from three sums of 22 bits, which a warp adds up in one instruction each, and a block without
  /// overflow: it has no more than 32 warps.
  LPLB_DEVICE void add_digest() {
    constexpr unsigned kMask = (1U << 22) - 1;
    const unsigned low = Simt::reduce_add(static_cast<unsigned>(digest_) & kMask);
    const unsigned middle = Simt::reduce_add(static_cast<unsigned>(digest_ >> 22) & kMask);
    const unsigned high = Simt::reduce_add(static_cast<unsigned>(digest_ >> 44));
    const int max_load = Simt::reduce_max(max_load_);
    if (Simt::lane() == 0) {
      Simt::add(&block_.sums.digest_low, low);
      Simt::add(&block_.sums.digest_middle, middle);
      Simt::add(&block_.sums.digest_high, high);
      Simt::raise(&block_.sums.max_load, max_load);
    }
  }

  /// The digest by one warp, the other scalars by another.
  LPLB_DEVICE void write_summary() const {
    PlanSummary& summary = block_.args.summary[block_.split];
    if (late_thread() == 0) {
      summary.digest = mix64(block_.sums.digest_low + (static_cast<std::uint64_t>(block_.sums.digest_middle) << 22) +
                             (static_cast<std::uint64_t>(block_.sums.digest_high) << 44));
    }
    if (late_rank() == 0) {
      const std::uint64_t total = block_.sums.total_low + (static_cast<std::uint64_t>(block_.sums.total_high) << 16);
      const bool is_split =
          block_.sums.lowest_count == 0 && total <= 0x7fffffff && block_.sums.max_load == block_.sums.bound;
      summary.max_load = block_.sums.max_load;
      summary.lower_bound = block_.sums.bound;
      summary.status = is_split ? Status::kOptimal : Status::kFallback;
      summary.num_sweeps = block_.sums.num_sweeps;
      summary.num_waves = block_.sums.num_waves;
      summary.num_raises = block_.sums.num_raises;
    }
  }

 private:
  /// Number of the thread among those that hand down: the warps that have waited come first.
  LPLB_DEVICE int late_thread() const {
    const int thread = block_.thread - block_.first_free() * kWarpSize;
    return thread < 0 ? thread + Simt::num_threads() : thread;
  }

  LPLB_DEVICE static std::uint64_t digest_key(int index) { return mix64(static_cast<std::uint64_t>(index) + 1) | 1; }

  /// Slots are given out from the first of these threads on, ranks from the last.
  LPLB_DEVICE int late_rank() const { return Simt::num_threads() - 1 - late_thread(); }

  /// Ranks that share nothing prove their own load.
  LPLB_DEVICE void write_lone_ranks(int thread, int num_threads) {
    LPLB_ROLL
    for (int i = thread; i < block_.header.num_lone; i += num_threads) {
      const unsigned lone = block_.template part<unsigned>(block_.header.lone)[i];
      const int rank = static_cast<int>(lone & 0xffff);
      block_.arrays.load[rank] = block_.arrays.fixed_load[rank];
      block_.arrays.in_bottleneck[rank] = 1;
      write_bound(static_cast<int>(lone >> 16), block_.arrays.fixed_load[rank]);
    }
  }

  LPLB_DEVICE void write_fixed_slots(int thread, int num_threads) {
    LPLB_ROLL
    for (int slot = thread; slot < block_.args.num_physical; slot += num_threads) {
      const unsigned word = block_.template part<unsigned>(block_.header.slots)[slot];
      if (word >> 16 != kSharedStack) {
        write_quota(slot, block_.fixed_tokens(word), digest_key(slot));
      }
    }
  }

  LPLB_DEVICE void write_quota(int slot, int tokens, std::uint64_t key) {
    if (block_.args.quota != nullptr) {
      block_.args.quota[static_cast<std::size_t>(block_.split) * block_.args.num_physical + slot] = tokens;
    }
    digest_ += key * static_cast<std::uint32_t>(tokens);
  }

  /// Counts below 0, or a total of 2^31 or more, have no split: the status says so.
  LPLB_DEVICE void check_counts(int thread, int num_threads) {
    int lowest = 0;
    unsigned low = 0;
    unsigned high = 0;
    const auto see = [&](int tokens) {
      lowest = std::min(lowest, tokens);
      low += static_cast<unsigned>(tokens) & 0xffff;
      high += static_cast<unsigned>(tokens) >> 16;
    };
    LPLB_ROLL
    for (int expert = thread; expert < block_.args.num_logical; expert += num_threads) {
      see(block_.counts[expert]);
    }
    LPLB_ROLL
    for (int rank = thread; block_.args.base_load != nullptr && rank < block_.args.num_ranks; rank += num_threads) {
      see(block_.args.base_load[static_cast<std::size_t>(block_.split) * block_.args.num_ranks + rank]);
    }
    lowest = -Simt::reduce_max(-std::max(lowest, -1));
    low = Simt::reduce_add(low);
    high = Simt::reduce_add(high);
    if (Simt::lane() == 0) {
      Simt::raise(&block_.sums.lowest_count, -lowest);
      Simt::add(&block_.sums.total_low, low);
      Simt::add(&block_.sums.total_high, high);
    }
  }

  LPLB_DEVICE void hand_down_slot(const SharedSlot& shared, const SolveClass& c, std::uint64_t key) {
    const int tokens = c.num_experts == 1 ? block_.arrays.amounts[shared.amount] : tokens_on_member(c, shared);
    write_quota(static_cast<int>(shared.slot_and_expert & 0xffff), Block::share_of(tokens, shared.stack), key);
  }

  /// Experts in order fill the members in order: what the two intervals of the class's tokens have in common.
  LPLB_DEVICE int tokens_on_member(const SolveClass& c, const SharedSlot& shared) const {
    int expert_begin = 0;
    LPLB_ROLL
    for (unsigned i = 0; i < shared.class_and_position >> 16; ++i) {
      expert_begin += block_.counts[block_.arrays.image[c.first_expert + i]];
    }
    int member_begin = 0;
    LPLB_ROLL
    for (const unsigned* amount = block_.arrays.image + c.first_arc; static_cast<int>(*amount) != shared.amount;
         ++amount) {
      member_begin += block_.arrays.amounts[*amount];
    }
    const int expert_end = expert_begin + block_.counts[shared.slot_and_expert >> 16];
    const int member_end = member_begin + block_.arrays.amounts[shared.amount];
    return std::max(0, std::min(expert_end, member_end) - std::max(expert_begin, member_begin));
  }

  LPLB_DEVICE void write_rank(int rank, std::uint64_t key) {
    const std::size_t index = static_cast<std::size_t>(block_.split) * block_.args.num_ranks + rank;
    const int load = block_.arrays.load[rank];
    if (block_.args.rank_load != nullptr) {
      block_.args.rank_load[index] = load;
    }
    if (block_.args.in_bottleneck != nullptr) {
      block_.args.in_bottleneck[index] = static_cast<std::uint8_t>(block_.arrays.in_bottleneck[rank]);
    }
    digest_ += key * static_cast<std::uint32_t>(load);
    max_load_ = std::max(max_load_, load);
  }

  Block& block_;
  std::uint64_t digest_ = 0;
  int max_load_ = 0;
};

}  // namespace lplb::cuda
