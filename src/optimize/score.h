#pragma once

// The objective of a placement, from the excess (imbalance - 1) of single batches. See lplb/optimize.h.

#include <span>

#include "base/natural_log.h"
#include "base/unroll.h"
#include "lplb/optimize.h"

namespace lplb {

/// The worst tenth of so many batches, rounded up.
constexpr int num_worst(int num_batches) { return (num_batches + 9) / 10; }

/// The largest of the numbers that are added, in a buffer of the caller.
class WorstExcess {
 public:
  constexpr WorstExcess(double* buffer, int capacity) : largest_(buffer), capacity_(capacity) {}

  constexpr void add(double value) {
    if (size_ == capacity_ && value <= largest_[size_ - 1]) {
      return;
    }
    int at = size_ < capacity_ ? size_++ : size_ - 1;
    LPLB_ROLL
    for (; at > 0 && largest_[at - 1] < value; --at) {
      largest_[at] = largest_[at - 1];
    }
    largest_[at] = value;
  }
  /// Once as many as there is room for have been added, at least one.
  constexpr double mean() const {
    double sum = 0;
    LPLB_ROLL
    for (int i = 0; i < size_; ++i) {
      sum += largest_[i];
    }
    return sum / size_;
  }

 private:
  double* largest_;  // descending
  int capacity_;
  int size_ = 0;
};

/// The mean, from the weighted sum and the weights', with the part `tail` of it replaced by the mean of the worst.
constexpr double with_tail(double weighted, double weight_sum, double worst, double tail) {
  return (1 - tail) * weighted / weight_sum + tail * worst;
}

/// Mean of the worst tenth, rounded up. `excess` not empty.
double tail_excess(std::span<const double> excess);

/// Excess of a scenario: the mean, weighted (`weights` empty = equally), with the part `tail` from the worst tenth.
double scenario_excess(std::span<const double> excess, std::span<const double> weights, double tail);

/// What moved copies add to the excess of a scenario: they are paid for where the next batches are expected.
constexpr double move_cost(const PlacementObjective& objective, int scenario, int num_moved) {
  return scenario <= static_cast<int>(Scenario::kNoise) ? objective.move_price * num_moved : 0;
}

constexpr double scenario_score(const PlacementObjective& objective, int scenario, double excess) {
  return objective.weight[scenario] * natural_log(excess + objective.floor[scenario]) +
         objective.linear[scenario] * excess;
}

/// How much more the score is for a little more excess.
constexpr double scenario_slope(const PlacementObjective& objective, int scenario, double excess) {
  return objective.weight[scenario] / (excess + objective.floor[scenario]) + objective.linear[scenario];
}

}  // namespace lplb
