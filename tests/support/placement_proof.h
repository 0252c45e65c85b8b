#pragma once

// Random instances small enough for the exhaustive oracle, and how far optimize_placement is from the optimum of each.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "lplb/optimize.h"
#include "support/oracle_placement.h"
#include "support/random_instance.h"

namespace lplb::testing {

/// 2 to 6 ranks, at most 12 experts, at most 3 further copies, 1 or 2 batches; loads from even to strongly skewed.
inline PlacementCase small_case(Rng& rng) {
  using random_detail::between;
  const int num_ranks = between(rng, 2, PlacementOracle::kMostRanks);
  PlacementCase result{.num_logical = between(rng, num_ranks, 12), .slots = {}, .window = {}};
  const int num_slots = result.num_logical + between(rng, 0, 3);
  for (int rank = 0; rank < num_ranks; ++rank) {
    const int slots = num_slots / num_ranks + (rank < num_slots % num_ranks ? 1 : 0);
    result.slots.push_back(std::min(slots, result.num_logical));
  }
  const double skew = 1.5 * rng.uniform();
  const double spread = rng.uniform();
  std::vector<double> load(result.num_logical);
  for (double& expected : load) {
    expected = 400 * std::exp(skew * rng.normal());
  }
  const int num_batches = between(rng, 1, PlacementOracle::kMostBatches);
  for (int batch = 0; batch < num_batches; ++batch) {
    for (const double expected : load) {
      result.window.push_back(static_cast<Tokens>(1 + expected * std::exp(spread * rng.normal())));
    }
  }
  return result;
}

struct Gaps {
  int num_cases = 0;
  int num_exact = 0;
  double mean = 0;   // of the relative gaps
  double worst = 0;  // relative gap: mean imbalance found / optimal - 1
  std::string worst_case = {};
};

/// Gaps of the mean imbalance over the window, which alone is in the objective.
inline Gaps measure_gaps(std::uint64_t seed, int num_cases) {
  Gaps gaps{.num_cases = num_cases};
  for (int index = 0; index < num_cases; ++index) {
    Rng rng = seeded(seed, index);
    const PlacementCase c = small_case(rng);
    OptimizeArgs args{.rules = {.num_logical = c.num_logical, .num_ranks = c.num_ranks(), .slots = c.slots}};
    args.objective.weight = {1, 0, 0, 0};
    args.objective.linear = {0, 0, 0, 0};
    args.objective.tail = 0;
    const double found = optimize_placement(c.window, args).score.imbalance[0];
    const double gap = found / PlacementOracle(c).find(found) - 1;
    gaps.num_exact += gap <= 1e-9 ? 1 : 0;
    gaps.mean += gap / num_cases;
    if (gap > gaps.worst) {
      gaps.worst = gap;
      gaps.worst_case =
          "index " + std::to_string(index) + ", slots " + braced(c.slots) + ", window " + braced(c.window);
    }
  }
  return gaps;
}

}  // namespace lplb::testing
