#pragma once

// Random arrangements with distinct copies, unequal and empty slots, and random moves of them, as the search makes.

#include <algorithm>
#include <utility>
#include <vector>

#include "optimize/arrangement.h"
#include "support/random_instance.h"

namespace lplb::testing {

struct ArrangementLimits {
  int max_ranks = 10;
  int max_slots = 6;       // of a rank
  double many_copies = 0;  // chance that the first experts have a copy on nearly every rank
};

inline Arrangement random_arrangement(Rng& rng, const ArrangementLimits& limits = {}) {
  using random_detail::between;
  const int num_ranks = between(rng, 1, limits.max_ranks);
  std::vector<std::int32_t> slots(num_ranks);
  for (std::int32_t& number : slots) {
    number = between(rng, 0, limits.max_slots);
  }
  slots[rng.below(num_ranks)] = limits.max_slots;
  const int stride = limits.max_slots;
  std::vector<std::int32_t> free;
  for (int rank = 0; rank < num_ranks; ++rank) {
    for (int i = 0; i < slots[rank]; ++i) {
      free.push_back(rank * stride + i);
    }
  }
  random_detail::shuffle(rng, free);
  const int num_logical = between(rng, 1, static_cast<int>(free.size()));
  std::vector<std::int32_t> phy2log(static_cast<std::size_t>(num_ranks) * stride, kNone);
  for (int e = 0; e < num_logical; ++e) {
    phy2log[free[e]] = e;
  }
  const bool many_copies = random_detail::chance(rng, limits.many_copies);
  for (std::size_t i = num_logical; i < free.size(); ++i) {
    const int e = static_cast<int>(rng.below(many_copies ? std::min(2, num_logical) : num_logical));
    const auto first = phy2log.begin() + static_cast<std::ptrdiff_t>(free[i]) / stride * stride;
    if (std::find(first, first + stride, e) == first + stride && random_detail::chance(rng, 0.9)) {
      phy2log[free[i]] = e;
    }
  }
  return Arrangement(slots, std::move(phy2log), num_logical);
}

/// A swap or a copy that keeps experts in their last copy and copies on different ranks; false when what was drawn
/// does not.
inline bool random_move(Rng& rng, const Arrangement& arrangement, Move& move) {
  const auto any_slot = [&] {
    int rank = 0;
    do {
      rank = static_cast<int>(rng.below(arrangement.num_ranks()));
    } while (arrangement.num_slots(rank) == 0);
    return arrangement.first_slot(rank) + static_cast<int>(rng.below(arrangement.num_slots(rank)));
  };
  move.from = any_slot();
  move.to = any_slot();
  const int from = arrangement.rank_of(move.from);
  const int to = arrangement.rank_of(move.to);
  const std::int32_t given = arrangement.expert_at(move.from);
  const std::int32_t taken = arrangement.expert_at(move.to);
  if (from == to || given == kNone || arrangement.holds(to, given)) {
    return false;
  }
  move.kind = random_detail::chance(rng, 0.5) ? Move::Kind::kSwap : Move::Kind::kReplace;
  if (move.kind == Move::Kind::kSwap) {
    return taken == kNone || !arrangement.holds(from, taken);
  }
  move.replaced = taken;
  return taken == kNone || arrangement.copies(taken).size() > 1;
}

}  // namespace lplb::testing
