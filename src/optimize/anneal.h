#pragma once

// Simulated annealing over arrangements (Kirkpatrick, Gelatt, Vecchi: Optimization by simulated annealing, Science
// 1983). A move is judged by levelling what it touched in every lane; lanes of drawn batches are drawn anew all the
// time, so that the placement learns their distribution and not the batches.

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "optimize/arrangement.h"
#include "optimize/chain.h"
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
  RelaxLimits relax = {};
  PlacementObjective objective = {};
  std::uint64_t seed = 0;
  /// Called now and then with the moves made; false stops.
  std::function<bool(std::int64_t)> go_on = {};
};

inline constexpr int kRestartSweeps = 20;
inline constexpr std::int64_t kRedrawInterval = 20;  // moves between two blocks that are drawn anew

/// One chain to run; everything lives until it has run.
struct AnnealJob {
  std::span<const std::int32_t> phy2log;  // [G * stride] where it starts
  const ScenarioSampler* sampler = nullptr;
  const SearchRules* rules = nullptr;
  AnnealArgs args = {};
};

struct AnnealResult {
  std::vector<std::int32_t> phy2log;  // [G * stride]
  std::int64_t num_moves = 0;
  std::int64_t num_accepted = 0;
  double score = 0;  // on the lanes of the end
};

/// The blocks of a chain, still without their loads.
std::vector<ChainBlock> make_chain_blocks(const AnnealJob& job);
Cooling cooling_of(const AnnealArgs& args);

/// Weights of the lanes of a recorded block: the latest batches, each once; lanes that are left over count nothing.
constexpr double recorded_lane_weight(const SamplerView& sampler, int from_end) {
  return from_end < sampler.num_batches ? sampler.recorded_weight[sampler.num_batches - 1 - from_end] : 0;
}
/// The batch in a lane of a recorded block; lanes that are left over repeat the latest.
constexpr int recorded_lane_batch(const SamplerView& sampler, int from_end) {
  return sampler.num_batches - 1 - (from_end < sampler.num_batches ? from_end : 0);
}

AnnealResult anneal(const AnnealJob& job);

}  // namespace lplb
