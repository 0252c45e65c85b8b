#pragma once

// What a placement is judged on: the batches of the window, and batches that the window has not shown. From how the
// window's batches differ from their forecast (their mean, or a mean that favours the latest where the loads drift)
// come noise (the same differences again, in new combinations) and drift (three times as much); a shift gives the
// forecast loads to other experts at random, as when the domain of the text changes.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"
#include "lplb/optimize.h"
#include "lplb/types.h"
#include "optimize/draw.h"
#include "optimize/lanes.h"

namespace lplb {

class ScenarioSampler {
 public:
  /// `window` [num_batches, num_logical], the latest batch last; every batch has a token. Loads are given in units of
  /// the mean load of `num_live` ranks.
  ScenarioSampler(std::span<const Tokens> window, int num_logical, int num_live);
  ScenarioSampler(const ScenarioSampler&) = delete;
  ScenarioSampler& operator=(const ScenarioSampler&) = delete;

  int num_batches() const { return static_cast<int>(share_.size()); }
  double num_live() const { return num_live_; }
  /// Mean load of a live rank over the window.
  double tokens_per_rank() const { return mean_tokens_ / num_live_; }
  /// A new batch of a kind in every lane.
  void draw(Scenario kind, Rng& rng, std::span<LaneValues> weights) const;
  /// How much a recorded batch counts: 1 for the latest, less for early ones where the loads drift, or nothing.
  double recorded_weight(int batch) const { return recorded_weight_[batch]; }
  /// What batches are drawn from. Lives as long as the sampler.
  const SamplerView& view() const { return view_; }

 private:
  using Shares = std::vector<double>;  // [E], sum 1

  Shares forecast(int num_first, double decay) const;
  double backtest(double decay) const;
  void find_deviations();
  void drop_jumps();
  void make_view();

  int num_logical_;
  double num_live_;
  double mean_tokens_ = 0;  // of a batch
  double decay_ = 1;        // 1 = all batches of the window count the same
  std::vector<Shares> share_;
  Shares base_;
  std::vector<Shares> deviation_;  // scaled so that a sum with standard normal factors has their covariance
  Shares spread_;                  // standard deviation of each expert
  std::vector<double> recorded_weight_;
  std::vector<double> flat_;  // the rows of share_, then those of deviation_, for the view
  SamplerView view_;
};

}  // namespace lplb
