// Which topology for which deployment. The rule prefers, in this order: all ranks connected (load can flow from any
// rank to any other), few hops (phase 1 of the split converges quickly), copies inside a node where tokens travel
// cheaply.

#include <algorithm>

#include "base/check.h"
#include "lplb/topology.h"

namespace lplb {
namespace {

/// "every rank trades with 4 others, the farthest is 3 hops away, 16 of 64 copies come from another node".
std::string describe(const Topology& topology, int ranks_per_node) {
  const int degree = std::ranges::max(topology.degrees());
  return concat("every rank trades with ", degree, degree == 1 ? " other" : " others", ", the farthest is ",
                topology.diameter(), topology.diameter() == 1 ? " hop" : " hops", " away, ",
                topology.num_cross_node_edges(ranks_per_node), " of ", topology.r2o().size(), " edges cross nodes");
}

TopologyRecommendation recommend(Topology topology, int num_ranks, int ranks_per_node, const std::string& why) {
  const int num_groups = num_ranks / topology.group_size();
  std::string reason = concat(why, ": ", describe(topology, ranks_per_node));
  if (num_groups > 1) {
    reason += concat(" (in each of ", num_groups, " groups, which do not trade with one another)");
  }
  return {.topology = std::move(topology), .num_groups = num_groups, .reason = reason + "."};
}

/// The largest divisor of n that is at most its square root.
int widest_divisor(int n) {
  int best = 1;
  for (int d = 2; d * d <= n; ++d) {
    best = n % d == 0 ? d : best;
  }
  return best;
}

}  // namespace

TopologyRecommendation recommend_topology(int num_ranks, int num_nodes, int num_redundants) {
  constexpr const char* kName = "[recommend_topology] ";
  check(num_ranks >= 2 && num_ranks <= kMaxRanks, kName, "num_ranks (", num_ranks, ") must be in 2..", kMaxRanks);
  check(num_nodes >= 1 && num_ranks % num_nodes == 0, kName, "num_nodes (", num_nodes, ") must divide num_ranks (",
        num_ranks, ")");
  check(num_redundants >= 1, kName, "num_redundants (", num_redundants, ") must be at least 1");
  const int ranks_per_node = num_ranks / num_nodes;
  if (num_redundants == 1) {
    return recommend(Topology::ring(num_ranks), num_ranks, ranks_per_node,
                     "one redundant slot a rank allows a ring, which joins all ranks");
  }
  if (num_ranks == 8) {
    return recommend(Topology::cube(), num_ranks, ranks_per_node,
                     "eight ranks fit a cube with diagonals, the densest graph of two copies a rank");
  }
  if (num_ranks == 16) {
    return recommend(Topology::hypercube(16), num_ranks, ranks_per_node,
                     "sixteen ranks with two copies each fit a hypercube");
  }
  if (num_nodes >= 2 && ranks_per_node >= 2) {
    return recommend(Topology::torus(num_nodes, ranks_per_node), num_ranks, ranks_per_node,
                     "a torus with one ring inside each node and one across nodes joins all ranks");
  }
  if (const int n = widest_divisor(num_ranks); n >= 2) {
    return recommend(Topology::torus(num_ranks / n, n), num_ranks, ranks_per_node,
                     "a torus as square as the number of ranks allows joins all ranks in few hops");
  }
  return recommend(Topology::ring(num_ranks), num_ranks, ranks_per_node,
                   "a prime number of ranks allows only a ring, whose edges take several experts each");
}

}  // namespace lplb
