#pragma once

// What the policy "optimize" found, for printing.

#include <string>
#include <vector>

#include "place.h"
#include "windows.h"

namespace lplb::cli {

/// A placement of every layer, judged by the objective on the same batches as all others.
struct Judged {
  std::string name;
  std::vector<PlacementScore> layers = {};  // empty where it does not apply
  std::string obstacle = {};                // why
};

/// One point of the curve of moves against balance.
struct TradeOff {
  MoveLimit limit = {};
  std::vector<OptimizeResult> layers = {};
};

struct OptimizedPlaces {
  LayersResult result;
  std::vector<Judged> judged = {};  // what it is compared with, this placement the last
  int worst_layer = 0;              // on the window
  PlacementLimits limits = {};      // of that layer
  std::vector<TradeOff> curve = {};
  std::size_t chosen = 0;  // point of the curve that is `result`
};

void print_optimized(const PlaceOptions& options, const LayerWindows& windows, const OptimizedPlaces& places,
                     Output& output);

/// What the JSON has besides that of every policy.
void add_optimized_json(const PlaceOptions& options, const LayerWindows& windows, const OptimizedPlaces& places,
                        Json& json);

}  // namespace lplb::cli
