#pragma once

// How a block hands out a plan: slots, loads, digest and summary. What does not wait for the components is written
// while they are being solved, by the free threads; the rest by all, since a warp alone is slow.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/rng.h"
#include "solve/block_state.h"

namespace lplb::cuda {

template <class Simt, class Kind>
class BlockOutput {
  using Block = BlockState<Simt, Kind>;

 public:
  LPLB_DEVICE explicit BlockOutput(Block& block) : block_(block) {}

  /// What does not wait for the components.
  LPLB_DEVICE void write_known() {
    write_lone_ranks();
    write_known_slots();
    add_digest();
    digest_ = 0;
  }
  /// The same where no rank is a component by itself.
  LPLB_DEVICE void write_known_slots() {
    write_fixed_slots();
    check_counts();
  }

  /// Bound and work of a component that this warp has solved.
  template <class Component>
  LPLB_DEVICE void add_outcome(const Component& component) const {
    if (component.lane == 0) {
      Simt::raise(&block_.sums.bound, component.outcome.target);
      Simt::add(&block_.sums.num_sweeps, component.outcome.num_sweeps);
      Simt::add(&block_.sums.num_waves, component.outcome.num_waves);
      Simt::add(&block_.sums.num_raises, component.outcome.num_raises);
      write_bound(component.task.component, component.outcome.target);
    }
  }

  /// After the components, by all threads: slots from the first on, ranks from the last.
  LPLB_DEVICE void hand_down() {
    const int num_shared = block_.header().num_shared;
    LPLB_ROLL
    for (int i = block_.thread; i < num_shared; i += Simt::num_threads()) {
      hand_down_slot(i);
    }
    const int last_thread = Simt::num_threads() - 1;
    LPLB_ROLL
    for (int rank = last_thread - block_.thread; rank < block_.args.num_ranks; rank += Simt::num_threads()) {
      write_rank(rank);
    }
    if (block_.warp * kWarpSize < num_shared || last_thread - block_.args.num_ranks < (block_.warp + 1) * kWarpSize) {
      add_digest();
    }
  }

  /// What a component that this warp holds in registers adds: `rank_key` and `slot_key` are factors of the digest.
  LPLB_DEVICE void add_load(std::uint64_t rank_key, int load) {
    digest_ += rank_key * static_cast<std::uint32_t>(load);
    max_load_ = std::max(max_load_, load);
  }
  LPLB_DEVICE void add_tokens(std::uint64_t slot_key, int tokens) {
    digest_ += slot_key * static_cast<std::uint32_t>(tokens);
  }

  /// The 64-bit sum from three sums of 22 bits, which a warp adds up in one instruction each, and a block without
  /// overflow: it has no more than 16 warps, which come here twice.
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

  /// The digest by the first warp, the other scalars by the second where it is free, else by the last.
  LPLB_DEVICE void write_summary() const {
    if (block_.thread == 0) {
      write_digest();
    }
    if (block_.thread == (block_.num_free() > kWarpSize ? kWarpSize : Simt::num_threads() - 1)) {
      write_scalars();
    }
  }

 private:
  LPLB_DEVICE void write_bound(int component, int bound) const {
    if (block_.args.component_bound != nullptr) {
      block_.args.component_bound[block_.first_rank() + component] = bound;
    }
  }

  LPLB_DEVICE void write_digest() const {
    const BlockSums sums = block_.sums;
    block_.args.summary[block_.split].digest =
        mix64(sums.digest_low + (static_cast<std::uint64_t>(sums.digest_middle) << 22) +
              (static_cast<std::uint64_t>(sums.digest_high) << 44));
  }

  LPLB_DEVICE void write_scalars() const {
    const BlockSums sums = block_.sums;
    PlanSummary& summary = block_.args.summary[block_.split];
    const std::uint64_t total = sums.total_low + (static_cast<std::uint64_t>(sums.total_high) << 16);
    const bool is_split = sums.lowest_count == 0 && total <= 0x7fffffff && sums.max_load == sums.bound;
    summary.max_load = sums.max_load;
    summary.lower_bound = sums.bound;
    summary.status = is_split ? Status::kOptimal : Status::kFallback;
    summary.num_sweeps = sums.num_sweeps;
    summary.num_waves = sums.num_waves;
    summary.num_raises = sums.num_raises;
  }

  /// Of a slot, or of P + a rank.
  LPLB_DEVICE std::uint64_t digest_key(int index) const {
    return block_.template part<std::uint64_t>(block_.args.layout.within.keys)[index];
  }

  /// Ranks that share nothing prove their own load.
  LPLB_DEVICE void write_lone_ranks() {
    LPLB_ROLL
    for (int i = block_.thread; i < block_.header().num_lone; i += block_.num_free()) {
      const unsigned lone = block_.template part<unsigned>(block_.header().lone)[i];
      const int rank = static_cast<int>(lone & 0xffff);
      const unsigned place = block_.template part<unsigned>(block_.args.layout.within.positions)[rank];
      const int load = place != 0 ? block_.arrays.tokens_at(place) : 0;
      block_.arrays.load[rank] = load;
      block_.arrays.in_bottleneck[rank] = 1;
      Simt::raise(&block_.sums.bound, load);
      write_bound(static_cast<int>(lone >> 16), load);
    }
  }

  LPLB_DEVICE void write_fixed_slots() {
    LPLB_ROLL
    for (int slot = block_.thread; slot < block_.args.num_physical; slot += block_.num_free()) {
      const unsigned word = block_.template part<unsigned>(kSlotsBegin)[slot];
      if (word >> 16 != kSharedStack) {
        write_quota(slot, block_.fixed_tokens(word), digest_key(slot));
      }
    }
  }

  LPLB_DEVICE void write_quota(int slot, int tokens, std::uint64_t key) {
    if (block_.args.quota != nullptr) {
      block_.args.quota[block_.first_slot() + slot] = tokens;
    }
    add_tokens(key, tokens);
  }

  /// Counts below 0, or a total of 2^31 or more, have no split: the status says so.
  LPLB_DEVICE void check_counts() {
    int lowest = 0;
    unsigned low = 0;
    unsigned high = 0;
    const auto see = [&](int tokens) {
      lowest = std::min(lowest, tokens);
      low += static_cast<unsigned>(tokens) & 0xffff;
      high += static_cast<unsigned>(tokens) >> 16;
    };
    LPLB_ROLL
    for (int expert = block_.thread; expert < block_.args.num_logical; expert += block_.num_free()) {
      see(block_.counts[expert]);
    }
    LPLB_ROLL
    for (int rank = block_.thread; block_.args.base_load != nullptr && rank < block_.args.num_ranks;
         rank += block_.num_free()) {
      see(block_.args.base_load[block_.first_rank() + rank]);
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

  LPLB_DEVICE void hand_down_slot(int i) {
    const SharedSlot shared = block_.template part<SharedSlot>(block_.header().shared)[i];
    int tokens = block_.arrays.amounts[shared.amount];
    if ((shared.slot & kSharesAmount) != 0) [[unlikely]] {
      tokens = part_of_amount(block_.template part<SlotPart>(block_.header().parts)[i], shared.amount);
    }
    write_quota(static_cast<int>(shared.slot & ~kSharesAmount), tokens, shared.key);
  }

  /// What a slot has of the tokens that its class has on its rank.
  LPLB_DEVICE int part_of_amount(const SlotPart& slot, int amount) const {
    const SolveClass c = block_.template part<SolveClass>(block_.header().classes)[slot.class_idx];
    return Block::share_of(c.num_experts == 1 ? block_.arrays.amounts[amount] : tokens_on_member(c, slot, amount),
                           slot.stack);
  }

  /// Experts in order fill the members in order: what the two intervals of the class's tokens have in common.
  LPLB_DEVICE int tokens_on_member(const SolveClass& c, const SlotPart& slot, int amount) const {
    int expert_begin = 0;
    LPLB_ROLL
    for (int i = 0; i < slot.position; ++i) {
      expert_begin += block_.counts[block_.arrays.image[c.first_expert + i]];
    }
    int member_begin = 0;
    LPLB_ROLL
    for (const unsigned* member = block_.arrays.image + c.first_arc; static_cast<int>(*member) != amount; ++member) {
      member_begin += block_.arrays.amounts[*member];
    }
    const int expert_end = expert_begin + block_.counts[slot.expert];
    const int member_end = member_begin + block_.arrays.amounts[amount];
    return std::max(0, std::min(expert_end, member_end) - std::max(expert_begin, member_begin));
  }

  LPLB_DEVICE void write_rank(int rank) {
    const int load = block_.arrays.load[rank];
    if (block_.args.rank_load != nullptr) {
      block_.args.rank_load[block_.first_rank() + rank] = load;
    }
    if (block_.args.in_bottleneck != nullptr) {
      block_.args.in_bottleneck[block_.first_rank() + rank] =
          static_cast<std::uint8_t>(block_.arrays.in_bottleneck[rank]);
    }
    add_load(digest_key(block_.args.num_physical + rank), load);
  }

  Block& block_;
  std::uint64_t digest_ = 0;
  int max_load_ = 0;
};

}  // namespace lplb::cuda
