// LPLB's placement: EPLB without copies decides where experts live, then each rank's heaviest are copied along r2o.
// Source: DeepSeek's LPLB, Planner.update_redundancy_mapping.

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "lplb/eplb.h"
#include "lplb/topology.h"

namespace lplb {
namespace {

void check_args(const Topology& topology, const TopologyPlacementArgs& args, std::span<const std::int64_t> workload) {
  constexpr const char* kName = "[place_along_topology] ";
  check(args.num_ranks >= 1 && args.num_ranks <= kMaxRanks && args.num_ranks % topology.group_size() == 0, kName,
        "num_ranks (", args.num_ranks, ") must be a multiple of the topology's group_size (", topology.group_size(),
        ")");
  check(args.num_logical >= 1 && args.num_logical <= kMaxLogical && args.num_logical % args.num_ranks == 0, kName,
        "num_logical (", args.num_logical, ") must be a multiple of num_ranks (", args.num_ranks, ")");
  const int num_local = args.num_logical / args.num_ranks;
  const int num_copies = args.num_physical / args.num_ranks - num_local;
  check(args.num_physical % args.num_ranks == 0 && num_copies >= 1 && num_copies <= num_local, kName, "num_physical (",
        args.num_physical, ") must be num_ranks (", args.num_ranks, ") times ", num_local + 1, "..", 2 * num_local,
        ": 1 to ", num_local, " redundant slots a rank beside its ", num_local, " experts");
  check(args.ranks_per_node >= 1, kName, "ranks_per_node (", args.ranks_per_node, ") must be at least 1");
  check(workload.empty() || static_cast<int>(workload.size()) == args.num_logical, kName, "workload has ",
        workload.size(), " entries; it must have none, or one for each of the ", args.num_logical, " experts");
  const auto negative = std::ranges::find_if(workload, [](std::int64_t w) { return w < 0; });
  if (negative != workload.end()) {
    check(false, kName, "workload[", negative - workload.begin(), "] (", *negative, ") must not be negative");
  }
}

/// Experts rank by rank [E]: identity without a history, else EPLB without copies (as many expert groups as EP groups,
/// so that an expert stays in its EP group where that and the nodes allow the hierarchical policy), each rank's
/// heaviest first.
std::vector<std::int32_t> order_experts(const TopologyPlacementArgs& args, int group_size,
                                        std::span<const std::int64_t> workload) {
  std::vector<std::int32_t> order(args.num_logical);
  std::iota(order.begin(), order.end(), 0);
  if (workload.empty()) {
    return order;
  }
  const std::vector<float> weight(workload.begin(), workload.end());
  order = rebalance_experts(weight, {.num_logical = args.num_logical,
                                     .num_replicas = args.num_logical,
                                     .num_groups = args.num_ranks / group_size,
                                     .num_nodes = std::max(1, args.num_ranks / args.ranks_per_node),
                                     .num_gpus = args.num_ranks})
              .phy2log;
  const int num_local = args.num_logical / args.num_ranks;
  for (auto first = order.begin(); first != order.end(); first += num_local) {
    std::stable_sort(first, first + num_local,
                     [&](std::int32_t a, std::int32_t b) { return workload[a] > workload[b]; });
  }
  return order;
}

}  // namespace

Placement place_along_topology(const Topology& topology, const TopologyPlacementArgs& args,
                               std::span<const std::int64_t> workload) {
  check_args(topology, args, workload);
  const std::vector<std::int32_t> order = order_experts(args, topology.group_size(), workload);
  const int num_local = args.num_logical / args.num_ranks;
  const int num_copies = args.num_physical / args.num_ranks - num_local;
  std::vector<std::int32_t> phy2log;
  for (int rank = 0; rank < args.num_ranks; ++rank) {
    const auto own = order.begin() + static_cast<std::ptrdiff_t>(rank) * num_local;
    phy2log.insert(phy2log.end(), own, own + num_local);
    const int group_base = rank - rank % topology.group_size();
    for (int i = 0; i < num_copies; ++i) {
      const int source = group_base + topology.source(rank % topology.group_size(), i % topology.num_redundants());
      phy2log.push_back(order[static_cast<std::size_t>(source) * num_local + i]);
    }
  }
  const bool whole_nodes = args.num_ranks % args.ranks_per_node == 0;
  return Placement(std::move(phy2log), args.num_logical, args.num_ranks,
                   whole_nodes ? args.num_ranks / args.ranks_per_node : 1);
}

std::vector<std::int32_t> original_first_log2phy(const Placement& placement, int num_local) {
  check(num_local >= 1 && num_local <= placement.slots_per_rank(), "[original_first_log2phy] num_local (", num_local,
        ") must be in 1..slots_per_rank (", placement.slots_per_rank(), ")");
  std::vector<std::int32_t> result(static_cast<std::size_t>(placement.num_logical()) * 2, kNone);
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    for (const std::int32_t slot : placement.replicas(expert)) {
      const bool is_original = slot % placement.slots_per_rank() < num_local;
      std::int32_t& entry = result[static_cast<std::size_t>(expert) * 2 + (is_original ? 0 : 1)];
      check(entry == kNone, "[original_first_log2phy] expert ", expert, " has two ",
            is_original ? "originals" : "redundant copies", ", in slots ", entry, " and ", slot);
      entry = slot;
    }
  }
  return result;
}

}  // namespace lplb
