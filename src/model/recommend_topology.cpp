// Which topology for which deployment: every one that fits is measured, and the first of these criteria that differs
// decides. (1) Diameter: load flows from rank to rank along the edges, and each hop needs an expert that is hot enough
// to carry it. (2) Edges that cross nodes: their copies are filled, and their tokens travel, over the slow links.
// All candidates are connected, so that any rank's overload can reach any other rank.

#include <algorithm>
#include <bit>
#include <tuple>

#include "base/check.h"
#include "lplb/topology.h"

namespace lplb {
namespace {

struct Candidate {
  Topology topology;
  int diameter;
  int num_cross_node_edges;
};

/// Denser graphs come first: they win a tie.
std::vector<Candidate> fitting_topologies(int num_ranks, int ranks_per_node, int num_redundants) {
  std::vector<Candidate> result;
  const auto add = [&](Topology topology) {
    if (topology.num_redundants() <= num_redundants) {
      const int diameter = topology.diameter();
      const int num_cross = topology.num_cross_node_edges(ranks_per_node);
      result.push_back({.topology = std::move(topology), .diameter = diameter, .num_cross_node_edges = num_cross});
    }
  };
  if (num_ranks == 8) {
    add(Topology::cube());
  }
  if (num_ranks >= 16 && std::has_single_bit(static_cast<unsigned>(num_ranks))) {
    add(Topology::hypercube(num_ranks));
  }
  for (int n = 2; n <= num_ranks / 2; ++n) {
    if (num_ranks % n == 0) {
      add(Topology::torus(num_ranks / n, n));
    }
  }
  add(Topology::ring(num_ranks));
  return result;
}

std::string describe(const Candidate& candidate) {
  const int degree = std::ranges::max(candidate.topology.degrees());
  return concat(candidate.topology.name(), " (diameter ", candidate.diameter, ", ", degree,
                degree == 1 ? " neighbour" : " neighbours", " a rank, ", candidate.num_cross_node_edges, " of ",
                candidate.topology.r2o().size(), " edges across nodes)");
}

}  // namespace

TopologyRecommendation recommend_topology(int num_ranks, int num_nodes, int num_redundants) {
  constexpr const char* kName = "[recommend_topology] ";
  check(num_ranks >= 2 && num_ranks <= kMaxRanks, kName, "num_ranks (", num_ranks, ") must be in 2..", kMaxRanks);
  check(num_nodes >= 1 && num_ranks % num_nodes == 0, kName, "num_nodes (", num_nodes, ") must divide num_ranks (",
        num_ranks, ")");
  check(num_redundants >= 1, kName, "num_redundants (", num_redundants, ") must be at least 1");
  std::vector<Candidate> candidates = fitting_topologies(num_ranks, num_ranks / num_nodes, num_redundants);
  std::ranges::stable_sort(candidates, {}, [](const Candidate& candidate) {
    return std::tuple(candidate.diameter, candidate.num_cross_node_edges);
  });
  Candidate& best = candidates.front();
  const char* slots = num_redundants == 1 ? " redundant slot" : " redundant slots";
  std::string reason = describe(best);
  if (candidates.size() == 1) {
    reason += concat(" is the only topology that fits ", num_ranks, " ranks with ", num_redundants, slots, " a rank.");
  } else {
    reason += concat(" has the shortest paths, then the fewest edges across nodes, of the ", candidates.size(),
                     " topologies that fit ", num_ranks, " ranks with ", num_redundants, slots, " a rank; next is ",
                     describe(candidates[1]), ".");
  }
  const int num_columns = best.topology.num_redundants();
  if (num_redundants > num_columns) {
    reason += concat(" An edge carries up to ", (num_redundants + num_columns - 1) / num_columns, " experts.");
  }
  return {.topology = std::move(best.topology), .num_groups = 1, .reason = std::move(reason)};
}

}  // namespace lplb
