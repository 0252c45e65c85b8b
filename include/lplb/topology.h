#pragma once

// A topology says which rank copies from which, inside one EP group: LPLB's matrix r2o [group_size, num_redundants],
// where r2o[g][i] = o means that the i-th redundant slot of rank g holds a copy of the i-th heaviest expert of rank o.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lplb/placement.h"
#include "lplb/types.h"

namespace lplb {

/// An immutable, validated r2o matrix. Every column is a permutation of the ranks without a fixed point.
class Topology {
 public:
  /// Any user matrix, row-major [group_size, num_redundants]. Throws InvalidArgument that names the column and the
  /// rank.
  static Topology from_r2o(std::vector<std::int32_t> r2o, int group_size, int num_redundants,
                           std::string name = "custom");
  /// 8 ranks: two squares joined by diagonals. Two columns.
  static Topology cube();
  /// num_ranks a power of two, at least 16: squares of four ranks, joined square to square. Two columns for 16.
  static Topology hypercube(int num_ranks = 16);
  /// m * n ranks, rank = row * n + column; column 0 copies along the rows' ring, column 1 inside the row. m, n >= 2.
  static Topology torus(int m, int n);
  /// n ranks in a ring, one column. n >= 2.
  static Topology ring(int n);
  /// "cube", "hypercube", "hypercube:32", "torus:8x4", "ring:8". Throws InvalidArgument that lists the forms.
  static Topology parse(std::string_view text);

  const std::string& name() const { return name_; }
  int group_size() const { return group_size_; }
  int num_redundants() const { return num_redundants_; }
  std::int32_t source(int rank, int column) const { return r2o_[rank * num_redundants_ + column]; }
  std::span<const std::int32_t> r2o() const { return r2o_; }  // [group_size, num_redundants]
  /// Inverse by column: o2r[o][i] = g with r2o[g][i] = o. [group_size, num_redundants]
  std::vector<std::int32_t> o2r() const;
  /// The first num_columns columns. Throws InvalidArgument unless 1 <= num_columns <= num_redundants().
  Topology first_columns(int num_columns) const;

  /// Ranks that share an edge with `rank`, ascending, without repeats.
  std::vector<std::int32_t> neighbours(int rank) const;
  /// Number of different neighbours of each rank. [group_size]
  std::vector<int> degrees() const;
  bool connected() const;
  /// Longest shortest path between two ranks, in edges; -1 when not connected.
  int diameter() const;
  /// Edges (r2o entries) whose two ranks are on different nodes of ranks_per_node consecutive ranks.
  int num_cross_node_edges(int ranks_per_node) const;

 private:
  Topology(std::vector<std::int32_t> r2o, int group_size, int num_redundants, std::string name);
  std::string name_;
  int group_size_;
  int num_redundants_;
  std::vector<std::int32_t> r2o_;
};

struct TopologyRecommendation {
  Topology topology;
  int num_groups;      // num_ranks / topology.group_size()
  std::string reason;  // one or two sentences
};

/// A topology for num_ranks ranks on num_nodes nodes with num_redundants redundant slots a rank, and why.
/// Throws InvalidArgument when no topology fits (fewer than two ranks, no redundant slot).
TopologyRecommendation recommend_topology(int num_ranks, int num_nodes, int num_redundants);

struct TopologyPlacementArgs {
  int num_logical = 0;
  int num_physical = 0;    // (num_logical / num_ranks + redundant slots) * num_ranks
  int num_ranks = 0;       // a multiple of topology.group_size(): the topology repeats as groups
  int ranks_per_node = 8;  // EPLB's nodes for the reordering; num_ranks when that is smaller
};

/// LPLB's placement (Planner.update_redundancy_mapping): experts reordered by EPLB without redundancy, each rank sorted
/// by load, the heaviest copied along the topology; several experts per edge when there are more redundant slots than
/// columns. `workload` [E] is the history; empty keeps the identity order. Every expert has one or two copies.
/// O(E log E). Deterministic. Throws InvalidArgument.
Placement place_along_topology(const Topology& topology, const TopologyPlacementArgs& args,
                               std::span<const std::int64_t> workload);

/// LPLB's log2phy [E, 2] of such a placement: the original first (among the first num_local slots of its rank), then
/// the copy, -1 without one.
std::vector<std::int32_t> original_first_log2phy(const Placement& placement, int num_local);

}  // namespace lplb
