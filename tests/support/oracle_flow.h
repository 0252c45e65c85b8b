#pragma once

// The optimum of a split by LEMON's preflow (push-relabel, highest label) with bisection on the largest load: source ->
// class of experts -> rank -> target, where the ranks' arcs hold target minus base load. A target is feasible when the
// flow moves all tokens. The network is built once; a batch only changes capacities.

#include <lemon/preflow.h>
#include <lemon/static_graph.h>

#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "support/flow_network.h"

namespace lplb::testing {

class FlowOracle {
 public:
  FlowOracle(const Placement& placement, std::span<const std::uint8_t> live)
      : network_(placement, live), num_classes_(static_cast<int>(network_.class_ranks.size())) {
    // Nodes: classes, ranks, source, target. Arcs in the order of their tails, as StaticDigraph wants them.
    const int source = num_classes_ + network_.num_ranks;
    std::vector<std::pair<int, int>> arcs;
    for (int c = 0; c < num_classes_; ++c) {
      for (const int rank : network_.class_ranks[c]) {
        arcs.emplace_back(c, num_classes_ + rank);
      }
    }
    for (int rank = 0; rank < network_.num_ranks; ++rank) {
      arcs.emplace_back(num_classes_ + rank, source + 1);
    }
    for (int c = 0; c < num_classes_; ++c) {
      arcs.emplace_back(source, c);
    }
    graph_.build(source + 2, arcs.begin(), arcs.end());
    capacity_ = std::make_unique<Capacities>(graph_);
    preflow_ = std::make_unique<Preflow>(graph_, *capacity_, graph_.node(source), graph_.node(source + 1));
  }

  /// Smallest largest load over the live ranks. When this returns, quota(class arc) holds a flow that attains it.
  Tokens optimum(std::span<const Tokens> counts, std::span<const Tokens> base_load) {
    network_.load(counts, base_load);
    set_supplies();
    last_target_ = -1;
    std::int64_t low = largest_forced_load();  // bounds of the bisection: low may be feasible, high is
    std::int64_t high = std::max(low, even_split_load());
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (feasible(middle)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    if (last_target_ != high) {
      run(high);
    }
    preflow_->startSecondPhase();
    return static_cast<Tokens>(high);
  }

  /// Tokens on the arc_idx-th arc (by class, then rank) of the last optimum.
  std::int64_t quota(int arc_idx) const { return preflow_->flow(graph_.arc(arc_idx)); }
  const FlowNetwork& network() const { return network_; }

 private:
  using Graph = lemon::StaticDigraph;
  using Capacities = Graph::ArcMap<std::int64_t>;
  using Preflow = lemon::Preflow<Graph, Capacities>;

  void set_supplies() {
    total_ = std::accumulate(network_.supply.begin(), network_.supply.end(), std::int64_t{0});
    int arc = 0;
    for (int c = 0; c < num_classes_; ++c) {
      for (std::size_t i = 0; i < network_.class_ranks[c].size(); ++i) {
        (*capacity_)[graph_.arc(arc++)] = network_.supply[c];
      }
    }
    for (int c = 0; c < num_classes_; ++c) {
      (*capacity_)[graph_.arc(network_.num_arcs + network_.num_ranks + c)] = network_.supply[c];
    }
  }

  /// Total over live ranks, rounded up, or the largest base load.
  std::int64_t largest_forced_load() const {
    std::int64_t sum = total_;
    std::int64_t num_live = 0;
    std::int64_t largest = 0;
    for (int rank = 0; rank < network_.num_ranks; ++rank) {
      if (network_.is_live[rank] != 0) {
        sum += network_.base[rank];
        largest = std::max(largest, network_.base[rank]);
        ++num_live;
      }
    }
    return std::max(largest, (sum + num_live - 1) / num_live);
  }

  /// Largest load when every class divides evenly over its ranks, the remainder to the first of them.
  std::int64_t even_split_load() {
    even_load_ = network_.base;
    for (int c = 0; c < num_classes_; ++c) {
      const auto num = static_cast<std::int64_t>(network_.class_ranks[c].size());
      std::int64_t remainder = network_.supply[c] % num;
      for (const int rank : network_.class_ranks[c]) {
        even_load_[rank] += network_.supply[c] / num + (remainder-- > 0 ? 1 : 0);
      }
    }
    return *std::ranges::max_element(even_load_);
  }

  void run(std::int64_t target) {
    for (int rank = 0; rank < network_.num_ranks; ++rank) {
      (*capacity_)[graph_.arc(network_.num_arcs + rank)] = std::max<std::int64_t>(0, target - network_.base[rank]);
    }
    preflow_->runMinCut();
    last_target_ = target;
  }

  bool feasible(std::int64_t target) {
    run(target);
    return preflow_->flowValue() == total_;
  }

  FlowNetwork network_;
  int num_classes_;
  std::int64_t total_ = 0;
  std::int64_t last_target_ = -1;
  std::vector<std::int64_t> even_load_;
  Graph graph_;
  std::unique_ptr<Capacities> capacity_;
  std::unique_ptr<Preflow> preflow_;
};

}  // namespace lplb::testing
