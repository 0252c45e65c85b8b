#include "optimize/score.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

namespace lplb {

double tail_excess(std::span<const double> excess) {
  std::vector<double> worst((excess.size() + 9) / 10);
  std::ranges::partial_sort_copy(excess, worst, std::greater<>());
  return std::accumulate(worst.begin(), worst.end(), 0.0) / static_cast<double>(worst.size());
}

double scenario_excess(std::span<const double> excess, std::span<const double> weights, double tail) {
  if (excess.empty()) {
    return 0;
  }
  double mean = 0;
  double sum = 0;
  for (std::size_t i = 0; i < excess.size(); ++i) {
    const double weight = weights.empty() ? 1.0 : weights[i];
    mean += weight * excess[i];
    sum += weight;
  }
  return (1 - tail) * mean / sum + tail * tail_excess(excess);
}

}  // namespace lplb
