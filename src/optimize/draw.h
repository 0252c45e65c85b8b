#pragma once

// Batches drawn from what a window shows, one lane at a time, by the same text on the CPU and on a GPU. Noise has half
// the covariance of the window's differences (experts of one subject rise together) and half independent variances,
// which also cover directions that few batches cannot show.

#include <algorithm>
#include <cstdint>

#include "base/rng.h"
#include "base/unroll.h"
#include "lplb/optimize.h"
#include "optimize/lanes.h"

namespace lplb {

inline constexpr double kDriftScale = 3;
inline constexpr double kLeastShare = 0.05;  // of its forecast: what a drawn load is at least

/// Nearly standard normal, cheaply and with the same bits everywhere: eight uniform numbers summed.
constexpr double draw_normal(Rng& rng) {
  std::int64_t sum = 0;
  LPLB_ROLL
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

/// What batches are drawn from, in memory that someone else owns. Shares of experts, in parts of all tokens.
struct SamplerView {
  int num_logical = 0;
  int num_batches = 0;
  int num_deviations = 0;
  double num_live = 1;
  double common_factor = 0;                 // of the deviations
  double own_factor = 1;                    // of the spread
  const double* share = nullptr;            // [num_batches, E] recorded
  const double* recorded_weight = nullptr;  // [num_batches]
  const double* base = nullptr;             // [E] forecast
  const double* deviation = nullptr;        // [num_deviations, E]
  const double* spread = nullptr;           // [E]

  /// Words of the generator that a batch takes.
  constexpr std::uint64_t num_words(Scenario kind) const {
    return kind == Scenario::kShift ? num_logical : 2 * (num_deviations + num_logical);
  }
};

/// Memory for drawing one batch; entries are `step` apart.
struct DrawScratch {
  double* shares = nullptr;   // [E]
  double* factors = nullptr;  // [num_deviations]
  int step = 1;
};

/// Shares to loads in units of the mean load of a live rank. `shares` are `step` apart; `weights` is of one lane.
constexpr void put_shares(const SamplerView& sampler, const double* shares, int step, float* weights) {
  double sum = 0;
  LPLB_UNROLL_BY_4
  for (int e = 0; e < sampler.num_logical; ++e) {
    sum += shares[e * step];
  }
  const double scale = sampler.num_live / sum;
  LPLB_ROLL
  for (int e = 0; e < sampler.num_logical; ++e) {
    weights[e * kLanes] = static_cast<float>(shares[e * step] * scale);
  }
}

constexpr void put_recorded(const SamplerView& sampler, int batch, float* weights) {
  put_shares(sampler, sampler.share + static_cast<std::int64_t>(batch) * sampler.num_logical, 1, weights);
}

constexpr void draw_factors(const SamplerView& sampler, Rng& rng, const DrawScratch& scratch) {
  LPLB_ROLL
  for (int i = 0; i < sampler.num_deviations; ++i) {
    scratch.factors[i * scratch.step] = draw_normal(rng);
  }
}

/// The share of expert e, once the factors are drawn. `rng` is where it is after them and two words for each expert
/// before.
constexpr void draw_noise(const SamplerView& sampler, double scale, int e, Rng& rng, const DrawScratch& scratch) {
  double direction = 0;
  LPLB_UNROLL_BY_4
  for (int i = 0; i < sampler.num_deviations; ++i) {
    direction += scratch.factors[i * scratch.step] * sampler.deviation[i * sampler.num_logical + e];
  }
  const double change = sampler.common_factor * direction + sampler.own_factor * sampler.spread[e] * draw_normal(rng);
  const double share = sampler.base[e] + scale * change;
  scratch.shares[e * scratch.step] = std::max(kLeastShare * sampler.base[e], share);
}

constexpr double scale_of(Scenario kind) { return kind == Scenario::kDrift ? kDriftScale : 1.0; }

constexpr void draw_shift(const SamplerView& sampler, Rng& rng, const DrawScratch& scratch) {
  const int step = scratch.step;
  LPLB_ROLL
  for (int e = 0; e < sampler.num_logical; ++e) {
    scratch.shares[e * step] = sampler.base[e];
  }
  LPLB_ROLL
  for (int e = sampler.num_logical - 1; e > 0; --e) {
    const int other = static_cast<int>(rng.below(e + 1));
    const double share = scratch.shares[e * step];
    scratch.shares[e * step] = scratch.shares[other * step];
    scratch.shares[other * step] = share;
  }
  const double skew = std::min(1.0, 2 * rng.uniform());
  LPLB_ROLL
  for (int e = 0; e < sampler.num_logical; ++e) {
    scratch.shares[e * step] = skew * scratch.shares[e * step] + (1 - skew) / sampler.num_logical;
  }
}

/// A new batch of a kind in one lane. `weights` [E], entries kLanes apart.
constexpr void draw_lane(const SamplerView& sampler, Scenario kind, Rng& rng, const DrawScratch& scratch,
                         float* weights) {
  if (kind == Scenario::kShift) {
    draw_shift(sampler, rng, scratch);
  } else {
    draw_factors(sampler, rng, scratch);
    for (int e = 0; e < sampler.num_logical; ++e) {
      draw_noise(sampler, scale_of(kind), e, rng, scratch);
    }
  }
  put_shares(sampler, scratch.shares, scratch.step, weights);
}

}  // namespace lplb
