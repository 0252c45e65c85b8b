#pragma once

// A placement that changes: which expert each slot holds and, the other way, the slots of each expert. The search's
// own form of a Placement; ranks may have different numbers of slots.

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

class Arrangement {
 public:
  /// `slots` [G]: slots of each rank that may be used. `phy2log` [G * stride], stride = the largest number of slots;
  /// slots past a rank's own are empty and stay so.
  Arrangement(std::span<const std::int32_t> slots, std::vector<std::int32_t> phy2log, int num_logical);

  int num_logical() const { return static_cast<int>(copies_.size()); }
  int num_ranks() const { return static_cast<int>(num_slots_.size()); }
  int stride() const { return stride_; }
  int rank_of(int slot) const { return rank_of_[slot]; }
  int first_slot(int rank) const { return rank * stride_; }
  int num_slots(int rank) const { return num_slots_[rank]; }
  std::int32_t expert_at(int slot) const { return phy2log_[slot]; }
  const std::vector<std::int32_t>& phy2log() const { return phy2log_; }
  /// Slots that hold expert e, ascending.
  const std::vector<std::int32_t>& copies(int e) const { return copies_[e]; }
  bool holds(int rank, int e) const;

  void apply(const Move& move);
  void revert(const Move& move);

 private:
  void remove_copy(int e, int slot);
  void add_copy(int e, int slot);
  void swap_slots(int a, int b);

  int stride_;
  std::vector<std::int32_t> num_slots_;            // [G]
  std::vector<std::int32_t> rank_of_;              // [G * stride]
  std::vector<std::int32_t> phy2log_;              // [G * stride]
  std::vector<std::vector<std::int32_t>> copies_;  // [E]
};

}  // namespace lplb
