// A placement and its inverse: one counting pass, one filling pass.

#include "lplb/placement.h"

#include <algorithm>

#include "base/check.h"

namespace lplb {

Placement::Placement(std::vector<std::int32_t> phy2log, int num_logical, int num_ranks, int num_nodes)
    : num_logical_(num_logical), num_ranks_(num_ranks), num_nodes_(num_nodes), phy2log_(std::move(phy2log)) {
  const int num_physical = static_cast<int>(std::min(phy2log_.size(), static_cast<std::size_t>(kMaxPhysical) + 1));
  check(num_logical >= 1 && num_logical <= kMaxLogical, "[Placement] num_logical (", num_logical, ") must be in 1..",
        kMaxLogical);
  check(num_ranks >= 1 && num_ranks <= kMaxRanks, "[Placement] num_ranks (", num_ranks, ") must be in 1..", kMaxRanks);
  check(num_nodes >= 1 && num_ranks % num_nodes == 0, "[Placement] num_nodes (", num_nodes, ") must divide num_ranks (",
        num_ranks, ")");
  check(num_physical >= 1 && num_physical <= kMaxPhysical, "[Placement] phy2log has ", phy2log_.size(),
        " slots; it must have 1..", kMaxPhysical);
  check(num_physical % num_ranks == 0, "[Placement] phy2log has ", num_physical,
        " slots; that must be a multiple of num_ranks (", num_ranks, ")");
  slots_per_rank_ = num_physical / num_ranks;

  logcnt_.assign(num_logical, 0);
  for (int p = 0; p < num_physical; ++p) {
    const std::int32_t e = phy2log_[p];
    check(e >= kNone && e < num_logical, "[Placement] phy2log[", p, "] is ", e, "; it must be in -1..",
          num_logical - 1);
    if (e != kNone) {
      ++logcnt_[e];
    }
  }
  replica_begin_.resize(num_logical);
  std::int32_t begin = 0;
  for (int e = 0; e < num_logical; ++e) {
    check(logcnt_[e] > 0, "[Placement] expert ", e, " has no slot in phy2log");
    replica_begin_[e] = begin;
    begin += logcnt_[e];
    max_replicas_ = std::max(max_replicas_, static_cast<int>(logcnt_[e]));
  }
  replica_slots_.resize(begin);
  std::vector<std::int32_t> next = replica_begin_;
  for (int p = 0; p < num_physical; ++p) {
    if (phy2log_[p] != kNone) {
      replica_slots_[next[phy2log_[p]]++] = p;
    }
  }
}

std::vector<std::int32_t> Placement::log2phy() const {
  std::vector<std::int32_t> result(static_cast<std::size_t>(num_logical_) * max_replicas_, kNone);
  for (int e = 0; e < num_logical_; ++e) {
    std::ranges::copy(replicas(e), result.begin() + static_cast<std::ptrdiff_t>(e) * max_replicas_);
  }
  return result;
}

std::vector<Colocation> Placement::colocations() const {
  std::vector<Colocation> result;
  for (int e = 0; e < num_logical_; ++e) {
    const auto slots = replicas(e);
    for (std::size_t i = 0; i < slots.size();) {
      const int rank = rank_of(slots[i]);
      std::size_t end = i + 1;
      while (end < slots.size() && rank_of(slots[end]) == rank) {
        ++end;
      }
      if (end - i > 1) {
        result.push_back({.expert = e, .rank = rank, .num_copies = static_cast<std::int32_t>(end - i)});
      }
      i = end;
    }
  }
  return result;
}

Placement contiguous_placement(int num_logical, int num_ranks, int num_nodes) {
  check(num_ranks >= 1 && num_ranks <= kMaxRanks, "[contiguous_placement] num_ranks (", num_ranks, ") must be in 1..",
        kMaxRanks);
  check(num_logical >= 1 && num_logical <= kMaxLogical, "[contiguous_placement] num_logical (", num_logical,
        ") must be in 1..", kMaxLogical);
  const int slots_per_rank = (num_logical + num_ranks - 1) / num_ranks;
  std::vector<std::int32_t> phy2log(static_cast<std::size_t>(slots_per_rank) * num_ranks, kNone);
  for (int e = 0; e < num_logical; ++e) {
    phy2log[e] = e;
  }
  return Placement(std::move(phy2log), num_logical, num_ranks, num_nodes);
}

int count_moved_copies(const Placement& from, const Placement& to) {
  check(from.num_logical() == to.num_logical(), "[count_moved_copies] num_logical differs: ", from.num_logical(),
        " and ", to.num_logical());
  check(from.num_ranks() == to.num_ranks(), "[count_moved_copies] num_ranks differs: ", from.num_ranks(), " and ",
        to.num_ranks());
  int num_moved = 0;
  std::vector<std::int32_t> held(to.num_logical());
  for (int rank = 0; rank < to.num_ranks(); ++rank) {
    const auto slots_of = [rank](const Placement& placement) {
      const std::size_t n = placement.slots_per_rank();
      return placement.phy2log().subspan(rank * n, n);
    };
    for (const std::int32_t e : slots_of(from)) {
      if (e != kNone) {
        ++held[e];
      }
    }
    for (const std::int32_t e : slots_of(to)) {
      if (e != kNone && held[e]-- <= 0) {
        ++num_moved;
      }
    }
    std::ranges::fill(held, 0);
  }
  return num_moved;
}

}  // namespace lplb
