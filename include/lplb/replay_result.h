#pragma once

// What a replay found: one entry a strategy, with the series that the report draws.

#include <cstdint>
#include <string>
#include <vector>

#include "lplb/placement_limits.h"

namespace lplb {

struct Distribution {
  double mean = 0;
  double p50 = 0;
  double p99 = 0;
  double max = 0;
};

struct StrategyResult {
  std::string name;                 // "eplb+split"
  std::string description;          // one sentence
  std::string skipped;              // not empty: why the strategy does not apply here; the rest is then empty
  Distribution imbalance;           // max / mean over ranks, over judged (step, layer) pairs
  Distribution balancedness;        // mean / max
  double certificate_ranks = 0;     // mean size of the bottleneck set; 0 for strategies without a split
  double cross_rank_fraction = -1;  // tokens that leave their rank; -1 = the trace has no source ranks
  double cross_node_fraction = -1;
  std::int64_t copies_moved = 0;       // over all refreshes and layers, the first placement not counted
  int num_refreshes = 0;               // placements of one layer, the first included
  std::int64_t refreshes_made = 0;     // refreshes of a layer that moved a copy; the others were not worth it, or found
                                       // the same placement. Of (num_refreshes - 1) * layers
  Distribution plan_us;                // time of one plan; 0 for strategies without one
  Distribution place_us;               // time of one placement of one layer
  std::vector<double> step_imbalance;  // [judged steps] mean over layers
  std::vector<double> layer_imbalance;  // [layers] mean over judged steps
  std::vector<float> rank_load;         // [judged steps, ranks] of the worst layer, relative to the mean
  double worst_imbalance = 0;
  int worst_step = 0;
  int worst_layer = 0;  // as numbered in the trace
  int worst_rank = 0;
  /// Of the heat map's layer: its last placement over the window that this came from. Strategies that choose for the
  /// split alone; else without ranks.
  PlacementLimits limits = {};
};

struct ReplayResult {
  std::string trace_name;
  int num_steps = 0;
  int num_layers = 0;
  int num_experts = 0;
  int num_sources = 0;
  double tokens_per_step = 0;  // mean token-expert pairs of one step and layer
  int num_ranks = 0;
  int num_nodes = 0;
  int num_redundant = 0;  // slots a rank
  int window = 0;
  int refresh = 0;
  std::uint64_t seed = 0;
  std::vector<int> layers;        // as numbered in the trace
  std::vector<int> judged_steps;  // steps of the trace that follow a placement
  int heatmap_layer = 0;          // the layer that StrategyResult::rank_load shows: the worst one of "none"
  std::vector<StrategyResult> strategies;
};

}  // namespace lplb
