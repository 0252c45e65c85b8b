// Forecast by exponential smoothing, its decay chosen by what would have predicted each batch of the window best from
// those before it. Noise has half the covariance of the window's differences (experts of one subject rise together) and
// half independent variances, which also cover directions that few batches cannot show.

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
constexpr double kDriftScale = 3;
constexpr double kLeastShare = 0.05;  // of its forecast: what a drawn load is at least
constexpr double kPriorSpread = 0.1;  // of a load, where one batch says nothing of it
constexpr double kPriorWeight = 2;    // batches that the common relative variance counts as
constexpr double kCommonDirections = 0.5;

constexpr double kLeastWeight = 0.1;  // of a recorded batch; less counts as nothing
constexpr double kJump = 6;           // times the usual squared difference: not drift, but another load

double squared_distance(const std::vector<double>& a, const std::vector<double>& b) {
  return std::transform_reduce(a.begin(), a.end(), b.begin(), 0.0, std::plus<>(),
                               [](double x, double y) { return (x - y) * (x - y); });
}

/// Nearly standard normal, cheaply and with the same bits everywhere: eight uniform numbers summed.
double draw_normal(Rng& rng) {
  std::int64_t sum = 0;
  for (int word = 0; word < 2; ++word) {
    std::uint64_t bits = rng.next();
    for (int part = 0; part < 4; ++part) {
      sum += static_cast<std::int64_t>(bits & 0xffff);
      bits >>= 16;
    }
  }
  constexpr double kMean = 8 * 32767.5;
  constexpr double kDeviation = 53509.87;  // sqrt(8 (2^32 - 1) / 12)
  return (static_cast<double>(sum) - kMean) / kDeviation;
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

ScenarioSampler::Shares ScenarioSampler::draw_noise(double scale, Rng& rng) const {
  Shares direction(num_logical_, 0.0);
  for (const Shares& deviation : deviation_) {
    const double factor = draw_normal(rng);
    for (int e = 0; e < num_logical_; ++e) {
      direction[e] += factor * deviation[e];
    }
  }
  const double common = deviation_.empty() ? 0 : kCommonDirections;
  Shares result(num_logical_);
  for (int e = 0; e < num_logical_; ++e) {
    const double change = std::sqrt(common) * direction[e] + std::sqrt(1 - common) * spread_[e] * draw_normal(rng);
    result[e] = std::max(kLeastShare * base_[e], base_[e] + scale * change);
  }
  return result;
}

ScenarioSampler::Shares ScenarioSampler::draw_shift(Rng& rng) const {
  Shares result = base_;
  for (int e = num_logical_ - 1; e > 0; --e) {
    std::swap(result[e], result[rng.below(e + 1)]);
  }
  const double skew = std::min(1.0, 2 * rng.uniform());
  for (double& share : result) {
    share = skew * share + (1 - skew) / num_logical_;
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
