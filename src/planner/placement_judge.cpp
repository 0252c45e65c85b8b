#include "planner/placement_judge.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"
#include "optimize/score.h"

namespace lplb {
namespace {

// Batches drawn of each scenario, in blocks of lanes; of the window, all.
constexpr std::array<int, kNumScenarios> kNumBlocks = {0, 4, 4, 8};

}  // namespace

void check_window(const char* function, std::span<const Tokens> window, int num_logical) {
  check(num_logical >= 1, "[", function, "] num_logical (", num_logical, ") must be at least 1");
  check(!window.empty() && window.size() % num_logical == 0, "[", function, "] window has ", window.size(),
        " entries; it must be [T, E] with E = ", num_logical, " and at least one batch");
  for (std::size_t begin = 0; begin < window.size(); begin += num_logical) {
    const auto batch = window.subspan(begin, num_logical);
    const auto bad = std::ranges::find_if(batch, [](Tokens tokens) { return tokens < 0; });
    check(bad == batch.end(), "[", function, "] window[", begin / num_logical, "] has a negative count");
    const auto total = std::accumulate(batch.begin(), batch.end(), std::int64_t{0});
    check(total > 0 && total <= std::numeric_limits<Tokens>::max(), "[", function, "] window[", begin / num_logical,
          "] has ", total, " tokens; a batch must have between 1 and 2^31 - 1");
  }
}

PlacementJudge::PlacementJudge(const ScenarioSampler& sampler, std::span<const Tokens> window, int num_logical,
                               const PlacementObjective& objective, std::uint64_t seed)
    : objective_(objective), num_live_(sampler.num_live()) {
  for (int batch = 0; batch < sampler.num_batches(); ++batch) {
    const auto counts = window.subspan(static_cast<std::size_t>(batch) * num_logical, num_logical);
    if (sampler.recorded_weight(batch) > 0) {
      batches_[0].push_back({{counts.begin(), counts.end()}, sampler.recorded_weight(batch)});
    }
  }
  Rng rng(mix64(seed ^ 0x6a756467ULL));
  std::vector<LaneValues> drawn(num_logical);
  for (int scenario = 1; scenario < kNumScenarios; ++scenario) {
    for (int block = 0; block < kNumBlocks[scenario]; ++block) {
      sampler.draw(static_cast<Scenario>(scenario), rng, drawn);
      for (int lane = 0; lane < kLanes; ++lane) {
        Batch batch{std::vector<Tokens>(num_logical), 1.0};
        std::ranges::transform(drawn, batch.counts.begin(), [&](const LaneValues& load) {
          return static_cast<Tokens>(std::llround(load[lane] * sampler.tokens_per_rank()));
        });
        batches_[scenario].push_back(std::move(batch));
      }
    }
  }
}

PlacementScore PlacementJudge::judge(const Placement& placement, std::span<const std::uint8_t> live,
                                     int num_moved) const {
  const SplitGraph graph(placement, live);
  SolveWorkspace workspace;
  Plan plan;
  PlacementScore score;
  std::vector<double> excess;
  std::vector<double> weights;
  for (int scenario = 0; scenario < kNumScenarios; ++scenario) {
    excess.clear();
    weights.clear();
    for (const Batch& batch : batches_[scenario]) {
      solve(graph, batch.counts, {}, workspace, plan);
      const double total = std::accumulate(batch.counts.begin(), batch.counts.end(), 0.0);
      // The least that whole tokens allow counts as perfect.
      const double perfect = std::ceil(total / num_live_);
      excess.push_back(plan.max_load / perfect - 1);
      weights.push_back(batch.weight);
    }
    score.imbalance[scenario] = 1 + scenario_excess(excess, weights, 0);
    score.tail_imbalance[scenario] = 1 + tail_excess(excess);
    const double priced =
        scenario_excess(excess, weights, objective_.tail) + move_cost(objective_, scenario, num_moved);
    score.objective += scenario_score(objective_, scenario, priced);
  }
  return score;
}

}  // namespace lplb
