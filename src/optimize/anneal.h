#pragma once

// Simulated annealing over arrangements (Kirkpatrick, Gelatt, Vecchi: Optimization by simulated annealing, Science
// 1983). A move is judged by levelling what it touched in every lane; lanes of drawn batches are drawn anew all the
// time, so that the placement learns their distribution and not the batches.

#include <cstdint>
#include <functional>

#include "optimize/arrangement.h"
#include "optimize/lane_block.h"
#include "optimize/scenarios.h"
#include "optimize/score.h"
#include "optimize/search_rules.h"

namespace lplb {

struct AnnealArgs {
  std::int64_t num_moves = 8000;
  double first_temperature = 0.004;
  double last_temperature = 1e-4;
  int num_cycles = 1;                                        // coolings, one after the other; the best end is taken
  std::array<int, kNumScenarios> num_blocks = {4, 4, 3, 6};  // of lanes; recorded: at most, as the window has batches
  std::int64_t redraw_interval = 20;                         // moves between two blocks that are drawn anew
  RelaxLimits relax = {};
  PlacementObjective objective = {};
  std::uint64_t seed = 0;
  /// Called now and then with the moves made; false stops.
  std::function<bool(std::int64_t)> go_on = {};
};

struct AnnealResult {
  std::vector<std::int32_t> phy2log;  // [G * stride]
  std::int64_t num_moves = 0;
  std::int64_t num_accepted = 0;
  double score = 0;  // on the lanes of the end
};

AnnealResult anneal(Arrangement arrangement, const ScenarioSampler& sampler, const SearchRules& rules,
                    const AnnealArgs& args);

}  // namespace lplb
