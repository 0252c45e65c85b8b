#pragma once

// How a block hands out a plan: slots, loads, digest and summary. What does not wait for the components is written
// while they are being solved, by the free threads; and what can be looked up for the rest is.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/rng.h"
#include "solve/block_state.h"
#include "solve/pair_lanes.h"

namespace lplb::cuda {

template <class Simt, bool kInShared>
class BlockOutput {
  using Block = BlockState<Simt, kInShared>;

 public:
  LPLB_DEVICE explicit BlockOutput(Block& block) : block_(block) {}

  /// What does not wait for the components.
  LPLB_DEVICE void write_known() {
    write_lone_ranks();
    write_known_slots();
  }
  /// The same where no rank is a component.
  LPLB_DEVICE void write_known_slots() {
    write_fixed_slots();
    check_counts();
  }

  /// What a thread can know of its first slot and rank while the components are being solved.
  struct Prepared {
    SharedSlot shared;
    SolveClass of_class;
    std::uint64_t slot_key;
    std::uint64_t rank_key;
    int* quota;  // null where the slot is not wanted, as is
    int* rank_load;
    std::uint8_t* in_bottleneck;
    bool has_slot;
    bool is_whole;  // the slot has all that the class has on the rank
  };

  LPLB_DEVICE Prepared prepare() {
    Prepared prepared{};
    const SolveHeader& header = block_.header();
    prepared.has_slot = block_.thread < header.num_shared;
    num_late_ = header.num_shared;
    if (prepared.has_slot) {
      prepared.shared = block_.template part<SharedSlot>(header.shared)[block_.thread];
      prepared.of_class = class_of(prepared.shared);
      prepared.slot_key = digest_key(slot_of(prepared.shared));
      prepared.quota = quota_at(slot_of(prepared.shared));
      prepared.is_whole = prepared.of_class.num_experts == 1 && (prepared.shared.stack & 0xffff) == 1;
    }
    if (first_rank() < block_.args.num_ranks) {
      prepared.rank_key = digest_key(block_.args.num_physical + first_rank());
      prepared.rank_load = rank_load_at(first_rank());
      prepared.in_bottleneck = in_bottleneck_at(first_rank());
    }
    return prepared;
  }

  LPLB_DEVICE void hand_down(const Prepared& prepared) {
    if (prepared.has_slot) {
      int tokens = block_.arrays.amounts[prepared.shared.amount];
      if (!prepared.is_whole) [[unlikely]] {
        tokens = tokens_of(prepared.shared, prepared.of_class);
      }
      write_quota(prepared.quota, tokens, prepared.slot_key);
    }
    LPLB_ROLL
    for (int i = block_.thread + block_.num_free(); i < num_late_; i += block_.num_free()) {
      const SharedSlot shared = block_.template part<SharedSlot>(block_.header().shared)[i];
      write_quota(quota_at(slot_of(shared)), tokens_of(shared, class_of(shared)), digest_key(slot_of(shared)));
    }
  }

  LPLB_DEVICE void write_ranks(const Prepared& prepared) {
    if (first_rank() < block_.args.num_ranks) {
      write_rank(first_rank(), prepared.rank_load, prepared.in_bottleneck, prepared.rank_key);
    }
    LPLB_ROLL
    for (int rank = first_rank() + block_.num_free(); rank < block_.args.num_ranks; rank += block_.num_free()) {
      write_rank(rank, rank_load_at(rank), in_bottleneck_at(rank), digest_key(block_.args.num_physical + rank));
    }
  }

  /// What a component that a warp holds in registers adds to the sums of the block.
  template <class Solver>
  LPLB_DEVICE void add_component(const LaneTable& table, const Solver& solver) {
    const auto& component = solver.component();
    digest_ = table.rank_key * static_cast<std::uint32_t>(component.load[0]);
    LPLB_UNROLL
    for (int color = 0; color < kLaneColors; ++color) {
      digest_ += table.slot_key[color] * static_cast<std::uint32_t>(solver.amount(color));
    }
    max_load_ = component.load[0];
    if (component.lane == 0) {
      const SolveOutcome& outcome = component.outcome;
      Simt::raise(&block_.sums.bound, outcome.target);
      Simt::add(&block_.sums.num_sweeps, outcome.num_sweeps);
      Simt::add(&block_.sums.num_waves, outcome.num_waves);
      Simt::add(&block_.sums.num_raises, outcome.num_raises);
    }
    add_digest(true);
  }

  /// Its part of the plan: of each lane the copies of pairs, and the rank. Few instructions matter here: indices have
  /// 32 bits, which suffice for few splits, and each array is asked for once.
  template <class Solver>
  LPLB_DEVICE void write_component(const LaneTable& table, const Solver& solver) {
    const auto& component = solver.component();
    const auto split = static_cast<unsigned>(block_.split);
    if (block_.args.quota != nullptr) {
      int* const quota = block_.args.quota + split * static_cast<unsigned>(block_.args.num_physical);
      LPLB_UNROLL
      for (int color = 0; color < kLaneColors; ++color) {
        if (table.slot[color] != kNoSlot) {
          quota[table.slot[color]] = solver.amount(color);
        }
      }
    }
    const unsigned rank = split * static_cast<unsigned>(block_.args.num_ranks) + table.rank;
    if (component.is_rank(0)) {
      if (block_.args.rank_load != nullptr) {
        block_.args.rank_load[rank] = component.load[0];
      }
      if (block_.args.in_bottleneck != nullptr) {
        block_.args.in_bottleneck[rank] = component.bottleneck.has_own(0, component.lane) ? 1 : 0;
      }
    }
    if (component.lane == 0) {
      write_bound(table.component, component.outcome.target);
    }
  }

  /// Bounds and work of the components, by a warp that has nothing else to do, or by the second or the only one.
  LPLB_DEVICE void add_outcomes() {
    if (block_.warp != outcome_warp()) {
      return;
    }
    SolveOutcome sum;
    LPLB_ROLL
    for (int i = Simt::lane(); i < block_.num_tasks; i += kWarpSize) {
      const SolveOutcome outcome = block_.outcomes[i];
      write_bound(block_.template part<SolveTask>(block_.args.layout.tasks)[i].component, outcome.target);
      sum.target = std::max(sum.target, outcome.target);
      sum.num_sweeps += outcome.num_sweeps;
      sum.num_waves += outcome.num_waves;
      sum.num_raises += outcome.num_raises;
    }
    sum.target = Simt::reduce_max(sum.target);
    sum.num_sweeps = Simt::reduce_add(sum.num_sweeps);
    sum.num_waves = Simt::reduce_add(sum.num_waves);
    sum.num_raises = Simt::reduce_add(sum.num_raises);
    if (Simt::lane() == 0) {
      Simt::raise(&block_.sums.bound, sum.target);
      block_.sums.num_sweeps = sum.num_sweeps;
      block_.sums.num_waves = sum.num_waves;
      block_.sums.num_raises = sum.num_raises;
    }
  }

  /// Whether this warp has had slots or ranks to hand out after the components.
  LPLB_DEVICE bool has_late_work() const {
    return block_.warp * kWarpSize < num_late_ ||
           block_.num_free() - (block_.warp + 1) * kWarpSize < block_.args.num_ranks;
  }

  /// The 64-bit sum from three sums of 22 bits, which a warp adds up in one instruction each, and a block without
  /// overflow: it has no more than 16 warps, which come here twice.
  LPLB_DEVICE void add_digest(bool is_needed) {
    if (!is_needed) {
      return;
    }
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
    digest_ = 0;
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
    return block_.template part<std::uint64_t>(block_.args.layout.keys)[index];
  }
  LPLB_DEVICE static int slot_of(const SharedSlot& shared) { return static_cast<int>(shared.slot_and_expert & 0xffff); }
  LPLB_DEVICE SolveClass class_of(const SharedSlot& shared) const {
    return block_.template part<SolveClass>(block_.header().classes)[shared.class_and_position & 0xffff];
  }

  LPLB_DEVICE int* quota_at(int slot) const {
    return block_.args.quota != nullptr ? block_.args.quota + block_.first_slot() + slot : nullptr;
  }
  LPLB_DEVICE int* rank_load_at(int rank) const {
    return block_.args.rank_load != nullptr ? block_.args.rank_load + block_.first_rank() + rank : nullptr;
  }
  LPLB_DEVICE std::uint8_t* in_bottleneck_at(int rank) const {
    return block_.args.in_bottleneck != nullptr ? block_.args.in_bottleneck + block_.first_rank() + rank : nullptr;
  }

  /// Slots are given out from the first free thread on, ranks from the last.
  LPLB_DEVICE int first_rank() const { return block_.num_free() - 1 - block_.thread; }
  LPLB_DEVICE int outcome_warp() const {
    const int behind_slots = (num_late_ + kWarpSize - 1) / kWarpSize;
    if ((behind_slots + 1) * kWarpSize + block_.args.num_ranks <= block_.num_free()) {
      return behind_slots;
    }
    return block_.num_free() > kWarpSize ? 1 : 0;
  }

  LPLB_DEVICE void write_bound(int component, int bound) {
    if (block_.args.component_bound != nullptr) {
      block_.args.component_bound[block_.first_rank() + component] = bound;
    }
  }

  /// Ranks that share nothing prove their own load.
  LPLB_DEVICE void write_lone_ranks() {
    LPLB_ROLL
    for (int i = block_.thread; i < block_.header().num_lone; i += block_.num_free()) {
      const unsigned lone = block_.template part<unsigned>(block_.header().lone)[i];
      const int rank = static_cast<int>(lone & 0xffff);
      const int load = block_.arrays.fixed_load[rank].sum();
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
        write_quota(quota_at(slot), block_.fixed_tokens(word), digest_key(slot));
      }
    }
  }

  LPLB_DEVICE void write_quota(int* quota, int tokens, std::uint64_t key) {
    if (quota != nullptr) {
      *quota = tokens;
    }
    digest_ += key * static_cast<std::uint32_t>(tokens);
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

  LPLB_DEVICE int tokens_of(const SharedSlot& shared, const SolveClass& c) const {
    return Block::share_of(c.num_experts == 1 ? block_.arrays.amounts[shared.amount] : tokens_on_member(c, shared),
                           shared.stack);
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

  LPLB_DEVICE void write_rank(int rank, int* rank_load, std::uint8_t* in_bottleneck, std::uint64_t key) {
    const int load = block_.arrays.load[rank];
    if (rank_load != nullptr) {
      *rank_load = load;
    }
    if (in_bottleneck != nullptr) {
      *in_bottleneck = static_cast<std::uint8_t>(block_.arrays.in_bottleneck[rank]);
    }
    digest_ += key * static_cast<std::uint32_t>(load);
    max_load_ = std::max(max_load_, load);
  }

  Block& block_;
  std::uint64_t digest_ = 0;
  int max_load_ = 0;
  int num_late_ = 0;  // slots that wait for the components
};

}  // namespace lplb::cuda
