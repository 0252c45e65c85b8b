// The public functions around one search: a placement, the curve over limits on moves, the score of any placement.

#include "lplb/optimize.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "planner/placement_judge.h"
#include "planner/placement_search.h"

namespace lplb {
namespace {

/// `more_starts` keep the rules of `args`.
OptimizeResult optimize_from(std::span<const Tokens> window, const OptimizeArgs& args,
                             std::span<const Placement> more_starts) {
  PlacementSearch search(window, args, more_starts);
  const std::vector<AnnealJob> jobs = search.jobs();
  std::vector<AnnealResult> ends(jobs.size());
  parallel_for(static_cast<int>(jobs.size()), args.num_threads, [&](int i, int) { ends[i] = anneal(jobs[i]); });
  return search.finish(std::move(ends));
}

}  // namespace

OptimizeResult optimize_placement(std::span<const Tokens> window, const OptimizeArgs& args) {
  return optimize_from(window, args, {});
}

std::vector<OptimizeResult> optimize_trade_off(std::span<const Tokens> window, const OptimizeArgs& args,
                                               std::span<const int> limits) {
  check(args.current != nullptr, "[optimize_trade_off] needs a current placement");
  for (std::size_t i = 1; i < limits.size(); ++i) {
    const bool ascending = limits[i] < 0 || (limits[i - 1] >= 0 && limits[i] >= limits[i - 1]);
    check(ascending, "[optimize_trade_off] limits must ascend, with -1 (no limit) last");
  }
  std::vector<OptimizeResult> curve;
  std::vector<Placement> earlier;
  OptimizeArgs limited = args;
  for (const int limit : limits) {
    limited.max_moved = limit;
    curve.push_back(optimize_from(window, limited, earlier));
    earlier.assign(1, curve.back().placement);
  }
  return curve;
}

PlacementScore score_placement(std::span<const Tokens> window, const Placement& placement,
                               const PlacementObjective& objective, const PlacementRules& rules, std::uint64_t seed) {
  check_window("score_placement", window, rules.num_logical);
  check_objective(objective);
  check(placement.num_logical() == rules.num_logical && placement.num_ranks() == rules.num_ranks,
        "[score_placement] placement has ", placement.num_logical(), " experts on ", placement.num_ranks(),
        " ranks; the rules say ", rules.num_logical, " on ", rules.num_ranks);
  const SearchRules search_rules = make_search_rules(rules);
  const ScenarioSampler sampler(window, rules.num_logical, search_rules.num_usable_ranks());
  return PlacementJudge(sampler, window, rules.num_logical, objective, seed).judge(placement, rules.live, 0);
}

}  // namespace lplb
