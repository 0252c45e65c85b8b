#include "optimize/arrangement.h"

#include <algorithm>
#include <utility>

namespace lplb {

Arrangement::Arrangement(std::span<const std::int32_t> slots, std::vector<std::int32_t> phy2log, int num_logical)
    : stride_(slots.empty() ? 0 : std::ranges::max(slots)),
      num_slots_(slots.begin(), slots.end()),
      phy2log_(std::move(phy2log)),
      copies_(num_logical) {
  rank_of_.resize(phy2log_.size());
  for (int slot = 0; slot < static_cast<int>(phy2log_.size()); ++slot) {
    rank_of_[slot] = slot / stride_;
    if (phy2log_[slot] != kNone) {
      copies_[phy2log_[slot]].push_back(slot);
    }
  }
}

bool Arrangement::holds(int rank, int e) const {
  return std::ranges::any_of(copies_[e], [&](int slot) { return rank_of_[slot] == rank; });
}

void Arrangement::remove_copy(int e, int slot) {
  if (e != kNone) {
    copies_[e].erase(std::ranges::find(copies_[e], slot));
  }
}

void Arrangement::add_copy(int e, int slot) {
  if (e != kNone) {
    copies_[e].insert(std::ranges::lower_bound(copies_[e], slot), slot);
  }
}

void Arrangement::swap_slots(int a, int b) {
  const std::int32_t expert_a = phy2log_[a];
  const std::int32_t expert_b = phy2log_[b];
  remove_copy(expert_a, a);
  remove_copy(expert_b, b);
  add_copy(expert_a, b);
  add_copy(expert_b, a);
  std::swap(phy2log_[a], phy2log_[b]);
}

void Arrangement::apply(const Move& move) {
  if (move.kind == Move::Kind::kSwap) {
    swap_slots(move.from, move.to);
    return;
  }
  remove_copy(move.replaced, move.to);
  phy2log_[move.to] = phy2log_[move.from];
  add_copy(phy2log_[move.to], move.to);
}

void Arrangement::revert(const Move& move) {
  if (move.kind == Move::Kind::kSwap) {
    swap_slots(move.from, move.to);
    return;
  }
  remove_copy(phy2log_[move.to], move.to);
  phy2log_[move.to] = move.replaced;
  add_copy(move.replaced, move.to);
}

}  // namespace lplb
