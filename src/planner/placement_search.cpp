// Starts are EPLB, LPLB's topologies, a greedy placement, and the current one, each where it keeps the rules; chains
// start from the best of them in turn.

#include "planner/placement_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "lplb/policy.h"
#include "optimize/starts.h"

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

void check_args(const OptimizeArgs& args) {
  check_objective(args.objective);
  check(args.num_moves >= 0, kName, "num_moves (", args.num_moves, ") must not be negative");
  check(args.num_chains >= 1, kName, "num_chains (", args.num_chains, ") must be at least 1");
  check(is_not_negative(args.time_limit_s), kName, "time_limit_s (", args.time_limit_s,
        ") must be finite and not negative");
  const bool needs_current = args.max_moved >= 0 || args.objective.move_price > 0;
  check(!needs_current || args.current != nullptr, kName, "max_moved and move_price need a current placement");
}

OptimizeArgs checked(std::span<const Tokens> window, OptimizeArgs args) {
  check_window("optimize_placement", window, args.rules.num_logical);
  check_args(args);
  return args;
}

}  // namespace

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

PlacementSearch::PlacementSearch(std::span<const Tokens> window, OptimizeArgs args,
                                 std::span<const Placement> more_starts)
    : args_(checked(window, std::move(args))),
      rules_(make_search_rules(args_.rules)),
      num_logical_(args_.rules.num_logical),
      load_(mean_load(window, num_logical_)),
      sampler_(window, num_logical_, rules_.num_usable_ranks()),
      judge_(sampler_, window, num_logical_, args_.objective, args_.seed),
      stride_(std::ranges::max(rules_.slots)) {
  complete_rules();
  find_starts(more_starts);
}

std::vector<AnnealJob> PlacementSearch::jobs() {
  std::vector<int> order(starts_.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int a, int b) { return objective(starts_[a]) < objective(starts_[b]); });
  const int num_chains = std::min<int>(args_.num_chains, args_.num_moves > 0 ? 64 : 0);
  done_.assign(num_chains, 0);
  start_of_chain_.clear();
  std::vector<AnnealJob> jobs;
  for (int chain = 0; chain < num_chains; ++chain) {
    start_of_chain_.push_back(order[chain % order.size()]);
    jobs.push_back({.phy2log = starts_[start_of_chain_.back()].placement.phy2log(),
                    .sampler = &sampler_,
                    .rules = &rules_,
                    .args = chain_args(chain)});
  }
  return jobs;
}

OptimizeResult PlacementSearch::finish(std::vector<AnnealResult> ends) {
  std::vector<std::optional<Candidate>> found(ends.size());
  parallel_for(static_cast<int>(ends.size()), args_.num_threads, [&](int chain, int) {
    found[chain] = judged(std::move(ends[chain].phy2log), start_of_chain_[chain]);
    report(chain, args_.num_moves);
  });
  const Candidate* best = &*std::ranges::min_element(
      starts_, [](const Candidate& a, const Candidate& b) { return objective(a) < objective(b); });
  OptimizeResult result{.placement = best->placement, .best_start_objective = objective(*best)};
  for (std::size_t chain = 0; chain < ends.size(); ++chain) {
    result.num_moves += ends[chain].num_moves;
    result.num_accepted += ends[chain].num_accepted;
    if (objective(*found[chain]) < objective(*best)) {
      best = &*found[chain];
    }
  }
  result.placement = best->placement;
  result.score = best->score;
  result.start = starts_[best->start].name;
  result.start_score = starts_[best->start].score;
  result.num_moved = best->num_moved;
  return result;
}

void PlacementSearch::complete_rules() {
  rules_.max_moved = args_.max_moved;
  std::vector<std::int32_t> home(args_.rules.num_groups, kNone);  // groups stay where they are
  if (args_.current != nullptr) {
    note_current(home);
  }
  if (grouped()) {
    rules_.node_of_expert = assign_groups(args_.rules, load_, std::move(home));
  }
}

void PlacementSearch::note_current(std::vector<std::int32_t>& home) {
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

PlacementSearch::Candidate PlacementSearch::judged(std::vector<std::int32_t> phy2log, int start) const {
  if (args_.current != nullptr) {
    align_slots(rules_, *args_.current, phy2log);
  }
  int num_moved = 0;
  for (std::size_t slot = 0; slot < phy2log.size(); ++slot) {
    num_moved += rules_.view().moved(static_cast<int>(slot) / stride_, phy2log[slot]);
  }
  Placement placement(std::move(phy2log), num_logical_, args_.rules.num_ranks, args_.rules.num_nodes);
  PlacementScore score = judge_.judge(placement, args_.rules.live, num_moved);
  return {.placement = std::move(placement), .score = score, .num_moved = num_moved, .start = start};
}

void PlacementSearch::add_start(const std::string& name, std::vector<std::int32_t> phy2log) {
  Candidate candidate = judged(std::move(phy2log), static_cast<int>(starts_.size()));
  if (args_.max_moved < 0 || candidate.num_moved <= args_.max_moved) {
    candidate.name = name;
    starts_.push_back(std::move(candidate));
  }
}

/// A placement of another shape, in the search's: the same experts on each rank.
std::vector<std::int32_t> PlacementSearch::restrided(const Placement& placement) const {
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

void PlacementSearch::find_starts(std::span<const Placement> more_starts) {
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
  add_policies();
}

void PlacementSearch::add_policies() {
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

AnnealArgs PlacementSearch::chain_args(int chain) {
  AnnealArgs result{.num_moves = args_.num_moves,
                    .objective = args_.objective,
                    .seed = mix64(args_.seed) + static_cast<std::uint64_t>(chain)};
  if (std::accumulate(rules_.slots.begin(), rules_.slots.end(), 0) <= kFewSlots) {
    result.first_temperature = kHot;
    result.num_cycles = kCyclesOfFewSlots;
  }
  result.go_on = [this, chain](std::int64_t num_moves) {
    report(chain, num_moves);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin_;
    return args_.time_limit_s <= 0 || elapsed.count() < args_.time_limit_s;
  };
  return result;
}

void PlacementSearch::report(int chain, std::int64_t num_moves) {
  if (args_.progress) {
    const std::lock_guard lock(mutex_);
    done_[chain] = num_moves;
    args_.progress(std::accumulate(done_.begin(), done_.end(), std::int64_t{0}),
                   args_.num_moves * static_cast<std::int64_t>(done_.size()));
  }
}

}  // namespace lplb
