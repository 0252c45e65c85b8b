#pragma once

// Placement policies by name: what `lplb place` and the strategies of a replay choose from.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lplb/placement.h"

namespace lplb {

struct PolicyArgs {
  int num_logical = 0;
  int num_physical = 0;  // slots of all ranks, a multiple of num_ranks; "none" makes no copies and ignores it
  int num_ranks = 1;
  int num_nodes = 1;
  int num_groups = 1;      // expert groups, for EPLB
  std::uint64_t seed = 0;  // of "uniform"
};

/// "none", "eplb", "eplb-distinct", "cube", "hypercube", "torus", "ring", "uniform".
std::vector<std::string> policy_names();

/// One sentence on what the policy does for these ranks and nodes. Besides policy_names(), a topology in the form of
/// Topology::parse ("torus:8x4") is a policy. Throws InvalidArgument on an unknown name, or when the topology does not
/// fit the ranks.
std::string describe_policy(std::string_view policy, const PolicyArgs& args);

/// Places one layer. `load` [E]: history of the experts, finite and not negative. "cube" stands for as many cubes as
/// the ranks fill, "hypercube" for the largest hypercubes that fill them, "torus" for num_nodes x ranks a node (or the
/// squarest rectangle when one of them is 1), "ring" for one ring over all ranks. Deterministic.
/// Throws InvalidArgument when the policy does not apply to this shape.
///
///     Placement p = place_layer("eplb", {.num_logical = 256, .num_physical = 288, .num_ranks = 32}, load);
Placement place_layer(std::string_view policy, const PolicyArgs& args, std::span<const double> load);

}  // namespace lplb
