// Placement policies by name. Each is a few lines over a stage: EPLB, LPLB's placement along a topology, or copies at
// random as a baseline that knows nothing of the load.

#include "lplb/policy.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/rng.h"
#include "lplb/eplb.h"
#include "lplb/topology.h"

namespace lplb {
namespace {

void check_ranks(const PolicyArgs& args) {
  check(args.num_ranks >= 1 && args.num_ranks <= kMaxRanks, "[place_layer] num_ranks (", args.num_ranks,
        ") must be in 1..", kMaxRanks);
  check(args.num_nodes >= 1 && args.num_ranks % args.num_nodes == 0, "[place_layer] num_nodes (", args.num_nodes,
        ") must divide num_ranks (", args.num_ranks, ")");
}

void check_args(const PolicyArgs& args, std::span<const double> load) {
  constexpr const char* kName = "[place_layer] ";
  check_ranks(args);
  check(args.num_logical >= 1 && args.num_logical <= kMaxLogical, kName, "num_logical (", args.num_logical,
        ") must be in 1..", kMaxLogical);
  check(static_cast<int>(load.size()) == args.num_logical, kName, "load has ", load.size(),
        " entries; it must have one for each of the ", args.num_logical, " experts");
  const auto bad = std::ranges::find_if(load, [](double w) { return !(w >= 0 && std::isfinite(w)); });
  check(bad == load.end(), kName, "load[", bad - load.begin(), "] must be finite and not negative");
}

/// Experts that do not divide leave ranks with empty slots, which only "none" accepts.
void check_slots(const PolicyArgs& args) {
  check(args.num_physical >= args.num_logical && args.num_physical <= kMaxPhysical, "[place_layer] num_physical (",
        args.num_physical, ") must be in num_logical (", args.num_logical, ")..", kMaxPhysical);
  check(args.num_physical % args.num_ranks == 0, "[place_layer] num_physical (", args.num_physical,
        ") must be a multiple of num_ranks (", args.num_ranks, ")");
}

Placement place_eplb(const PolicyArgs& args, std::span<const double> load, bool distinct) {
  check_slots(args);
  const EplbArgs eplb{.num_logical = args.num_logical,
                      .num_replicas = args.num_physical,
                      .num_groups = args.num_groups,
                      .num_nodes = args.num_nodes,
                      .num_gpus = args.num_ranks,
                      .distinct = distinct};
  return layer_placement(rebalance_experts(std::vector<float>(load.begin(), load.end()), eplb), 0, eplb);
}

/// The rectangle of a torus: nodes x ranks a node, else the squarest.
Topology choose_torus(int num_ranks, int num_nodes) {
  int rows = num_nodes;
  if (num_nodes < 2 || num_ranks / num_nodes < 2) {
    rows = static_cast<int>(std::sqrt(num_ranks));
    while (num_ranks % rows != 0) {
      --rows;
    }
    rows = num_ranks / rows;
  }
  check(rows < num_ranks, "[place_layer] ", num_ranks, " ranks cannot form a torus; it needs two sides of 2 or more");
  return Topology::torus(rows, num_ranks / rows);
}

Topology choose_topology(std::string_view policy, const PolicyArgs& args) {
  const int num_ranks = args.num_ranks;
  if (policy == "cube") {
    check(num_ranks % 8 == 0, "[place_layer] ", num_ranks, " ranks cannot be divided into cubes of 8");
    return Topology::cube();
  }
  if (policy == "hypercube") {
    const int size = num_ranks & -num_ranks;  // the largest power of two that divides
    check(size >= 16, "[place_layer] ", num_ranks, " ranks cannot be divided into hypercubes of 16 or a larger power",
          " of two");
    return Topology::hypercube(size);
  }
  if (policy == "torus") {
    return choose_torus(num_ranks, args.num_nodes);
  }
  if (policy == "ring") {
    check(num_ranks >= 2, "[place_layer] a ring needs 2 ranks or more");
    return Topology::ring(num_ranks);
  }
  check(policy.find(':') != policy.npos, "[place_layer] policy (\"", policy,
        "\") must be none, eplb, eplb-distinct, cube, hypercube, torus, ring, uniform, or a topology like torus:8x4");
  Topology topology = Topology::parse(policy);
  check(num_ranks % topology.group_size() == 0, "[place_layer] ", num_ranks, " ranks cannot be divided into groups of ",
        topology.group_size(), " for ", topology.name());
  return topology;
}

/// Loads as whole numbers of the same proportions: as they are when they are whole, else scaled to 2^40.
std::vector<std::int64_t> whole_loads(std::span<const double> load) {
  const double largest = std::ranges::max(load);
  const bool whole = largest < 0x1p53 && std::ranges::all_of(load, [](double w) { return w == std::floor(w); });
  const double scale = whole ? 1.0 : 0x1p40 / largest;
  std::vector<std::int64_t> result;
  std::ranges::transform(load, std::back_inserter(result), [scale](double w) { return std::llround(w * scale); });
  return result;
}

Placement place_topology(std::string_view policy, const PolicyArgs& args, std::span<const double> load) {
  const Topology topology = choose_topology(policy, args);
  check_slots(args);
  check(args.num_physical > args.num_logical, "[place_layer] ", topology.name(),
        " needs a redundant slot on every rank");
  const TopologyPlacementArgs along{.num_logical = args.num_logical,
                                    .num_physical = args.num_physical,
                                    .num_ranks = args.num_ranks,
                                    .ranks_per_node = args.num_ranks / args.num_nodes};
  return place_along_topology(topology, along, whole_loads(load));
}

/// Experts contiguous, then random experts that the rank does not hold yet.
Placement place_uniform(const PolicyArgs& args) {
  check_slots(args);
  check(args.num_logical % args.num_ranks == 0, "[place_layer] num_logical (", args.num_logical,
        ") must be a multiple of num_ranks (", args.num_ranks, ")");
  const int num_local = args.num_logical / args.num_ranks;
  const int slots_per_rank = args.num_physical / args.num_ranks;
  check(slots_per_rank <= args.num_logical, "[place_layer] a rank has ", slots_per_rank, " slots for ",
        args.num_logical, " different experts");
  Rng rng(mix64(args.seed));
  std::vector<std::int32_t> phy2log;
  std::vector<std::int32_t> experts(args.num_logical);
  for (int rank = 0; rank < args.num_ranks; ++rank) {
    for (int e = 0; e < args.num_logical; ++e) {
      experts[e] = (rank * num_local + e) % args.num_logical;  // the rank's own first
    }
    for (int i = num_local; i < slots_per_rank; ++i) {
      std::swap(experts[i], experts[i + static_cast<int>(rng.below(args.num_logical - i))]);
    }
    phy2log.insert(phy2log.end(), experts.begin(), experts.begin() + slots_per_rank);
  }
  return Placement(std::move(phy2log), args.num_logical, args.num_ranks, args.num_nodes);
}

}  // namespace

std::vector<std::string> policy_names() {
  return {"none", "eplb", "eplb-distinct", "cube", "hypercube", "torus", "ring", "uniform"};
}

std::string describe_policy(std::string_view policy, const PolicyArgs& args) {
  check_ranks(args);
  if (policy == "none") {
    return "experts in order, no copies";
  }
  if (policy == "eplb" || policy == "eplb-distinct") {
    const bool hierarchical = args.num_groups % args.num_nodes == 0 && args.num_nodes > 1;
    return concat(hierarchical ? "hierarchical EPLB" : "global EPLB",
                  policy == "eplb" ? "" : ", copies of an expert on different ranks");
  }
  if (policy == "uniform") {
    return concat("experts in order, copies at random (seed ", args.seed, ")");
  }
  const Topology topology = choose_topology(policy, args);
  const int num_groups = args.num_ranks / topology.group_size();
  const int num_copies = (args.num_physical - args.num_logical) / args.num_ranks;
  const bool cut = num_copies > 0 && num_copies < topology.num_redundants();
  return concat("LPLB's placement, copies along ", topology.name(),
                cut ? concat(" (", num_copies, " of its ", topology.num_redundants(), " columns)") : "",
                num_groups > 1 ? concat(", in ", num_groups, " groups") : "");
}

Placement place_layer(std::string_view policy, const PolicyArgs& args, std::span<const double> load) {
  check_args(args, load);
  if (policy == "none") {
    return contiguous_placement(args.num_logical, args.num_ranks, args.num_nodes);
  }
  if (policy == "eplb" || policy == "eplb-distinct") {
    return place_eplb(args, load, policy == "eplb-distinct");
  }
  if (policy == "uniform") {
    return place_uniform(args);
  }
  return place_topology(policy, args, load);
}

}  // namespace lplb
