// Forecast by exponential smoothing, its decay chosen by what would have predicted each batch of the window best from
// those before it; the differences from the forecasts are what optimize/draw.h makes new batches of.

#include "optimize/scenarios.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <numeric>
#include <utility>

namespace lplb {
namespace {

constexpr double kDecays[] = {1.0, 0.8, 0.5, 0.2};
constexpr double kPriorSpread = 0.1;  // of a load, where one batch says nothing of it
constexpr double kPriorWeight = 2;    // batches that the common relative variance counts as
constexpr double kCommonDirections = 0.5;

constexpr double kLeastWeight = 0.1;  // of a recorded batch; less counts as nothing
constexpr double kJump = 6;           // times the usual squared difference: not drift, but another load

double squared_distance(const std::vector<double>& a, const std::vector<double>& b) {
  return std::transform_reduce(a.begin(), a.end(), b.begin(), 0.0, std::plus<>(),
                               [](double x, double y) { return (x - y) * (x - y); });
}

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
  for (int batch = 0; batch < num_batches(); ++batch) {
    const double weight = std::pow(decay_, num_batches() - 1 - batch);
    recorded_weight_.push_back(weight < kLeastWeight ? 0 : weight);
  }
  make_view();
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

/// Squared error of predicting each batch from those before it.
double ScenarioSampler::backtest(double decay) const {
  double error = 0;
  for (int batch = 1; batch < num_batches(); ++batch) {
    error += squared_distance(share_[batch], forecast(batch, decay));
  }
  return error;
}

/// Steady loads differ from their mean. Drifting ones from what would have been forecast one batch earlier, more so the
/// further ahead; sudden changes, which are not drift, are left out.
void ScenarioSampler::find_deviations() {
  const bool steady = decay_ == 1.0;
  for (int batch = steady ? 0 : 1; batch < num_batches() && num_batches() > 1; ++batch) {
    const Shares center = steady ? base_ : forecast(batch, decay_);
    Shares difference(num_logical_);
    std::ranges::transform(share_[batch], center, difference.begin(), std::minus<>());
    deviation_.push_back(std::move(difference));
  }
  double freedom = num_batches() - 1;
  if (!steady) {
    drop_jumps();
    freedom = static_cast<double>(deviation_.size()) / (0.5 * (num_batches() + 1));  // batches ahead, on average
  }
  Shares variance(num_logical_, 0.0);
  double sum = 0;
  double squares = 0;
  for (int e = 0; e < num_logical_; ++e) {
    for (Shares& deviation : deviation_) {
      deviation[e] /= std::sqrt(freedom);
      variance[e] += deviation[e] * deviation[e];
    }
    sum += variance[e];
    squares += base_[e] * base_[e];
  }
  const double common = deviation_.empty() ? kPriorSpread * kPriorSpread : sum / squares;
  const auto num_seen = static_cast<double>(deviation_.size());
  for (int e = 0; e < num_logical_; ++e) {
    const double prior = common * base_[e] * base_[e] + base_[e] / mean_tokens_;
    spread_.push_back(std::sqrt((num_seen * variance[e] + kPriorWeight * prior) / (num_seen + kPriorWeight)));
  }
}

void ScenarioSampler::drop_jumps() {
  const Shares zero(num_logical_, 0.0);
  std::vector<double> sizes;
  std::ranges::transform(deviation_, std::back_inserter(sizes),
                         [&](const Shares& deviation) { return squared_distance(deviation, zero); });
  std::vector<double> sorted = sizes;
  std::ranges::sort(sorted);
  const double limit = kJump * sorted[sorted.size() / 2];
  std::vector<Shares> kept;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] <= limit) {
      kept.push_back(std::move(deviation_[i]));
    }
  }
  deviation_ = std::move(kept);
}

void ScenarioSampler::make_view() {
  for (const Shares& share : share_) {
    flat_.insert(flat_.end(), share.begin(), share.end());
  }
  const std::size_t first_deviation = flat_.size();
  for (const Shares& deviation : deviation_) {
    flat_.insert(flat_.end(), deviation.begin(), deviation.end());
  }
  const double common = deviation_.empty() ? 0 : kCommonDirections;
  view_ = {.num_logical = num_logical_,
           .num_batches = num_batches(),
           .num_deviations = static_cast<int>(deviation_.size()),
           .num_live = num_live_,
           .common_factor = std::sqrt(common),
           .own_factor = std::sqrt(1 - common),
           .share = flat_.data(),
           .recorded_weight = recorded_weight_.data(),
           .base = base_.data(),
           .deviation = flat_.data() + first_deviation,
           .spread = spread_.data()};
}

void ScenarioSampler::draw(Scenario kind, Rng& rng, std::span<LaneValues> weights) const {
  Shares shares(num_logical_);
  Shares factors(deviation_.size());
  const DrawScratch scratch{.shares = shares.data(), .factors = factors.data()};
  for (int lane = 0; lane < kLanes; ++lane) {
    draw_lane(view_, kind, rng, scratch, weights.front().data() + lane);
  }
}

}  // namespace lplb
