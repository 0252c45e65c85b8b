#pragma once

// A placement that changes: which expert each slot holds and, the other way, the slots of each expert as a list in
// ascending order. The search's own form of a Placement; ranks may have different numbers of slots.

#include <cstdint>
#include <span>
#include <vector>

#include "lplb/placement.h"

namespace lplb {

/// One change of an arrangement.
struct Move {
  enum class Kind : std::uint8_t {
    kSwap,     // the experts of two slots (one of them may be empty) change places
    kReplace,  // slot `to` holds a further copy of the expert in slot `from`, instead of what it held
  };
  Kind kind = Kind::kSwap;
  std::int32_t from = 0;      // slot
  std::int32_t to = 0;        // slot
  std::int32_t replaced = 0;  // kReplace: what `to` held, kNone = nothing
};

/// The slots that hold an expert, ascending: a range that a loop may walk.
class CopyList {
 public:
  class Iterator {
   public:
    constexpr Iterator(const std::int32_t* next, std::int32_t slot) : next_(next), slot_(slot) {}
    constexpr int operator*() const { return slot_; }
    constexpr Iterator& operator++() {
      slot_ = next_[slot_];
      return *this;
    }
    constexpr bool operator!=(const Iterator& other) const { return slot_ != other.slot_; }

   private:
    const std::int32_t* next_;
    std::int32_t slot_;
  };

  constexpr CopyList(const std::int32_t* next, std::int32_t first, std::int32_t size)
      : next_(next), first_(first), size_(size) {}
  constexpr int size() const { return size_; }
  constexpr int front() const { return first_; }
  /// O(i).
  constexpr int operator[](int i) const {
    std::int32_t slot = first_;
    for (; i > 0; --i) {
      slot = next_[slot];
    }
    return slot;
  }
  constexpr Iterator begin() const { return {next_, first_}; }
  constexpr Iterator end() const { return {next_, kNone}; }

 private:
  const std::int32_t* next_;
  std::int32_t first_;
  std::int32_t size_;
};

/// An arrangement in memory that someone else owns, on the CPU or on a GPU.
struct ArrangementView {
  int num_experts = 0;
  int ranks = 0;
  int slots_per_rank = 0;               // stride: the largest number of slots of a rank
  const std::int32_t* slots = nullptr;  // [G] slots of each rank that may be used
  std::uint64_t rank_factor = 0;        // 2^32 / stride, rounded up; exact as there are at most 2^16 slots
  std::int32_t* expert = nullptr;       // [G * stride] in each slot, kNone = none
  std::int32_t* first = nullptr;        // [E] first slot that holds the expert
  std::int32_t* next = nullptr;         // [G * stride] next slot that holds the same expert, kNone = none
  std::int32_t* copy_count = nullptr;   // [E]

  constexpr int num_logical() const { return num_experts; }
  constexpr int num_ranks() const { return ranks; }
  constexpr int stride() const { return slots_per_rank; }
  constexpr int num_slots() const { return ranks * slots_per_rank; }
  constexpr int num_slots(int rank_id) const { return slots[rank_id]; }
  constexpr int rank_of(int slot) const {
    return static_cast<int>(static_cast<std::uint64_t>(slot) * rank_factor >> 32);
  }
  constexpr int first_slot(int rank_id) const { return rank_id * slots_per_rank; }
  constexpr std::int32_t expert_at(int slot) const { return expert[slot]; }
  constexpr CopyList copies(int e) const { return {next, first[e], copy_count[e]}; }
  constexpr bool holds(int rank_id, int e) const {
    for (const int slot : copies(e)) {
      if (rank_of(slot) == rank_id) {
        return true;
      }
    }
    return false;
  }

  constexpr void apply(const Move& move) {
    if (move.kind == Move::Kind::kSwap) {
      swap_slots(move.from, move.to);
      return;
    }
    remove_copy(move.replaced, move.to);
    add_copy(expert[move.from], move.to);
  }
  constexpr void revert(const Move& move) {
    if (move.kind == Move::Kind::kSwap) {
      swap_slots(move.from, move.to);
      return;
    }
    remove_copy(expert[move.to], move.to);
    add_copy(move.replaced, move.to);
  }

 private:
  constexpr void remove_copy(int e, int slot) {
    expert[slot] = kNone;
    if (e != kNone) {
      *link_to(e, slot) = next[slot];
      --copy_count[e];
    }
  }
  constexpr void add_copy(int e, int slot) {
    expert[slot] = e;
    if (e != kNone) {
      std::int32_t* link = link_to(e, slot);
      next[slot] = *link;
      *link = slot;
      ++copy_count[e];
    }
  }
  constexpr void swap_slots(int a, int b) {
    const std::int32_t expert_a = expert[a];
    const std::int32_t expert_b = expert[b];
    remove_copy(expert_a, a);
    remove_copy(expert_b, b);
    add_copy(expert_a, b);
    add_copy(expert_b, a);
  }
  /// What points to the first copy of e that is not before `slot`.
  constexpr std::int32_t* link_to(int e, int slot) {
    std::int32_t* link = &first[e];
    while (*link != kNone && *link < slot) {
      link = &next[*link];
    }
    return link;
  }
};

/// An arrangement with its memory.
class Arrangement : public ArrangementView {
 public:
  /// `num_slots` [G]: slots of each rank that may be used. `phy2log` [G * stride], stride = the largest number of
  /// slots; slots past a rank's own are empty and stay so.
  Arrangement(std::span<const std::int32_t> num_slots, std::vector<std::int32_t> phy2log, int num_logical);
  Arrangement(Arrangement&&) = default;
  Arrangement& operator=(Arrangement&&) = default;

  const std::vector<std::int32_t>& phy2log() const { return phy2log_; }

 private:
  std::vector<std::int32_t> num_slots_;
  std::vector<std::int32_t> phy2log_;
  std::vector<std::int32_t> first_;
  std::vector<std::int32_t> next_;
  std::vector<std::int32_t> num_copies_;
};

}  // namespace lplb
