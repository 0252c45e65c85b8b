#pragma once

// A placement that knows which split will follow: where experts live and which are copied where, chosen together from a
// window of recent batches, so that the largest load after the optimal split is small on the batches to come. docs/
// placement.md says how it is searched and what it is measured on.

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lplb/placement.h"
#include "lplb/placement_limits.h"
#include "lplb/types.h"

namespace lplb {

/// What a placement must keep to.
struct PlacementRules {
  int num_logical = 0;
  int num_ranks = 1;
  int num_nodes = 1;
  /// Slots of a rank. `slots` [G], where given, is used instead: ranks may differ. A placement has the largest number
  /// on every rank; what a rank has not stays empty.
  int slots_per_rank = 0;
  std::vector<std::int32_t> slots = {};
  /// Copies of an expert stay within one block of this many consecutive ranks (a node, an EP subgroup); 0 = anywhere.
  int copies_within = 0;
  /// Experts come in this many groups of consecutive ids (group-limited routing). More than one: a multiple of
  /// num_nodes, and all experts of a group stay on one node.
  int num_groups = 1;
  std::vector<std::uint8_t> live = {};  // [G], empty = all; dead ranks hold nothing
};

/// The kinds of batches that a placement is judged on.
enum class Scenario : std::uint8_t {
  kRecorded,  // the window
  kNoise,     // as the window's batches differ among each other, in new combinations
  kDrift,     // three times as much
  kShift,     // the same loads on other experts, as when the domain of the text changes
};
inline constexpr int kNumScenarios = 4;

/// The objective, lower is better: the sum over scenarios of weight * ln(excess + floor) + linear * excess. The excess
/// of a scenario is the mean over its batches of the imbalance (largest rank load after the optimal split / mean rank
/// load) minus 1, with the part `tail` of it replaced by the mean of the worst tenth. The logarithm sees to it that in
/// each scenario balance is bought where it costs the others little; the linear part rules where balance is far away.
struct PlacementObjective {
  std::array<double, kNumScenarios> weight = {0.2, 0.2, 0.2, 0.6};
  std::array<double, kNumScenarios> floor = {0.004, 0.004, 0.1, 0.2};
  std::array<double, kNumScenarios> linear = {1, 1, 0.3, 0.05};
  double tail = 0.1;
  /// Excess imbalance that a moved copy costs, added to that of kRecorded and kNoise: time to move one expert's weights
  /// / time of the expert computation of a layer until the next refresh.
  double move_price = 0;
};

struct OptimizeArgs {
  PlacementRules rules;
  PlacementObjective objective = {};
  const Placement* current = nullptr;  // what is there now; may hold experts on ranks that are dead
  int max_moved = -1;                  // copies that may be on a rank where `current` has them not; -1 = any number
  std::int64_t num_moves = 8000;       // tried by a chain: the effort
  int num_chains = 2;                  // from the best starts; the best result is taken
  double time_limit_s = 0;             // 0 = none. Otherwise the result depends on the machine's speed
  std::uint64_t seed = 0;
  int num_threads = 0;  // 0 = one per core; results do not depend on it
  /// Called from one thread at a time with (moves done, moves in all); may be empty.
  std::function<void(std::int64_t, std::int64_t)> progress = {};
};

/// How good a placement is by the objective, measured with the exact split.
struct PlacementScore {
  double objective = 0;
  /// Mean imbalance, and the mean of the worst tenth, by scenario.
  std::array<double, kNumScenarios> imbalance = {};
  std::array<double, kNumScenarios> tail_imbalance = {};
};

struct OptimizeResult {
  Placement placement;
  PlacementScore score = {};
  std::string start = {};  // the start that the result grew from: "current", "eplb-distinct", "torus", "greedy", ...
  PlacementScore start_score = {};  // of that start
  double best_start_objective = 0;  // of the best start; score.objective is never larger
  int num_moved = 0;                // copies that `current` has not; 0 without one
  std::int64_t num_moves = 0;       // tried, all chains
  std::int64_t num_accepted = 0;
};

/// Places one layer. `window` [T, E]: tokens per expert of T batches, the latest last. Starts from EPLB, from LPLB's
/// topologies, from a greedy placement that keeps all rules, and from `current`, each where it keeps the rules, and
/// ends no worse than the best of them on the objective. Never two copies of an expert on a rank. Slots keep their
/// expert where `current` has it on the same rank. Deterministic for a seed without a time limit.
/// O(num_chains * num_moves) levellings of a few ranks in 100 batches; 256 experts on 64 ranks: about 10 us a move.
/// Throws InvalidArgument when the rules leave no placement, when `current` does not fit them, or when max_moved does
/// not allow what they demand.
///
///     OptimizeResult best = optimize_placement(window, {.rules = {.num_logical = 256, .num_ranks = 32,
///                                                                 .slots_per_rank = 9}});
OptimizeResult optimize_placement(std::span<const Tokens> window, const OptimizeArgs& args);

/// Judges any placement by the objective, on the same batches as optimize_placement does with this seed.
PlacementScore score_placement(std::span<const Tokens> window, const Placement& placement,
                               const PlacementObjective& objective, const PlacementRules& rules,
                               std::uint64_t seed = 0);

/// The best placements for several limits on the copies moved from args.current, each at least as good as that of a
/// smaller limit. `limits` ascending, -1 (no limit) last. [limits]
std::vector<OptimizeResult> optimize_trade_off(std::span<const Tokens> window, const OptimizeArgs& args,
                                               std::span<const int> limits);

/// `num_slots` dealt to the live ranks (`live` [G], empty = all): equal numbers, and one more on some. With `turn` = 0
/// these are the first ranks; further turns go on where the one before ended. [G], 0 on dead ranks. Throws
/// InvalidArgument where no rank is alive.
std::vector<std::int32_t> deal_slots(int num_slots, int num_ranks, std::span<const std::uint8_t> live = {},
                                     int turn = 0);

struct LayersResult {
  std::vector<OptimizeResult> layers;
  std::vector<int> num_slots;  // [L] slots of each layer, all ranks together
};

/// Places layers in parallel. `windows` [L, T, E]; `current` [L] or empty. With total_slots > 0 the slots of all layers
/// together are shared out, at least num_logical a layer, where further ones help most; within a layer ranks get equal
/// numbers, or one more on some. Layer l uses seed + l. args.progress counts layers; it is called within them, too, so
/// that an exception of it ends the search soon.
LayersResult optimize_layers(std::span<const Tokens> windows, int num_layers, const OptimizeArgs& args,
                             std::span<const Placement> current = {}, int total_slots = 0);

/// What limits a placement over a window, at most `most` ranks and experts.
PlacementLimits find_limits(std::span<const Tokens> window, const Placement& placement, int most = 8);

/// When a new placement is worth its moves: its expected gain in imbalance, summed over the batches until the next
/// refresh, must exceed the cost of the moves by the factor `hysteresis`, and be at least `least_gain` a batch.
struct RefreshPolicy {
  double cost_per_copy = 0;   // of one moved copy, in batches of perfect balance (time to move / time of a batch)
  double hysteresis = 1.5;    // at least 1
  double least_gain = 0.002;  // mean imbalance
};
struct RefreshDecision {
  bool refresh = false;
  double gain = 0;  // mean imbalance over the expected batches, now minus then
  double cost = 0;  // moves, in the same unit
};
/// `now` and `then` are scores of the current and of the proposed placement; `num_batches` until the next decision.
RefreshDecision decide_refresh(const RefreshPolicy& policy, const PlacementScore& now, const PlacementScore& then,
                               int num_moved, int num_batches);

}  // namespace lplb
