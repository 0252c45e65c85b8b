// Forecast by exponential smoothing, its decay chosen by what would have predicted the second half of the window best
// from the first. Noise has half the covariance of the window's differences (experts of one subject rise together) and
// half independent variances, which also cover directions that few batches cannot show.

#include "optimize/scenarios.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace lplb {
namespace {

constexpr double kDecays[] = {1.0, 0.8, 0.5, 0.2};
constexpr double kDriftScale = 3;
constexpr double kLeastShare = 0.05;  // of its forecast: what a drawn load is at least
constexpr double kPriorSpread = 0.1;  // of a load, where one batch says nothing of it
constexpr double kPriorWeight = 2;    // batches that the common relative variance counts as
constexpr double kCommonDirections = 0.5;

}  // namespace

ScenarioSampler::ScenarioSampler(std::span<const Tokens> window, int num_logical, int num_live)
    : num_logical_(num_logical), num_live_(num_live) {
  for (std::size_t begin = 0; begin < window.size(); begin += num_logical) {
    const auto batch = window.subspan(begin, num_logical);
    const double total = std::accumulate(batch.begin(), batch.end(), 0.0);
    Shares shares(num_logical);
    std::ranges::transform(batch, shares.begin(), [total](Tokens tokens) { return tokens / total; });
    share_.push_back(std::move(shares));
    mean_tokens_ += total;
  }
  mean_tokens_ /= num_batches();
  double best = backtest(decay_);
  for (const double decay : kDecays) {
    const double error = backtest(decay);
    if (error < 0.9 * best) {
      best = error;
      decay_ = decay;
    }
  }
  base_ = forecast(num_batches(), decay_);
  find_deviations();
  double sum = 0;
  for (int batch = 0; batch < num_batches(); ++batch) {
    recorded_weight_.push_back(std::pow(0.5 + 0.5 * decay_, num_batches() - 1 - batch));
    sum += recorded_weight_.back();
  }
  for (double& weight : recorded_weight_) {
    weight *= num_batches() / sum;
  }
}

ScenarioSampler::Shares ScenarioSampler::forecast(int num_first, double decay) const {
  Shares result(num_logical_, 0.0);
  double weight = 1;
  double sum = 0;
  for (int batch = num_first - 1; batch >= 0; --batch) {
    for (int e = 0; e < num_logical_; ++e) {
      result[e] += weight * share_[batch][e];
    }
    sum += weight;
    weight *= decay;
  }
  for (double& share : result) {
    share /= sum;
  }
  return result;
}

/// Squared error of predicting the second half of the window from the first.
double ScenarioSampler::backtest(double decay) const {
  const int half = num_batches() / 2;
  if (half == 0) {
    return 0;
  }
  const Shares predicted = forecast(half, decay);
  double error = 0;
  for (int batch = half; batch < num_batches(); ++batch) {
    for (int e = 0; e < num_logical_; ++e) {
      error += (share_[batch][e] - predicted[e]) * (share_[batch][e] - predicted[e]);
    }
  }
  return error;
}

void ScenarioSampler::find_deviations() {
  // Steady loads: from their mean. Drifting ones: from what would have been forecast half a window earlier.
  const bool steady = decay_ == 1.0;
  const int first = steady ? 0 : num_batches() / 2;
  const Shares center = steady ? base_ : forecast(first, decay_);
  const int freedom = steady ? num_batches() - 1 : num_batches() - first;
  Shares variance(num_logical_, 0.0);
  double sum = 0;
  double squares = 0;
  for (int e = 0; e < num_logical_; ++e) {
    for (int batch = first; batch < num_batches(); ++batch) {
      variance[e] += (share_[batch][e] - center[e]) * (share_[batch][e] - center[e]);
    }
    sum += variance[e];
    squares += base_[e] * base_[e];
  }
  const double common = freedom > 0 ? sum / freedom / squares : kPriorSpread * kPriorSpread;
  for (int e = 0; e < num_logical_; ++e) {
    const double prior = common * base_[e] * base_[e] + base_[e] / mean_tokens_;
    spread_.push_back(std::sqrt((variance[e] + kPriorWeight * prior) / (freedom + kPriorWeight)));
  }
  for (int batch = first; batch < num_batches() && freedom > 0; ++batch) {
    Shares difference(num_logical_);
    for (int e = 0; e < num_logical_; ++e) {
      difference[e] = (share_[batch][e] - center[e]) / std::sqrt(freedom);
    }
    deviation_.push_back(std::move(difference));
  }
}

ScenarioSampler::Shares ScenarioSampler::draw_noise(double scale, Rng& rng) const {
  Shares direction(num_logical_, 0.0);
  for (const Shares& deviation : deviation_) {
    const double factor = rng.normal();
    for (int e = 0; e < num_logical_; ++e) {
      direction[e] += factor * deviation[e];
    }
  }
  const double common = deviation_.empty() ? 0 : kCommonDirections;
  Shares result(num_logical_);
  for (int e = 0; e < num_logical_; ++e) {
    const double change = std::sqrt(common) * direction[e] + std::sqrt(1 - common) * spread_[e] * rng.normal();
    result[e] = std::max(kLeastShare * base_[e], base_[e] + scale * change);
  }
  return result;
}

ScenarioSampler::Shares ScenarioSampler::draw_shift(Rng& rng) const {
  Shares result = base_;
  for (int e = num_logical_ - 1; e > 0; --e) {
    std::swap(result[e], result[rng.below(e + 1)]);
  }
  return result;
}

void ScenarioSampler::put(const Shares& shares, int lane, std::span<LaneValues> weights) const {
  const double scale = num_live_ / std::accumulate(shares.begin(), shares.end(), 0.0);
  for (int e = 0; e < num_logical_; ++e) {
    weights[e][lane] = static_cast<float>(shares[e] * scale);
  }
}

void ScenarioSampler::put_recorded(int batch, int lane, std::span<LaneValues> weights) const {
  put(share_[batch], lane, weights);
}

void ScenarioSampler::draw(Scenario kind, Rng& rng, std::span<LaneValues> weights) const {
  for (int lane = 0; lane < kLanes; ++lane) {
    put(kind == Scenario::kShift ? draw_shift(rng) : draw_noise(kind == Scenario::kDrift ? kDriftScale : 1.0, rng),
        lane, weights);
  }
}

}  // namespace lplb
