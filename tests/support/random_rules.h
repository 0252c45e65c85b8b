#pragma once

// Random rules of a placement that leave one, and windows of batches for them.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <ostream>
#include <string>
#include <vector>

#include "lplb/optimize.h"
#include "support/random_instance.h"

namespace lplb::testing {

/// Unequal and empty slots, blocks, groups on nodes, dead ranks: each now and then.
inline PlacementRules random_rules(Rng& rng) {
  using random_detail::between;
  using random_detail::chance;
  PlacementRules rules;
  rules.num_nodes = between(rng, 1, 3);
  const int ranks_per_node = between(rng, 1, 4);
  rules.num_ranks = rules.num_nodes * ranks_per_node;
  const bool grouped = chance(rng, 0.3);
  rules.num_groups = grouped ? rules.num_nodes * between(rng, 1, 2) : 1;
  rules.num_logical = rules.num_groups * between(rng, 1, grouped ? 4 : 16);
  rules.copies_within = chance(rng, 0.3) ? random_detail::any_divisor(rng, rules.num_ranks) : 0;
  if (chance(rng, 0.3)) {
    rules.live.assign(rules.num_ranks, 1);
    for (int node = 0; node < rules.num_nodes; ++node) {  // one rank of a node stays
      rules.live[node * ranks_per_node + rng.below(ranks_per_node)] = chance(rng, 0.5) && ranks_per_node > 1 ? 0 : 1;
    }
  }
  const int least = (rules.num_logical + rules.num_nodes - 1) / rules.num_nodes;  // slots of a node
  const int num_live = ranks_per_node - (rules.live.empty() || ranks_per_node == 1 ? 0 : 1);
  rules.slots_per_rank = (least + num_live - 1) / num_live + between(rng, 0, 2);
  if (chance(rng, 0.4)) {
    rules.slots.assign(rules.num_ranks, rules.slots_per_rank);
    for (std::int32_t& slots : rules.slots) {
      slots += chance(rng, 0.5) ? between(rng, 0, 2) : 0;
    }
    rules.slots_per_rank = 0;
  }
  return rules;
}

/// [num_batches, E], every batch with a token; some experts without any.
inline std::vector<Tokens> random_window(Rng& rng, int num_logical, int num_batches) {
  std::vector<double> base(num_logical);
  const double skew = rng.uniform() * 1.5;
  for (double& load : base) {
    load = random_detail::chance(rng, 0.1) ? 0 : 500 * std::exp(skew * rng.normal());
  }
  const double spread = rng.uniform() * 0.5;
  std::vector<Tokens> window;
  for (int batch = 0; batch < num_batches; ++batch) {
    for (int e = 0; e < num_logical; ++e) {
      window.push_back(static_cast<Tokens>(base[e] * std::exp(spread * rng.normal())));
    }
    window[window.size() - 1 - rng.below(num_logical)] += 1;
  }
  return window;
}

/// The first rule that the placement breaks, in words; empty when it keeps all. Shares no code with the search.
inline std::string broken_rule(const PlacementRules& rules, const Placement& placement) {
  if (placement.num_logical() != rules.num_logical || placement.num_ranks() != rules.num_ranks) {
    return "another shape";
  }
  if (!placement.colocations().empty()) {
    return "two copies of an expert on a rank";
  }
  const int ranks_per_node = rules.num_ranks / rules.num_nodes;
  std::vector<int> node_of_group(rules.num_groups, kNone);
  std::vector<int> block_of_expert(rules.num_logical, kNone);
  std::vector<int> num_held(rules.num_ranks, 0);
  for (int slot = 0; slot < placement.num_physical(); ++slot) {
    const std::int32_t e = placement.phy2log()[slot];
    if (e == kNone) {
      continue;
    }
    const int rank = placement.rank_of(slot);
    if (!rules.live.empty() && !rules.live[rank]) {
      return "an expert on a dead rank";
    }
    if (++num_held[rank] > (rules.slots.empty() ? rules.slots_per_rank : rules.slots[rank])) {
      return "a rank holds more than its slots";
    }
    const int block = rules.copies_within == 0 ? 0 : rank / rules.copies_within;
    if (block_of_expert[e] != kNone && block_of_expert[e] != block) {
      return "copies of an expert in two blocks";
    }
    block_of_expert[e] = block;
    int& node = node_of_group[e / (rules.num_logical / rules.num_groups)];
    if (rules.num_groups > 1 && node != kNone && node != rank / ranks_per_node) {
      return "a group on two nodes";
    }
    node = rank / ranks_per_node;
  }
  return "";
}

inline std::ostream& operator<<(std::ostream& out, const PlacementRules& rules) {
  return out << "PlacementRules{.num_logical = " << rules.num_logical << ", .num_ranks = " << rules.num_ranks
             << ", .num_nodes = " << rules.num_nodes << ", .slots_per_rank = " << rules.slots_per_rank
             << ", .slots = " << braced(rules.slots) << ", .copies_within = " << rules.copies_within
             << ", .num_groups = " << rules.num_groups << ", .live = " << braced(rules.live) << "}";
}

}  // namespace lplb::testing
