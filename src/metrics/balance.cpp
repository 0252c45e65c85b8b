// Balance of a set of loads under each framework's formula, sums over nodes, and quantiles. Sources of the formulas:
// SGLang's expert distribution recorder (utilization rate), vLLM's EPLB state (balancedness), TensorRT-LLM's MoE load
// balancer (imbalance ratio).

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "base/check.h"
#include "lplb/metrics.h"

namespace lplb {

Balance measure_balance(std::span<const Tokens> loads) {
  check(!loads.empty(), "[measure_balance] loads must not be empty");
  const auto lowest = std::ranges::min_element(loads);
  check(*lowest >= 0, "[measure_balance] loads[", lowest - loads.begin(), "] is ", *lowest,
        "; it must not be negative");
  const std::int64_t total = std::accumulate(loads.begin(), loads.end(), std::int64_t{0});
  Balance result;
  if (total == 0) {
    return result;
  }
  result.mean = static_cast<double>(total) / static_cast<double>(loads.size());
  result.max = std::ranges::max(loads);
  result.imbalance = result.max / result.mean;
  result.balancedness = result.mean / result.max;
  result.excess = result.imbalance - 1;
  return result;
}

void sum_nodes(std::span<const Tokens> rank_load, std::span<Tokens> node_load) {
  check(!node_load.empty() && rank_load.size() % node_load.size() == 0, "[sum_nodes] rank_load has ", rank_load.size(),
        " ranks; that must be a multiple of the number of nodes (", node_load.size(), ")");
  const std::size_t ranks_per_node = rank_load.size() / node_load.size();
  for (std::size_t node = 0; node < node_load.size(); ++node) {
    const auto ranks = rank_load.subspan(node * ranks_per_node, ranks_per_node);
    const std::int64_t total = std::accumulate(ranks.begin(), ranks.end(), std::int64_t{0});
    check(std::in_range<Tokens>(total), "[sum_nodes] node ", node, " has ", total, " tokens; that must be below 2^31");
    node_load[node] = static_cast<Tokens>(total);
  }
}

double quantile(std::span<const double> values, double q) {
  check(!values.empty(), "[quantile] values must not be empty");
  check(q >= 0 && q <= 1, "[quantile] q (", q, ") must be in 0..1");
  std::vector<double> sorted(values.begin(), values.end());
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(below);
  std::ranges::nth_element(sorted, middle);
  if (below + 1 == sorted.size()) {
    return *middle;
  }
  const double above = *std::min_element(middle + 1, sorted.end());
  return std::lerp(*middle, above, position - static_cast<double>(below));
}

}  // namespace lplb
