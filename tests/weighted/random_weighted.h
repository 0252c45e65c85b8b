#pragma once

// Random weighted splits, and checks of their results that share no code with the solver.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "lplb/weighted.h"
#include "support/random_instance.h"

namespace lplb::testing {

struct WeightedInstance {
  Placement placement;
  std::vector<Tokens> counts;           // [E]
  std::vector<double> time = {};        // [G] or [P]
  std::vector<std::uint8_t> live = {};  // [G] or empty
  std::vector<double> base_time = {};   // [G] or empty
  std::vector<RowEntry> rows = {};      //
  std::vector<double> row_bound = {};   // [R]

  WeightedModel model() const {
    return {placement,
            {.time_per_token = time, .live = live, .num_rows = static_cast<int>(row_bound.size()), .rows = rows}};
  }
  WeightedInput input() const { return {.counts = counts, .base_time = base_time, .row_bound = row_bound}; }
  bool is_live(int rank) const { return live.empty() || live[rank] != 0; }
  double time_of(int slot) const {
    return time.size() == static_cast<std::size_t>(placement.num_ranks()) ? time[placement.rank_of(slot)] : time[slot];
  }
};

struct WeightedLimits {
  bool with_rows = false;
  RandomLimits shape = {};
};

/// Times per copy within a factor of up to a million. Rows cap what a few slots get at a little above or, now and then,
/// below their even share, so that a split that meets them mostly, but not always, exists.
inline WeightedInstance random_weighted_instance(Rng& rng, const WeightedLimits& limits) {
  const Instance plain = random_instance(rng, limits.shape);
  WeightedInstance instance{.placement = plain.placement, .counts = plain.counts, .live = plain.live};
  instance.base_time.assign(plain.base_load.begin(), plain.base_load.end());
  const double spread = 7 * rng.uniform();
  for (int slot = 0; slot < plain.placement.num_physical(); ++slot) {
    instance.time.push_back(std::exp(spread * (2 * rng.uniform() - 1)));
  }
  const int num_rows = limits.with_rows ? static_cast<int>(rng.below(4)) + 1 : 0;
  for (int row = 0; row < num_rows; ++row) {
    double even = 0;
    for (int slot = 0; slot < plain.placement.num_physical(); ++slot) {
      const int expert = plain.placement.phy2log()[slot];
      if (expert == kNone || rng.uniform() > 0.3) {
        continue;
      }
      const double value = rng.uniform() < 0.2 ? -rng.uniform() : 0.5 + rng.uniform();
      instance.rows.push_back({.row = row, .physical = slot, .value = value});
      if (instance.is_live(plain.placement.rank_of(slot))) {
        int num_live = 0;
        for (const auto replica : plain.placement.replicas(expert)) {
          num_live += instance.is_live(plain.placement.rank_of(replica)) ? 1 : 0;
        }
        even += value * plain.counts[expert] / num_live;
      }
    }
    instance.row_bound.push_back(even + std::abs(even) * (rng.uniform() - 0.2));
  }
  return instance;
}

/// Empty when shares are not negative, lie on live slots of the expert, add up exactly, and give these times.
inline std::string check_shares(const WeightedInstance& instance, const std::vector<double>& share,
                                const std::vector<double>& rank_time) {
  const Placement& placement = instance.placement;
  std::vector<double> sums(placement.num_logical());
  std::vector<double> times(placement.num_ranks());
  for (int rank = 0; rank < placement.num_ranks(); ++rank) {
    times[rank] = instance.base_time.empty() || !instance.is_live(rank) ? 0 : instance.base_time[rank];
  }
  for (int slot = 0; slot < placement.num_physical(); ++slot) {
    const int expert = placement.phy2log()[slot];
    const bool may_serve = expert != kNone && instance.is_live(placement.rank_of(slot));
    if (!(share[slot] >= 0) || (share[slot] > 0 && !may_serve)) {
      return concat("slot ", slot, " has ", share[slot]);
    }
    if (may_serve) {
      sums[expert] += share[slot];
      times[placement.rank_of(slot)] += share[slot] * instance.time_of(slot);
    }
  }
  for (int e = 0; e < placement.num_logical(); ++e) {
    if (sums[e] != instance.counts[e]) {
      return concat("expert ", e, " adds up to ", sums[e], " instead of ", instance.counts[e]);
    }
  }
  for (int rank = 0; rank < placement.num_ranks(); ++rank) {
    if (!(std::abs(times[rank] - rank_time[rank]) <= 1e-12 * times[rank])) {
      return concat("rank ", rank, " takes ", times[rank], " and not ", rank_time[rank]);
    }
  }
  return "";
}

/// Empty when quotas add up and each is its share rounded down or up.
inline std::string check_quotas(const WeightedInstance& instance, const std::vector<double>& share,
                                const std::vector<Tokens>& quota) {
  std::vector<std::int64_t> sums(instance.placement.num_logical());
  for (int slot = 0; slot < instance.placement.num_physical(); ++slot) {
    if (quota[slot] != std::floor(share[slot]) && quota[slot] != std::ceil(share[slot])) {
      return concat("slot ", slot, " has ", share[slot], " rounded to ", quota[slot]);
    }
    if (const int expert = instance.placement.phy2log()[slot]; expert != kNone) {
      sums[expert] += quota[slot];
    }
  }
  for (std::size_t e = 0; e < sums.size(); ++e) {
    if (sums[e] != instance.counts[e]) {
      return concat("quotas of expert ", e, " add up to ", sums[e], " instead of ", instance.counts[e]);
    }
  }
  return "";
}

/// Largest excess over a row's bound in units of its size, as WeightedSummary::row_excess has it.
inline double row_excess(const WeightedInstance& instance, const std::vector<double>& share) {
  double largest = 0;
  for (std::size_t row = 0; row < instance.row_bound.size(); ++row) {
    double value = -instance.row_bound[row];
    double size = std::abs(instance.row_bound[row]);
    for (const RowEntry& entry : instance.rows) {
      if (entry.row == static_cast<int>(row)) {
        value += entry.value * share[entry.physical];
        size += std::abs(entry.value) * share[entry.physical];
      }
    }
    largest = size > 0 ? std::max(largest, value / size) : largest;
  }
  return largest;
}

}  // namespace lplb::testing
