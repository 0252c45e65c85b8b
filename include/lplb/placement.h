#pragma once

// A placement says which logical expert each physical slot holds. It is immutable once built; its inverse is made at
// construction. Names and shapes are EPLB's: phy2log [P], log2phy [E, X] (-1 padded), logcnt [E].

#include <cstdint>
#include <span>
#include <vector>

#include "lplb/types.h"

namespace lplb {

/// Several copies of one expert on one rank: allowed, but they add no freedom to the split.
struct Colocation {
  std::int32_t expert;
  std::int32_t rank;
  std::int32_t num_copies;  // at least 2
};

/// Where every copy of every expert lives. Slot p is on rank p / slots_per_rank(); ranks are numbered node by node.
class Placement {
 public:
  /// Builds and validates. `phy2log` [P] holds logical ids or -1 (empty slot). O(P).
  /// Throws InvalidArgument when P is not a multiple of num_ranks, num_ranks not a multiple of num_nodes, an id is out
  /// of range, an expert has no slot, or a limit of types.h is passed.
  Placement(std::vector<std::int32_t> phy2log, int num_logical, int num_ranks, int num_nodes = 1);

  int num_logical() const { return num_logical_; }
  int num_physical() const { return static_cast<int>(phy2log_.size()); }
  int num_ranks() const { return num_ranks_; }
  int num_nodes() const { return num_nodes_; }
  int slots_per_rank() const { return slots_per_rank_; }
  int ranks_per_node() const { return num_ranks_ / num_nodes_; }
  int rank_of(int physical) const { return physical / slots_per_rank_; }
  int node_of_rank(int rank) const { return rank / ranks_per_node(); }

  std::span<const std::int32_t> phy2log() const { return phy2log_; }  // [P]
  std::span<const std::int32_t> logcnt() const { return logcnt_; }    // [E]
  /// Slots that hold expert e, ascending. [logcnt()[e]]
  std::span<const std::int32_t> replicas(int e) const {
    return std::span<const std::int32_t>(replica_slots_).subspan(replica_begin_[e], logcnt_[e]);
  }
  /// Largest number of copies of one expert: EPLB's X.
  int max_replicas() const { return max_replicas_; }
  /// EPLB's log2phy [E, max_replicas()], row-major, -1 padded.
  std::vector<std::int32_t> log2phy() const;
  /// Every case of two or more copies of an expert on one rank, by expert, then rank.
  std::vector<Colocation> colocations() const;

  friend bool operator==(const Placement& a, const Placement& b) {
    return a.phy2log_ == b.phy2log_ && a.num_logical_ == b.num_logical_ && a.num_ranks_ == b.num_ranks_ &&
           a.num_nodes_ == b.num_nodes_;
  }

 private:
  int num_logical_;
  int num_ranks_;
  int num_nodes_;
  int slots_per_rank_;
  int max_replicas_ = 0;
  std::vector<std::int32_t> phy2log_;        // [P]
  std::vector<std::int32_t> logcnt_;         // [E]
  std::vector<std::int32_t> replica_begin_;  // [E]
  std::vector<std::int32_t> replica_slots_;  // [P without empty slots]
};

/// One copy of each expert, in order: rank g holds experts g*S .. g*S+S-1 with S = ceil(num_logical / num_ranks); slots
/// that are left over at the end stay empty.
Placement contiguous_placement(int num_logical, int num_ranks, int num_nodes = 1);

/// Copies that `to` has on a rank and `from` has not: the expert weights that must travel. Moves within a rank are
/// free. Throws InvalidArgument when the two differ in num_logical or num_ranks.
int count_moved_copies(const Placement& from, const Placement& to);

}  // namespace lplb
