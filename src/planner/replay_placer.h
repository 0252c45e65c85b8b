#pragma once

// The placements of one layer under one strategy, from refresh to refresh.

#include <optional>
#include <string>
#include <vector>

#include "lplb/optimize.h"
#include "planner/replay_context.h"
#include "planner/replay_strategy.h"

namespace lplb {

class LayerPlacer {
 public:
  LayerPlacer(const ReplayContext& context, const Strategy& strategy, int layer_idx);

  /// Places anew from the steps before `first_step`, or keeps the placement where the refresh policy says so. Returns
  /// the copies that moved; 0 the first time.
  int refresh(int first_step);
  /// Of the last refresh.
  const Placement& placement() const { return *current_; }
  double place_us() const { return place_us_; }
  /// What limits the placement over the window of the last refresh.
  PlacementLimits limits() const { return find_limits(window_, *current_); }

 private:
  void load_window(int first_step);
  Placement place() const;
  Placement optimize() const;

  const ReplayContext& context_;
  const Strategy& strategy_;
  int layer_idx_;
  PolicyArgs shape_;
  std::vector<Tokens> window_;  // [T, E] the steps with a token; one flat batch when none has
  std::optional<Placement> current_;
  double place_us_ = 0;
};

/// Why the strategy's policy cannot place this shape; empty when it can.
std::string find_obstacle(const ReplayContext& context, const Strategy& strategy);

/// One sentence.
std::string describe_strategy(const ReplayContext& context, const Strategy& strategy);

/// Seed of a layer's placements: the same at every refresh, so that nothing moves for no reason.
std::uint64_t layer_seed(std::uint64_t seed, int layer);

}  // namespace lplb
