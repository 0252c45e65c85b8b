// What limits a placement: the certificates of the window's batches, gathered; and for the experts that bind, the exact
// gain of one further copy on each rank that has not one.

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "lplb/certificate.h"
#include "lplb/optimize.h"
#include "lplb/solve.h"
#include "planner/placement_judge.h"

namespace lplb {
namespace {

struct Binding {
  std::vector<double> rank_frequency;    // [G]
  std::vector<double> expert_frequency;  // [E]
  std::vector<double> expert_share;      // [E] of the bottleneck's load, summed over batches that it binds
  std::vector<double> rank_load;         // [G] summed, relative to the mean
  double imbalance = 0;
};

class LimitFinder {
 public:
  LimitFinder(std::span<const Tokens> window, const Placement& placement) : window_(window), placement_(placement) {
    for (int rank = 0; rank < placement.num_ranks(); ++rank) {
      const auto slots = placement.phy2log().subspan(static_cast<std::size_t>(rank) * placement.slots_per_rank(),
                                                     placement.slots_per_rank());
      holds_any_.push_back(std::ranges::any_of(slots, [](std::int32_t e) { return e != kNone; }) ? 1 : 0);
      num_holders_ += holds_any_.back();
    }
  }

  PlacementLimits find(int most) {
    const Binding binding = gather();
    PlacementLimits limits{.imbalance = binding.imbalance};
    for (const int rank : largest(binding.rank_frequency, most)) {
      limits.ranks.push_back({rank, binding.rank_frequency[rank]});
    }
    for (const int e : largest(binding.expert_share, 2 * most)) {
      limits.experts.push_back(weigh_copy(e, binding));
    }
    std::ranges::stable_sort(limits.experts, [](const auto& a, const auto& b) { return a.gain > b.gain; });
    limits.experts.resize(std::min<std::size_t>(limits.experts.size(), most));
    return limits;
  }

 private:
  static constexpr int kMostRanks = 16;  // tried for a copy: the emptiest

  int num_batches() const { return static_cast<int>(window_.size()) / placement_.num_logical(); }
  std::span<const Tokens> batch(int i) const {
    return window_.subspan(static_cast<std::size_t>(i) * placement_.num_logical(), placement_.num_logical());
  }

  double imbalance_of(const SplitGraph& graph, int i) {
    const auto counts = batch(i);
    solve(graph, counts, {}, workspace_, plan_);
    return plan_.max_load * num_holders_ / std::accumulate(counts.begin(), counts.end(), 0.0);
  }

  Binding gather() {
    Binding binding{.rank_frequency = std::vector<double>(placement_.num_ranks(), 0.0),
                    .expert_frequency = std::vector<double>(placement_.num_logical(), 0.0),
                    .expert_share = std::vector<double>(placement_.num_logical(), 0.0),
                    .rank_load = std::vector<double>(placement_.num_ranks(), 0.0)};
    const SplitGraph graph(placement_);
    const double part = 1.0 / num_batches();
    for (int i = 0; i < num_batches(); ++i) {
      const double imbalance = imbalance_of(graph, i);
      binding.imbalance += part * imbalance;
      const double mean = plan_.max_load / imbalance;
      for (int rank = 0; rank < placement_.num_ranks(); ++rank) {
        binding.rank_load[rank] += plan_.rank_load[rank] / mean;
      }
      const std::vector<std::int32_t> ranks = bottleneck_ranks(plan_);
      for (const std::int32_t rank : ranks) {
        binding.rank_frequency[rank] += part;
      }
      for (const std::int32_t e : confined_experts(placement_, ranks)) {
        binding.expert_frequency[e] += part;
        binding.expert_share[e] += part * batch(i)[e] / (plan_.max_load * static_cast<double>(ranks.size()));
      }
    }
    return binding;
  }

  /// Indices of the largest positive values, largest first.
  static std::vector<int> largest(const std::vector<double>& values, int most) {
    std::vector<int> order(values.size());
    std::iota(order.begin(), order.end(), 0);
    std::erase_if(order, [&](int i) { return values[i] <= 0; });
    std::ranges::stable_sort(order, [&](int a, int b) { return values[a] > values[b]; });
    order.resize(std::min<std::size_t>(order.size(), most));
    return order;
  }

  ExpertLimit weigh_copy(int e, const Binding& binding) {
    ExpertLimit limit{.expert = e,
                      .frequency = binding.expert_frequency[e],
                      .tokens = binding.expert_share[e] / binding.expert_frequency[e],
                      .copy_on = kNone,
                      .gain = 0};
    std::vector<int> ranks;
    for (int rank = 0; rank < placement_.num_ranks(); ++rank) {
      const bool held =
          std::ranges::any_of(placement_.replicas(e), [&](int slot) { return placement_.rank_of(slot) == rank; });
      if (!held && holds_any_[rank]) {
        ranks.push_back(rank);
      }
    }
    std::ranges::stable_sort(ranks, [&](int a, int b) { return binding.rank_load[a] < binding.rank_load[b]; });
    ranks.resize(std::min<std::size_t>(ranks.size(), kMostRanks));
    for (const int rank : ranks) {
      const double gain = binding.imbalance - imbalance_with_copy(e, rank);
      if (limit.copy_on == kNone || gain > limit.gain) {
        limit.copy_on = rank;
        limit.gain = gain;
      }
    }
    return limit;
  }

  /// Mean imbalance with a further slot on every rank, of which one holds e and the others nothing.
  double imbalance_with_copy(int e, int rank) {
    std::vector<std::int32_t> phy2log;
    const auto old = placement_.phy2log();
    const int slots_per_rank = placement_.slots_per_rank();
    for (int g = 0; g < placement_.num_ranks(); ++g) {
      const auto first = old.begin() + static_cast<std::ptrdiff_t>(g) * slots_per_rank;
      phy2log.insert(phy2log.end(), first, first + slots_per_rank);
      phy2log.push_back(g == rank ? e : kNone);
    }
    const SplitGraph graph(
        Placement(std::move(phy2log), placement_.num_logical(), placement_.num_ranks(), placement_.num_nodes()));
    double sum = 0;
    for (int i = 0; i < num_batches(); ++i) {
      sum += imbalance_of(graph, i);
    }
    return sum / num_batches();
  }

  std::span<const Tokens> window_;
  const Placement& placement_;
  std::vector<std::uint8_t> holds_any_;  // [G] 1 = the rank holds an expert: dead ones do not
  double num_holders_ = 0;
  SolveWorkspace workspace_;
  Plan plan_;
};

}  // namespace

PlacementLimits find_limits(std::span<const Tokens> window, const Placement& placement, int most) {
  check_window("find_limits", window, placement.num_logical());
  return LimitFinder(window, placement).find(most);
}

}  // namespace lplb
