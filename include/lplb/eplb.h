#pragma once

// EPLB: experts copied and packed so that ranks carry equal load when every expert divides evenly over its copies.
// Source of the policies and of the array formats: DeepSeek's EPLB (rebalance_experts, balanced_packing,
// replicate_experts); the arrays are identical to it, layer by layer, for every input whose sums float holds exactly
// (token counts) and without ties between experts or groups. Ties between copies of one expert fall as they do there.

#include <cstdint>
#include <span>
#include <vector>

#include "lplb/placement.h"
#include "lplb/types.h"

namespace lplb {

struct EplbArgs {
  int num_layers = 1;
  int num_logical = 0;
  int num_replicas = 0;  // physical experts, a multiple of num_gpus
  int num_groups = 1;    // expert groups of group-limited routing; hierarchical when num_groups % num_nodes == 0
  int num_nodes = 1;
  int num_gpus = 1;       // a multiple of num_nodes
  bool distinct = false;  // forbid two copies of an expert on one rank unless a rank has more slots than the policy has
                          // experts for it (all, or its node's)
  int num_threads = 1;    // layers in parallel; 0 = one per core. The result does not depend on it.
};

struct EplbResult {
  int num_layers;
  int num_logical;
  int num_physical;
  int max_replicas;                   // X, over all layers
  std::vector<std::int32_t> phy2log;  // [L, P]
  std::vector<std::int32_t> log2phy;  // [L, E, X], -1 padded
  std::vector<std::int32_t> logcnt;   // [L, E]
};

/// EPLB for every layer. `weight` [L, E]: load per expert, finite and not negative.
/// O(L P log P). Deterministic. Throws InvalidArgument.
EplbResult rebalance_experts(std::span<const float> weight, const EplbArgs& args);

/// Packs n weighted items into num_packs packs of n / num_packs items each, heaviest first into the lightest open pack.
/// `weight` [L, n] -> pack_index [L, n], rank_in_pack [L, n].
struct PackingResult {
  std::vector<std::int32_t> pack_index;
  std::vector<std::int32_t> rank_in_pack;
};
PackingResult balanced_packing(std::span<const float> weight, int num_layers, int num_items, int num_packs);

/// Copies the expert with the largest load per copy, again and again, until num_physical are there.
/// `weight` [L, E] -> phy2log [L, P], rank [L, P] (which copy of its expert), logcnt [L, E].
struct ReplicationResult {
  std::vector<std::int32_t> phy2log;
  std::vector<std::int32_t> rank;
  std::vector<std::int32_t> logcnt;
};
ReplicationResult replicate_experts(std::span<const float> weight, int num_layers, int num_logical, int num_physical);

/// One layer of an EPLB result as a Placement on args.num_gpus ranks and args.num_nodes nodes.
Placement layer_placement(const EplbResult& result, int layer, const EplbArgs& args);

}  // namespace lplb
