// The order of an optimization: batches to judge on, starts, chains of the search from the best of them, the best
// result by the exact judge. Starts are EPLB, LPLB's topologies, a greedy placement, and the current one.

#include "lplb/optimize.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "lplb/policy.h"
#include "optimize/anneal.h"
#include "optimize/starts.h"
#include "planner/placement_judge.h"

namespace lplb {
namespace {

constexpr const char* kName = "[optimize_placement] ";
constexpr const char* kPolicies[] = {"eplb-distinct", "cube", "hypercube", "torus", "ring"};

// Every move of a small placement matters much, so that a cold search stays where it starts; but it is soon searched
// through, so that there is time to cool down from any placement several times.
constexpr int kFewSlots = 32;
constexpr double kHot = 1.0;
constexpr int kCyclesOfFewSlots = 8;

std::vector<double> mean_load(std::span<const Tokens> window, int num_logical) {
  std::vector<double> load(num_logical, 0.0);
  for (std::size_t i = 0; i < window.size(); ++i) {
    load[i % num_logical] += window[i];
  }
  return load;
}

bool is_positive(double x) { return x > 0 && std::isfinite(x); }
bool is_not_negative(double x) { return x >= 0 && std::isfinite(x); }

void check_objective(const PlacementObjective& objective) {
  check(
      std::ranges::all_of(objective.weight, is_not_negative) && std::ranges::all_of(objective.linear, is_not_negative),
      kName, "objective.weight and objective.linear must be finite and not negative");
  check(std::ranges::any_of(objective.weight, is_positive) || std::ranges::any_of(objective.linear, is_positive), kName,
        "objective.weight and objective.linear must not both be all 0");
  check(std::ranges::all_of(objective.floor, is_positive), kName, "objective.floor must be finite and above 0");
  check(objective.tail >= 0 && objective.tail <= 1, kName, "objective.tail (", objective.tail, ") must be in 0..1");
  check(is_not_negative(objective.move_price), kName, "objective.move_price (", objective.move_price,
        ") must be finite and not negative");
}

void check_args(const OptimizeArgs& args) {
  check_objective(args.objective);
  check(args.num_moves >= 0, kName, "num_moves (", args.num_moves, ") must not be negative");
  check(args.num_chains >= 1, kName, "num_chains (", args.num_chains, ") must be at least 1");
  check(is_not_negative(args.time_limit_s), kName, "time_limit_s (", args.time_limit_s,
        ") must be finite and not negative");
  const bool needs_current = args.max_moved >= 0 || args.objective.move_price > 0;
  check(!needs_current || args.current != nullptr, kName, "max_moved and move_price need a current placement");
}

class Optimizer {
 public:
  Optimizer(std::span<const Tokens> window, const OptimizeArgs& args)
      : args_(args),
        rules_(make_search_rules(args.rules)),
        num_logical_(args.rules.num_logical),
        load_(mean_load(window, num_logical_)),
        sampler_(window, num_logical_, rules_.num_usable_ranks()),
        judge_(sampler_, window, num_logical_, args.objective, args.seed),
        stride_(std::ranges::max(rules_.slots)) {
    complete_rules();
  }

  OptimizeResult run(std::span<const Placement> more_starts) {
    find_starts(more_starts);
    std::vector<int> order(starts_.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](int a, int b) { return objective(starts_[a]) < objective(starts_[b]); });
    const int num_chains = std::min<int>(args_.num_chains, args_.num_moves > 0 ? 64 : 0);
    std::vector<std::optional<Candidate>> found(num_chains);
    run_chains(order, found);
    const Candidate* best = &starts_[order.front()];
    OptimizeResult result{.placement = best->placement, .best_start_objective = objective(*best)};
    for (const auto& candidate : found) {
      result.num_moves += candidate->num_moves;
      result.num_accepted += candidate->num_accepted;
      if (objective(*candidate) < objective(*best)) {
        best = &*candidate;
      }
    }
    result.placement = best->placement;
    result.score = best->score;
    result.start = starts_[best->start].name;
    result.start_score = starts_[best->start].score;
    result.num_moved = best->num_moved;
    return result;
  }

 private:
  struct Candidate {
    Placement placement;
    PlacementScore score;
    int num_moved = 0;
    int start = 0;  // index into starts_
    std::string name = {};
    std::int64_t num_moves = 0;
    std::int64_t num_accepted = 0;
  };

  static double objective(const Candidate& candidate) { return candidate.score.objective; }

  bool grouped() const { return args_.rules.num_groups > 1 && args_.rules.num_nodes > 1; }

  void complete_rules() {
    rules_.max_moved = args_.max_moved;
    std::vector<std::int32_t> home(args_.rules.num_groups, kNone);  // groups stay where they are
    if (args_.current != nullptr) {
      note_current(home);
    }
    if (grouped()) {
      rules_.node_of_expert = assign_groups(args_.rules, load_, std::move(home));
    }
  }

  void note_current(std::vector<std::int32_t>& home) {
    const Placement& current = *args_.current;
    check(current.num_logical() == num_logical_ && current.num_ranks() == args_.rules.num_ranks, kName, "current has ",
          current.num_logical(), " experts on ", current.num_ranks(), " ranks; the rules say ", num_logical_, " on ",
          args_.rules.num_ranks);
    rules_.was_there.assign(static_cast<std::size_t>(current.num_ranks()) * num_logical_, 0);
    for (int slot = 0; slot < current.num_physical(); ++slot) {
      const std::int32_t e = current.phy2log()[slot];
      const int rank = current.rank_of(slot);
      if (e != kNone) {
        rules_.was_there[static_cast<std::size_t>(rank) * num_logical_ + e] = 1;
        std::int32_t& node = home[e / (num_logical_ / args_.rules.num_groups)];
        check(!grouped() || node == kNone || node == rules_.node_of_rank[rank], kName,
              "current breaks the rules: expert ", e, " is on another node than its group");
        node = rules_.node_of_rank[rank];
      }
    }
  }

  Candidate judged(std::vector<std::int32_t> phy2log, int start) const {
    if (args_.current != nullptr) {
      align_slots(rules_, *args_.current, phy2log);
    }
    int num_moved = 0;
    for (std::size_t slot = 0; slot < phy2log.size(); ++slot) {
      num_moved += rules_.moved(static_cast<int>(slot) / stride_, phy2log[slot]);
    }
    Placement placement(std::move(phy2log), num_logical_, args_.rules.num_ranks, args_.rules.num_nodes);
    PlacementScore score = judge_.judge(placement, args_.rules.live, num_moved);
    return {.placement = std::move(placement), .score = score, .num_moved = num_moved, .start = start};
  }

  void add_start(const std::string& name, std::vector<std::int32_t> phy2log) {
    Candidate candidate = judged(std::move(phy2log), static_cast<int>(starts_.size()));
    if (args_.max_moved < 0 || candidate.num_moved <= args_.max_moved) {
      candidate.name = name;
      starts_.push_back(std::move(candidate));
    }
  }

  /// A placement of another shape, in the search's: the same experts on each rank.
  std::vector<std::int32_t> restrided(const Placement& placement) const {
    std::vector<std::int32_t> phy2log(rules_.slots.size() * stride_, kNone);
    std::vector<int> num_used(rules_.slots.size(), 0);
    for (int slot = 0; slot < placement.num_physical(); ++slot) {
      const int rank = placement.rank_of(slot);
      if (placement.phy2log()[slot] != kNone) {
        phy2log[rank * stride_ + num_used[rank]++] = placement.phy2log()[slot];
      }
    }
    return phy2log;
  }

  void find_starts(std::span<const Placement> more_starts) {
    if (args_.current != nullptr) {
      add_start("current", repair_current(rules_, *args_.current, load_));
      check(!starts_.empty(), kName, "max_moved (", args_.max_moved,
            ") is less than the copies that must move because their ranks or slots are gone");
    }
    for (const Placement& start : more_starts) {
      add_start("earlier", restrided(start));
    }
    if (args_.max_moved >= 0) {
      return;  // whatever else there is moves more
    }
    add_start("greedy", greedy_start(rules_, load_));
    const bool even = std::ranges::all_of(rules_.slots, [&](int slots) { return slots == stride_; });
    const PolicyArgs shape{.num_logical = num_logical_,
                           .num_physical = stride_ * args_.rules.num_ranks,
                           .num_ranks = args_.rules.num_ranks,
                           .num_nodes = args_.rules.num_nodes,
                           .num_groups = args_.rules.num_groups};
    for (const char* policy : kPolicies) {
      if (!even) {
        break;
      }
      try {
        const Placement placement = place_layer(policy, shape, load_);
        if (find_violation(rules_, placement).empty()) {
          add_start(policy, restrided(placement));
        }
      } catch (const InvalidArgument&) {
        continue;  // the policy does not apply to this shape
      }
    }
  }

  void run_chains(const std::vector<int>& order, std::vector<std::optional<Candidate>>& found) {
    std::vector<std::int64_t> done(found.size(), 0);
    std::mutex mutex;
    const auto report = [&](int chain, std::int64_t num_moves) {
      if (args_.progress) {
        const std::lock_guard lock(mutex);
        done[chain] = num_moves;
        args_.progress(std::accumulate(done.begin(), done.end(), std::int64_t{0}),
                       args_.num_moves * static_cast<std::int64_t>(found.size()));
      }
    };
    parallel_for(static_cast<int>(found.size()), args_.num_threads, [&](int chain, int) {
      const Candidate& start = starts_[order[chain % order.size()]];
      const auto phy2log = start.placement.phy2log();
      AnnealResult result = anneal(Arrangement(rules_.slots, {phy2log.begin(), phy2log.end()}, num_logical_), sampler_,
                                   rules_, chain_args(chain, [&](std::int64_t moves) { report(chain, moves); }));
      report(chain, args_.num_moves);
      found[chain] = judged(std::move(result.phy2log), start.start);
      found[chain]->num_moves = result.num_moves;
      found[chain]->num_accepted = result.num_accepted;
    });
  }

  AnnealArgs chain_args(int chain, std::function<void(std::int64_t)> report) const {
    AnnealArgs result{.num_moves = args_.num_moves,
                      .objective = args_.objective,
                      .seed = mix64(args_.seed) + static_cast<std::uint64_t>(chain)};
    if (std::accumulate(rules_.slots.begin(), rules_.slots.end(), 0) <= kFewSlots) {
      result.first_temperature = kHot;
      result.num_cycles = kCyclesOfFewSlots;
    }
    result.go_on = [this, report = std::move(report)](std::int64_t num_moves) {
      report(num_moves);
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin_;
      return args_.time_limit_s <= 0 || elapsed.count() < args_.time_limit_s;
    };
    return result;
  }

  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  const OptimizeArgs& args_;
  SearchRules rules_;
  int num_logical_;
  std::vector<double> load_;  // [E] sums over the window
  ScenarioSampler sampler_;
  PlacementJudge judge_;
  int stride_;
  std::vector<Candidate> starts_;
};

/// `more_starts` keep the rules of `args`.
OptimizeResult optimize_from(std::span<const Tokens> window, const OptimizeArgs& args,
                             std::span<const Placement> more_starts) {
  check_window("optimize_placement", window, args.rules.num_logical);
  check_args(args);
  return Optimizer(window, args).run(more_starts);
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
