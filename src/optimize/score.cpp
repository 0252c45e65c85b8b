#include "optimize/score.h"

#include <algorithm>
#include <vector>

namespace lplb {

double tail_excess(std::span<const double> excess) {
  std::vector<double> buffer(num_worst(static_cast<int>(excess.size())));
  WorstExcess worst(buffer.data(), static_cast<int>(buffer.size()));
  std::ranges::for_each(excess, [&](double value) { worst.add(value); });
  return worst.mean();
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
  return with_tail(mean, sum, tail_excess(excess), tail);
}

}  // namespace lplb
