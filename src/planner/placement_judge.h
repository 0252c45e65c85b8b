#pragma once

// Judges placements by the objective with the exact split, all on the same batches.

#include <array>
#include <span>
#include <vector>

#include "lplb/optimize.h"
#include "lplb/solve.h"
#include "optimize/scenarios.h"

namespace lplb {

class PlacementJudge {
 public:
  PlacementJudge(const ScenarioSampler& sampler, std::span<const Tokens> window, int num_logical,
                 const PlacementObjective& objective, std::uint64_t seed);

  /// `live` [G] or empty; `num_moved` copies are charged at the objective's price. Thread-safe.
  PlacementScore judge(const Placement& placement, std::span<const std::uint8_t> live, int num_moved) const;

 private:
  struct Batch {
    std::vector<Tokens> counts;  // [E]
    double weight;
  };

  const PlacementObjective& objective_;
  double num_live_;  // ranks that may hold experts
  std::array<std::vector<Batch>, kNumScenarios> batches_;
};

/// Throws InvalidArgument unless `window` is [T, num_logical] of counts that are not negative, every batch with a token
/// and with a total below 2^31.
void check_window(const char* function, std::span<const Tokens> window, int num_logical);

}  // namespace lplb
