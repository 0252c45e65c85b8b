#pragma once

// What a device needs to know of an expert to send a token of it: one word. Only tokens of replicated experts, those
// with several copies, are ranked and counted.

#include <algorithm>
#include <cstdint>

namespace lplb::cuda {

/// The slot of an expert with one copy, kNone for no expert; of a replicated one its number among those and its first
/// copy in the list by expert.
struct ExpertPlace {
  static constexpr std::int32_t kReplicated = 1 << 30;
  static constexpr int kCopyBits = 16;

  static constexpr ExpertPlace of_slot(std::int32_t slot) { return {slot}; }
  static constexpr ExpertPlace of_copies(int number, int first_copy) {
    return {kReplicated | number << kCopyBits | first_copy};
  }

  constexpr bool is_replicated() const { return word >= kReplicated; }
  constexpr std::int32_t slot() const { return word; }
  constexpr int number() const { return (word ^ kReplicated) >> kCopyBits; }
  constexpr int first_copy() const { return word & ((1 << kCopyBits) - 1); }

  std::int32_t word;
};

/// Entries of a list of places: of all experts and of none, made up to a multiple of 16 bytes.
constexpr int num_places(int num_logical) { return (num_logical + 1 + 3) / 4 * 4; }

/// Replicated experts that a placement may have, and one where there is none: no list of them is empty.
constexpr int max_replicated(int num_logical, int num_physical) {
  return std::max(1, std::min(num_logical, num_physical - num_logical));
}

/// Entries of a list of their 16-bit numbers, made up to a multiple of 16 bytes.
constexpr int num_replicated_entries(int num_logical, int num_physical) {
  return (max_replicated(num_logical, num_physical) + 7) / 8 * 8;
}

}  // namespace lplb::cuda
