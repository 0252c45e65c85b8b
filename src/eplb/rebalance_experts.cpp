// EPLB, hierarchical and global. Groups of experts are packed to nodes, experts are copied inside each node, and the
// copies are packed to the node's GPUs; the global policy is the same with one group and one node. Source: DeepSeek's
// EPLB, rebalance_experts_hierarchical.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/parallel.h"
#include "eplb/pack.h"
#include "lplb/eplb.h"

namespace lplb {
namespace {

/// 1 GiB of log2phy. All-zero loads give one expert all the copies, so that X can be as large as P - E + 1.
constexpr std::size_t kMaxLog2phyEntries = std::size_t{1} << 28;

void check_weight(const char* function, std::span<const float> weight, int num_layers, int num_items) {
  check(num_layers >= 1, "[", function, "] num_layers (", num_layers, ") must be at least 1");
  check(num_items >= 1 && num_items <= kMaxPhysical, "[", function, "] weight has ", num_items,
        " columns; it must have 1..", kMaxPhysical);
  check(weight.size() == static_cast<std::size_t>(num_layers) * num_items, "[", function, "] weight has ",
        weight.size(), " entries; it must be [", num_layers, " layers, ", num_items, "]");
  const auto bad = std::ranges::find_if(weight, [](float w) { return !(w >= 0.0F && std::isfinite(w)); });
  if (bad != weight.end()) {
    const auto at = bad - weight.begin();
    check(false, "[", function, "] weight[", at / num_items, ", ", at % num_items, "] is ", *bad,
          "; it must be finite and not negative");
  }
}

void check_args(std::span<const float> weight, const EplbArgs& args) {
  constexpr const char* kName = "[rebalance_experts] ";
  check(args.num_logical >= 1 && args.num_logical <= kMaxLogical, kName, "num_logical (", args.num_logical,
        ") must be in 1..", kMaxLogical);
  check_weight("rebalance_experts", weight, args.num_layers, args.num_logical);
  check(args.num_gpus >= 1 && args.num_gpus <= kMaxRanks, kName, "num_gpus (", args.num_gpus, ") must be in 1..",
        kMaxRanks);
  check(args.num_nodes >= 1, kName, "num_nodes (", args.num_nodes, ") must be at least 1");
  check(args.num_groups >= 1, kName, "num_groups (", args.num_groups, ") must be at least 1");
  check(args.num_replicas >= args.num_logical && args.num_replicas <= kMaxPhysical, kName, "num_replicas (",
        args.num_replicas, ") must be in num_logical (", args.num_logical, ")..", kMaxPhysical);
  check(args.num_replicas % args.num_gpus == 0, kName, "num_replicas (", args.num_replicas,
        ") must be a multiple of num_gpus (", args.num_gpus, ")");
  if (args.num_groups % args.num_nodes == 0) {
    check(args.num_logical % args.num_groups == 0, kName, "num_logical (", args.num_logical,
          ") must be a multiple of num_groups (", args.num_groups, ")");
    check(args.num_gpus % args.num_nodes == 0, kName, "num_gpus (", args.num_gpus,
          ") must be a multiple of num_nodes (", args.num_nodes, ")");
  }
}

/// EPLB of one layer after another, with buffers kept between layers.
class LayerBalancer {
 public:
  explicit LayerBalancer(const EplbArgs& args)
      : args_(args),
        num_groups_(args.num_groups % args.num_nodes == 0 ? args.num_groups : 1),
        num_nodes_(args.num_groups % args.num_nodes == 0 ? args.num_nodes : 1),
        logical_per_node_(args.num_logical / num_nodes_),
        physical_per_node_(args.num_replicas / num_nodes_),
        group_weight_(num_groups_),
        group_node_(num_groups_),
        group_rank_(num_groups_),
        node2log_(args.num_logical),
        node_weight_(logical_per_node_),
        phy2local_(physical_per_node_),
        copy_(physical_per_node_),
        local_count_(logical_per_node_),
        phy_weight_(physical_per_node_),
        pack_(physical_per_node_),
        rank_in_pack_(physical_per_node_) {}

  /// Writes phy2log [P], copy [P] (which copy of its expert a slot holds) and logcnt [E] of a layer with loads weight
  /// [E].
  void run(std::span<const float> weight, std::span<std::int32_t> phy2log, std::span<std::int32_t> copy,
           std::span<std::int32_t> logcnt) {
    assign_groups(weight);
    for (int node = 0; node < num_nodes_; ++node) {
      balance_node(node, weight, phy2log, copy, logcnt);
    }
  }

 private:
  /// Groups to nodes: fills node2log_, the experts of node 0, then of node 1, ...
  void assign_groups(std::span<const float> weight) {
    const int group_size = args_.num_logical / num_groups_;
    for (int group = 0; group < num_groups_; ++group) {
      const auto members = weight.subspan(static_cast<std::size_t>(group) * group_size, group_size);
      group_weight_[group] = std::accumulate(members.begin(), members.end(), 0.0F);
    }
    packer_.pack(group_weight_, num_nodes_, group_node_, group_rank_);
    const int groups_per_node = num_groups_ / num_nodes_;
    for (int group = 0; group < num_groups_; ++group) {
      const int first = (group_node_[group] * groups_per_node + group_rank_[group]) * group_size;
      std::iota(node2log_.begin() + first, node2log_.begin() + first + group_size, group * group_size);
    }
  }

  void balance_node(int node, std::span<const float> weight, std::span<std::int32_t> phy2log,
                    std::span<std::int32_t> copy, std::span<std::int32_t> logcnt) {
    const int gpus_per_node = args_.num_gpus / num_nodes_;
    const auto experts =
        std::span(node2log_).subspan(static_cast<std::size_t>(node) * logical_per_node_, logical_per_node_);
    std::ranges::transform(experts, node_weight_.begin(), [&](std::int32_t e) { return weight[e]; });
    const int max_copies = args_.distinct ? gpus_per_node : std::numeric_limits<int>::max();
    replicator_.replicate(node_weight_, max_copies, phy2local_, copy_, local_count_);
    for (int i = 0; i < physical_per_node_; ++i) {
      phy_weight_[i] = node_weight_[phy2local_[i]] / static_cast<float>(local_count_[phy2local_[i]]);
    }
    const int slots_per_gpu = args_.num_replicas / args_.num_gpus;
    // With one slot a GPU no copies can share a GPU, with one GPU all must.
    if (args_.distinct && gpus_per_node > 1 && slots_per_gpu > 1) {
      distinct_packer_.pack(phy_weight_, phy2local_, logical_per_node_, gpus_per_node, pack_, rank_in_pack_);
    } else {
      packer_.pack(phy_weight_, gpus_per_node, pack_, rank_in_pack_);
    }
    for (int i = 0; i < physical_per_node_; ++i) {
      const int slot = node * physical_per_node_ + pack_[i] * slots_per_gpu + rank_in_pack_[i];
      phy2log[slot] = experts[phy2local_[i]];
      copy[slot] = copy_[i];
    }
    for (int i = 0; i < logical_per_node_; ++i) {
      logcnt[experts[i]] = local_count_[i];
    }
  }

  const EplbArgs& args_;
  int num_groups_;
  int num_nodes_;
  int logical_per_node_;
  int physical_per_node_;
  eplb::Packer packer_;
  eplb::DistinctPacker distinct_packer_;
  eplb::Replicator replicator_;
  std::vector<float> group_weight_;         // [num_groups]
  std::vector<std::int32_t> group_node_;    // [num_groups]
  std::vector<std::int32_t> group_rank_;    // [num_groups] place among the groups of its node
  std::vector<std::int32_t> node2log_;      // [E] experts by node
  std::vector<float> node_weight_;          // [experts of a node]
  std::vector<std::int32_t> phy2local_;     // [slots of a node] expert within the node
  std::vector<std::int32_t> copy_;          // [slots of a node]
  std::vector<std::int32_t> local_count_;   // [experts of a node]
  std::vector<float> phy_weight_;           // [slots of a node]
  std::vector<std::int32_t> pack_;          // [slots of a node] GPU within the node
  std::vector<std::int32_t> rank_in_pack_;  // [slots of a node]
};

/// log2phy from phy2log and `copy` [L, P]: which copy of its expert a slot holds.
void fill_log2phy(std::span<const std::int32_t> copy, EplbResult& result) {
  result.max_replicas = std::ranges::max(result.logcnt);
  const std::size_t max_replicas = result.max_replicas;
  const std::size_t num_entries = result.logcnt.size() * max_replicas;
  check(num_entries <= kMaxLog2phyEntries, "[rebalance_experts] log2phy would have ", result.num_layers, " x ",
        result.num_logical, " x ", max_replicas, " entries; it must have at most ", kMaxLog2phyEntries);
  result.log2phy.assign(num_entries, kNone);
  for (int layer = 0; layer < result.num_layers; ++layer) {
    const std::size_t first_slot = static_cast<std::size_t>(layer) * result.num_physical;
    const std::size_t first_expert = static_cast<std::size_t>(layer) * result.num_logical;
    for (std::int32_t slot = 0; slot < result.num_physical; ++slot) {
      const std::size_t expert = first_expert + result.phy2log[first_slot + slot];
      result.log2phy[expert * max_replicas + copy[first_slot + slot]] = slot;
    }
  }
}

}  // namespace

EplbResult rebalance_experts(std::span<const float> weight, const EplbArgs& args) {
  check_args(weight, args);
  const std::size_t num_logical = args.num_logical;
  const std::size_t num_physical = args.num_replicas;
  EplbResult result{.num_layers = args.num_layers,
                    .num_logical = args.num_logical,
                    .num_physical = args.num_replicas,
                    .max_replicas = 0,
                    .phy2log = std::vector<std::int32_t>(args.num_layers * num_physical),
                    .log2phy = {},
                    .logcnt = std::vector<std::int32_t>(args.num_layers * num_logical)};
  std::vector<std::int32_t> copy(args.num_layers * num_physical);
  std::vector<LayerBalancer> balancers(std::min(resolve_num_threads(args.num_threads), args.num_layers),
                                       LayerBalancer(args));
  parallel_for(args.num_layers, static_cast<int>(balancers.size()), [&](int layer, int thread_idx) {
    const std::size_t first = layer * num_physical;
    balancers[thread_idx].run(weight.subspan(layer * num_logical, num_logical),
                              std::span(result.phy2log).subspan(first, num_physical),
                              std::span(copy).subspan(first, num_physical),
                              std::span(result.logcnt).subspan(layer * num_logical, num_logical));
  });
  fill_log2phy(copy, result);
  return result;
}

PackingResult balanced_packing(std::span<const float> weight, int num_layers, int num_items, int num_packs) {
  check_weight("balanced_packing", weight, num_layers, num_items);
  check(num_packs >= 1 && num_items % num_packs == 0, "[balanced_packing] num_packs (", num_packs,
        ") must divide the number of items (", num_items, ")");
  PackingResult result{.pack_index = std::vector<std::int32_t>(weight.size()),
                       .rank_in_pack = std::vector<std::int32_t>(weight.size())};
  eplb::Packer packer;
  const std::size_t n = num_items;
  for (int layer = 0; layer < num_layers; ++layer) {
    packer.pack(weight.subspan(layer * n, n), num_packs, std::span(result.pack_index).subspan(layer * n, n),
                std::span(result.rank_in_pack).subspan(layer * n, n));
  }
  return result;
}

ReplicationResult replicate_experts(std::span<const float> weight, int num_layers, int num_logical, int num_physical) {
  check_weight("replicate_experts", weight, num_layers, num_logical);
  check(num_physical >= num_logical && num_physical <= kMaxPhysical, "[replicate_experts] num_physical (", num_physical,
        ") must be in num_logical (", num_logical, ")..", kMaxPhysical);
  const std::size_t e = num_logical;
  const std::size_t p = num_physical;
  ReplicationResult result{.phy2log = std::vector<std::int32_t>(num_layers * p),
                           .rank = std::vector<std::int32_t>(num_layers * p),
                           .logcnt = std::vector<std::int32_t>(num_layers * e)};
  eplb::Replicator replicator;
  for (int layer = 0; layer < num_layers; ++layer) {
    replicator.replicate(weight.subspan(layer * e, e), std::numeric_limits<int>::max(),
                         std::span(result.phy2log).subspan(layer * p, p), std::span(result.rank).subspan(layer * p, p),
                         std::span(result.logcnt).subspan(layer * e, e));
  }
  return result;
}

Placement layer_placement(const EplbResult& result, int layer, const EplbArgs& args) {
  check(layer >= 0 && layer < result.num_layers, "[layer_placement] layer (", layer, ") must be in 0..",
        result.num_layers - 1);
  const auto first = result.phy2log.begin() + static_cast<std::ptrdiff_t>(layer) * result.num_physical;
  return Placement(std::vector<std::int32_t>(first, first + result.num_physical), result.num_logical, args.num_gpus,
                   args.num_gpus % args.num_nodes == 0 ? args.num_nodes : 1);
}

}  // namespace lplb
