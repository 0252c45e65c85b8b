#include "optimize/arrangement.h"

#include <algorithm>
#include <utility>

namespace lplb {

Arrangement::Arrangement(std::span<const std::int32_t> num_slots, std::vector<std::int32_t> phy2log, int num_logical)
    : num_slots_(num_slots.begin(), num_slots.end()),
      phy2log_(std::move(phy2log)),
      first_(num_logical, kNone),
      next_(phy2log_.size(), kNone),
      num_copies_(num_logical, 0) {
  slots_per_rank = num_slots.empty() ? 0 : std::ranges::max(num_slots);
  for (int slot = static_cast<int>(phy2log_.size()) - 1; slot >= 0; --slot) {
    const std::int32_t e = phy2log_[slot];
    if (e != kNone) {
      next_[slot] = first_[e];
      first_[e] = slot;
      ++num_copies_[e];
    }
  }
  num_experts = num_logical;
  ranks = static_cast<int>(num_slots_.size());
  slots = num_slots_.data();
  constexpr std::uint64_t kOne = std::uint64_t{1} << 32;
  rank_factor = slots_per_rank == 0 ? 0 : (kOne + slots_per_rank - 1) / slots_per_rank;
  expert = phy2log_.data();
  first = first_.data();
  next = next_.data();
  copy_count = num_copies_.data();
}

}  // namespace lplb
