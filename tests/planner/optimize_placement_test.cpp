// Placements chosen by the split that follows: what holds for any rules and window, whatever the search finds.

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "lplb/optimize.h"
#include "support/expect_throw.h"
#include "support/random_rules.h"
#include "support/rapid_instance.h"

namespace lplb {
namespace {

using namespace lplb::testing;

using Window = std::vector<Tokens>;

constexpr int kRecorded = static_cast<int>(Scenario::kRecorded);
constexpr std::int64_t kFewMoves = 150;

OptimizeArgs few_moves(const PlacementRules& rules) {
  return {.rules = rules, .num_moves = kFewMoves, .num_threads = 1};
}

bool same_score(const PlacementScore& a, const PlacementScore& b) {
  return a.objective == b.objective && a.imbalance == b.imbalance && a.tail_imbalance == b.tail_imbalance;
}

/// 16 experts whose loads fall geometrically, on 4 ranks.
const PlacementRules kSixteen{.num_logical = 16, .num_ranks = 4, .slots_per_rank = 5};

Window skewed_window(int num_batches = 4, std::uint64_t seed = 1) {
  Rng rng = seeded(531, seed);
  Window window;
  for (int batch = 0; batch < num_batches; ++batch) {
    for (int e = 0; e < 16; ++e) {
      window.push_back(static_cast<Tokens>(1 + 1000 * std::pow(0.8, e) * (0.9 + 0.2 * rng.uniform())));
    }
  }
  return window;
}

TEST(OptimizePlacement, KeepsAnyRulesAndScoresAsItSays) {
  check_property(25, [](std::uint64_t seed) {
    Rng rng(seed);
    const PlacementRules rules = random_rules(rng);
    RC_LOG() << rules;
    const Window window = random_window(rng, rules.num_logical, 1 + static_cast<int>(rng.below(4)));
    OptimizeArgs args = few_moves(rules);
    args.seed = rng.below(100);
    const OptimizeResult result = optimize_placement(window, args);
    RC_ASSERT(broken_rule(rules, result.placement) == "");
    RC_ASSERT(same_score(result.score, score_placement(window, result.placement, args.objective, rules, args.seed)));
    RC_ASSERT(result.score.objective <= result.best_start_objective);
    RC_ASSERT(result.best_start_objective <= result.start_score.objective);
    RC_ASSERT(result.num_moved == 0);
    RC_ASSERT(result.num_accepted <= result.num_moves);
    RC_ASSERT(result.num_moves <= args.num_chains * args.num_moves);
  });
}

TEST(OptimizePlacement, MovesAsManyCopiesAsItSaysAndMay) {
  check_property(20, [](std::uint64_t seed) {
    Rng rng(seed);
    const PlacementRules rules = random_rules(rng);
    RC_LOG() << rules;
    OptimizeArgs args = few_moves(rules);
    args.num_moves = 60;
    args.num_chains = 1;
    const Placement current = optimize_placement(random_window(rng, rules.num_logical, 2), args).placement;
    args.current = &current;
    args.num_moves = kFewMoves;
    args.max_moved = static_cast<int>(rng.below(6)) - 1;
    args.objective.move_price = random_detail::chance(rng, 0.3) ? 0.002 : 0;
    const OptimizeResult result = optimize_placement(random_window(rng, rules.num_logical, 3), args);
    RC_ASSERT(broken_rule(rules, result.placement) == "");
    RC_ASSERT(result.num_moved == count_moved_copies(current, result.placement));
    RC_ASSERT(args.max_moved < 0 || result.num_moved <= args.max_moved);
    RC_ASSERT(result.score.objective <= result.best_start_objective);
    for (int slot = 0; slot < current.num_physical(); ++slot) {  // slots keep what stays on the rank
      const std::int32_t e = current.phy2log()[slot];
      if (e != kNone && result.placement.phy2log()[slot] != e) {
        for (const int copy : result.placement.replicas(e)) {
          RC_ASSERT(result.placement.rank_of(copy) != current.rank_of(slot));
        }
      }
    }
  });
}

TEST(OptimizePlacement, DoesNotDependOnTheThreadsAndRepeatsForASeed) {
  const Window window = skewed_window();
  OptimizeArgs args{.rules = kSixteen, .num_moves = 400, .num_chains = 3, .seed = 5, .num_threads = 1};
  const OptimizeResult one = optimize_placement(window, args);
  args.num_threads = 3;
  const OptimizeResult three = optimize_placement(window, args);
  EXPECT_EQ(one.placement, three.placement);
  EXPECT_TRUE(same_score(one.score, three.score));
  EXPECT_EQ(one.start, three.start);
  EXPECT_EQ(one.num_accepted, three.num_accepted);
}

TEST(OptimizePlacement, RunsInSeveralThreadsOfTheCaller) {
  const Window window = skewed_window();
  const OptimizeArgs args{.rules = kSixteen, .num_moves = 200, .num_threads = 2};
  const OptimizeResult alone = optimize_placement(window, args);
  std::vector<OptimizeResult> results(3, alone);
  std::vector<std::thread> threads;
  for (OptimizeResult& result : results) {
    threads.emplace_back([&] { result = optimize_placement(window, args); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const OptimizeResult& result : results) {
    EXPECT_EQ(result.placement, alone.placement);
  }
}

TEST(OptimizePlacement, ATimeLimitOfNearlyNothingGivesAPlacement) {
  OptimizeArgs args{.rules = kSixteen, .num_moves = 1'000'000'000, .time_limit_s = 1e-9};
  const OptimizeResult result = optimize_placement(skewed_window(), args);
  EXPECT_EQ(broken_rule(kSixteen, result.placement), "");
  EXPECT_LE(result.score.objective, result.best_start_objective);
  EXPECT_LT(result.num_moves, 10'000);
}

TEST(OptimizePlacement, WithoutMovesItIsTheBestStart) {
  OptimizeArgs args{.rules = kSixteen, .num_moves = 0};
  const OptimizeResult result = optimize_placement(skewed_window(), args);
  EXPECT_EQ(result.num_moves, 0);
  EXPECT_EQ(result.score.objective, result.best_start_objective);
  EXPECT_TRUE(same_score(result.score, result.start_score));
}

TEST(OptimizePlacement, SearchingPays) {
  const Window window = skewed_window();
  OptimizeArgs args{.rules = kSixteen, .num_threads = 1};
  args.objective.weight = {1, 0, 0, 0};
  args.objective.linear = {0, 0, 0, 0};
  args.objective.tail = 0;
  args.num_moves = 0;
  const PlacementRules tight{.num_logical = 16, .num_ranks = 4, .slots = {5, 4, 4, 4}};
  args.rules = tight;
  const double start = optimize_placement(window, args).score.imbalance[kRecorded];
  args.num_moves = 4000;
  const double searched = optimize_placement(window, args).score.imbalance[kRecorded];
  EXPECT_LT(searched, start);
  EXPECT_GE(searched, 1.0);
}

TEST(OptimizePlacement, OneOfEverything) {
  const OptimizeResult one_rank =
      optimize_placement(Window{5, 0, 3}, few_moves({.num_logical = 3, .num_ranks = 1, .slots_per_rank = 4}));
  EXPECT_EQ(one_rank.score.imbalance[kRecorded], 1.0);
  EXPECT_EQ(one_rank.placement.logcnt()[0], 1);
  const PlacementRules one_expert{.num_logical = 1, .num_ranks = 3, .slots_per_rank = 1};
  const OptimizeResult spread = optimize_placement(Window{9}, few_moves(one_expert));
  EXPECT_EQ(spread.placement.logcnt()[0], 3);
  EXPECT_EQ(spread.score.imbalance[kRecorded], 1.0);
  const PlacementRules uneven{.num_logical = 7, .num_ranks = 3, .slots_per_rank = 3};
  const OptimizeResult seven = optimize_placement(Window{4, 0, 0, 9, 2, 2, 1}, few_moves(uneven));
  EXPECT_EQ(broken_rule(uneven, seven.placement), "");
  EXPECT_EQ(seven.score.imbalance[kRecorded], 1.0);  // 18 tokens on 3 ranks
}

// 3 experts of 60 tokens and 3 of 30 on 3 ranks with 2 slots: one of each.
TEST(OptimizePlacement, FindsTheObviousPlacement) {
  Window window;
  for (int batch = 0; batch < 3; ++batch) {
    window.insert(window.end(), {60, 60, 60, 30, 30, 30});
  }
  const PlacementRules rules{.num_logical = 6, .num_ranks = 3, .slots_per_rank = 2};
  const OptimizeResult result = optimize_placement(window, few_moves(rules));
  EXPECT_EQ(result.score.imbalance[kRecorded], 1.0);
  EXPECT_EQ(result.score.tail_imbalance[kRecorded], 1.0);
}

TEST(OptimizePlacement, PlansForTheLivingAndBackWithFewMoves) {
  const Window window = skewed_window();
  OptimizeArgs args{.rules = kSixteen, .num_moves = 600, .num_threads = 1};
  args.rules.slots_per_rank = 6;
  const Placement whole = optimize_placement(window, args).placement;
  args.rules.live = {1, 0, 1, 1};
  args.current = &whole;
  args.max_moved = 3;
  int num_lost = 0;
  for (int e = 0; e < 16; ++e) {
    num_lost += live_ranks_of(whole, args.rules.live, e).empty() ? 1 : 0;
  }
  args.max_moved = num_lost;
  const OptimizeResult degraded = optimize_placement(window, args);
  EXPECT_EQ(broken_rule(args.rules, degraded.placement), "");
  EXPECT_EQ(degraded.num_moved, num_lost);
  if (num_lost > 0) {
    args.max_moved = num_lost - 1;
    EXPECT_EQ(invalid_argument_of([&] { optimize_placement(window, args); }),
              "[optimize_placement] max_moved (" + std::to_string(num_lost - 1) +
                  ") is less than the copies that must move because their ranks or slots are gone");
  }
  args.rules.live.clear();
  args.current = &degraded.placement;
  args.max_moved = 4;
  const OptimizeResult back = optimize_placement(window, args);
  EXPECT_LE(back.num_moved, 4);
  EXPECT_EQ(broken_rule(args.rules, back.placement), "");
  EXPECT_LE(back.score.objective, back.best_start_objective);
  // The empty rank gets experts: with four slots' worth of them the loads level.
  EXPECT_LT(back.score.imbalance[kRecorded], 4.0 / 3.0);
}

TEST(OptimizePlacement, GroupsOfADeadNodeGoToTheOthersAndTheRestStays) {
  OptimizeArgs args{.rules = {.num_logical = 12, .num_ranks = 6, .num_nodes = 3, .slots_per_rank = 4, .num_groups = 6},
                    .num_moves = 500};
  const Window window = {9, 1, 8, 2, 7, 3, 6, 4, 5, 5, 4, 6};
  const Placement before = optimize_placement(window, args).placement;
  args.current = &before;
  args.rules.live = {1, 1, 0, 0, 1, 1};
  const Placement after = optimize_placement(window, args).placement;
  const auto node_of = [](const Placement& placement, int e) {
    return placement.node_of_rank(placement.rank_of(placement.replicas(e).front()));
  };
  for (int e = 0; e < 12; ++e) {
    EXPECT_NE(node_of(after, e), 1) << e;
    EXPECT_TRUE(node_of(before, e) == 1 || node_of(after, e) == node_of(before, e)) << e;
    EXPECT_EQ(node_of(after, e), node_of(after, e / 2 * 2)) << e;
  }
}

TEST(OptimizePlacement, APriceMovesFewerCopies) {
  OptimizeArgs args{.rules = kSixteen, .num_moves = 400, .num_threads = 1};
  const Placement current = optimize_placement(skewed_window(4, 1), args).placement;
  Window turned = skewed_window(4, 2);
  for (std::size_t begin = 0; begin < turned.size(); begin += 16) {
    std::reverse(turned.begin() + static_cast<std::ptrdiff_t>(begin),
                 turned.begin() + static_cast<std::ptrdiff_t>(begin) + 16);
  }
  args.current = &current;
  const int at_no_price = optimize_placement(turned, args).num_moved;
  args.objective.move_price = 0.05;
  const OptimizeResult priced = optimize_placement(turned, args);
  EXPECT_LT(priced.num_moved, at_no_price);
  args.objective.move_price = 100;
  EXPECT_EQ(optimize_placement(turned, args).num_moved, 0);
}

TEST(OptimizePlacement, TheTradeOffCurveFallsWithinItsLimits) {
  OptimizeArgs args{.rules = kSixteen, .num_moves = 400, .num_threads = 1};
  const Placement current = contiguous_placement(16, 4);
  args.current = &current;
  const std::vector<int> limits = {0, 1, 2, 5, 10, -1};
  const std::vector<OptimizeResult> curve = optimize_trade_off(skewed_window(), args, limits);
  ASSERT_EQ(curve.size(), limits.size());
  for (std::size_t i = 0; i < curve.size(); ++i) {
    EXPECT_EQ(broken_rule(kSixteen, curve[i].placement), "");
    EXPECT_EQ(curve[i].num_moved, count_moved_copies(current, curve[i].placement));
    EXPECT_TRUE(limits[i] < 0 || curve[i].num_moved <= limits[i]) << "limit " << limits[i];
    EXPECT_TRUE(i == 0 || curve[i].score.objective <= curve[i - 1].score.objective) << "limit " << limits[i];
  }
  EXPECT_EQ(curve.front().num_moved, 0);
  EXPECT_LT(curve.back().score.objective, curve.front().score.objective);
}

TEST(OptimizePlacement, ProgressGrowsUpToAllMoves) {
  std::vector<std::int64_t> seen;
  OptimizeArgs args{.rules = kSixteen, .num_moves = 500, .num_chains = 2, .num_threads = 2};
  args.progress = [&](std::int64_t done, std::int64_t all) {  // from one thread at a time
    EXPECT_EQ(all, 1000);
    seen.push_back(done);
  };
  optimize_placement(skewed_window(), args);
  ASSERT_GT(seen.size(), 4U);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(seen.back(), 1000);
}

TEST(OptimizePlacement, TheStartIsNamed) {
  OptimizeArgs args{.rules = kSixteen, .num_moves = 0};
  const Placement current = contiguous_placement(16, 4);
  args.current = &current;
  args.max_moved = 0;
  EXPECT_EQ(optimize_placement(skewed_window(), args).start, "current");
  args = {.rules = {.num_logical = 16, .num_ranks = 4, .slots = {5, 4, 4, 4}}, .num_moves = 0};
  EXPECT_EQ(optimize_placement(skewed_window(), args).start, "greedy");  // nothing else has unequal slots
}

TEST(ScorePlacement, ByHand) {
  const Placement placement({0, 1, 1, 2}, 3, 2);
  const PlacementRules rules{.num_logical = 3, .num_ranks = 2, .slots_per_rank = 2};
  PlacementObjective objective;
  objective.weight = {2, 0, 0, 0};
  objective.floor = {0.5, 1, 1, 1};
  objective.linear = {3, 0, 0, 0};
  objective.tail = 0.5;
  // 12 | 0 of 12 tokens: 2; and 3 | 4 of 7: the least that whole tokens allow.
  const PlacementScore score = score_placement(Window{12, 0, 0, 3, 1, 3}, placement, objective, rules);
  EXPECT_DOUBLE_EQ(score.imbalance[kRecorded], 1.5);
  EXPECT_DOUBLE_EQ(score.tail_imbalance[kRecorded], 2.0);
  EXPECT_DOUBLE_EQ(score.objective, 2 * std::log(0.75 + 0.5) + 3 * 0.75);  // half of 0.5, half of 1
}

TEST(ScorePlacement, ARankWithoutSlotsHasNoShareOfTheMean) {
  const PlacementScore score = score_placement(Window{10, 10, 10, 10}, Placement({0, 1, 2, 3, kNone, kNone}, 4, 3), {},
                                               {.num_logical = 4, .num_ranks = 3, .slots = {2, 2, 0}});
  EXPECT_DOUBLE_EQ(score.imbalance[static_cast<int>(Scenario::kRecorded)], 1.0);
}

TEST(OptimizePlacementErrors, AScoreNeedsAPlacementOfTheRulesShapeAndAnObjective) {
  const PlacementRules rules{.num_logical = 2, .num_ranks = 2, .slots_per_rank = 1};
  EXPECT_EQ(invalid_argument_of([&] {
              score_placement(Window{1, 2}, Placement({0, 1}, 2, 1), {}, rules);
            }),
            "[score_placement] placement has 2 experts on 1 ranks; the rules say 2 on 2");
  EXPECT_EQ(invalid_argument_of([&] {
              score_placement(Window{1, 2}, Placement({0, 1}, 2, 2), {.floor = {0, 1, 1, 1}}, rules);
            }),
            "[optimize_placement] objective.floor must be finite and above 0");
}

TEST(OptimizePlacementErrors, NameTheArgument) {
  const Window window = {1, 2, 3};
  const auto refusal = [&](auto change) {
    OptimizeArgs args{.rules = {.num_logical = 3, .num_ranks = 2, .slots_per_rank = 2}};
    change(args);
    return invalid_argument_of([&] { optimize_placement(window, args); });
  };
  const double nan = std::nan("");
  EXPECT_EQ(refusal([](auto& a) {
              a.objective.weight = a.objective.linear = {0, 0, 0, 0};
            }),
            "[optimize_placement] objective.weight and objective.linear must not both be all 0");
  EXPECT_EQ(refusal([](auto& a) {
              a.objective.weight = {1, -1, 0, 0};
            }),
            "[optimize_placement] objective.weight and objective.linear must be finite and not negative");
  EXPECT_EQ(refusal([&](auto& a) { a.objective.linear[3] = nan; }),
            "[optimize_placement] objective.weight and objective.linear must be finite and not negative");
  EXPECT_EQ(refusal([](auto& a) { a.objective.floor[2] = 0; }),
            "[optimize_placement] objective.floor must be finite and above 0");
  EXPECT_EQ(refusal([](auto& a) { a.objective.tail = 1.5; }),
            "[optimize_placement] objective.tail (1.5) must be in 0..1");
  EXPECT_EQ(refusal([&](auto& a) { a.objective.move_price = nan; }),
            "[optimize_placement] objective.move_price (nan) must be finite and not negative");
  EXPECT_EQ(refusal([](auto& a) { a.num_moves = -1; }), "[optimize_placement] num_moves (-1) must not be negative");
  EXPECT_EQ(refusal([](auto& a) { a.num_chains = 0; }), "[optimize_placement] num_chains (0) must be at least 1");
  EXPECT_EQ(refusal([](auto& a) { a.time_limit_s = -1; }),
            "[optimize_placement] time_limit_s (-1) must be finite and not negative");
  EXPECT_EQ(refusal([](auto& a) { a.max_moved = 0; }),
            "[optimize_placement] max_moved and move_price need a current placement");
  EXPECT_EQ(refusal([](auto& a) { a.objective.move_price = 1; }),
            "[optimize_placement] max_moved and move_price need a current placement");
  const Placement other({0, 1, 2, 0, 1, 2}, 3, 3);
  EXPECT_EQ(refusal([&](auto& a) { a.current = &other; }),
            "[optimize_placement] current has 3 experts on 3 ranks; the rules say 3 on 2");
  const Placement spread({0, 1, 0, 2}, 3, 2);
  EXPECT_EQ(refusal([&](auto& a) {
              a.current = &spread;
              a.rules.copies_within = 1;
            }),
            "[optimize_placement] current breaks the rules: expert 0 has copies in different blocks of ranks");
  EXPECT_EQ(refusal([](auto& a) { a.rules.slots_per_rank = 1; }),
            "[optimize_placement] 2 slots on live ranks do not hold 3 experts");
  EXPECT_EQ(refusal([](auto& a) { a.rules.num_logical = 0; }),
            "[optimize_placement] num_logical (0) must be at least 1");
}

TEST(OptimizePlacementErrors, ACurrentPlacementMayNotSplitAGroup) {
  const Placement split_groups({0, 2, 1, 3}, 4, 2, 2);
  OptimizeArgs args{.rules = {.num_logical = 4, .num_ranks = 2, .num_nodes = 2, .slots_per_rank = 2, .num_groups = 2}};
  args.current = &split_groups;
  EXPECT_EQ(invalid_argument_of([&] {
              optimize_placement(Window{1, 2, 3, 4}, args);
            }),
            "[optimize_placement] current breaks the rules: expert 1 is on another node than its group");
}

TEST(OptimizePlacementErrors, NameWhatIsWrongWithTheWindow) {
  const auto refusal = [](const Window& window) {
    return invalid_argument_of(
        [&] { optimize_placement(window, {.rules = {.num_logical = 3, .num_ranks = 2, .slots_per_rank = 2}}); });
  };
  EXPECT_EQ(refusal({}),
            "[optimize_placement] window has 0 entries; it must be [T, E] with E = 3 and at least one batch");
  EXPECT_EQ(refusal({1, 2, 3, 4}),
            "[optimize_placement] window has 4 entries; it must be [T, E] with E = 3 and at least one batch");
  EXPECT_EQ(refusal({1, 2, 3, 4, -5, 6}), "[optimize_placement] window[1] has a negative count");
  EXPECT_EQ(refusal({1, 2, 3, 0, 0, 0}),
            "[optimize_placement] window[1] has 0 tokens; a batch must have between 1 and 2^31 - 1");
  EXPECT_EQ(refusal({2'000'000'000, 2'000'000'000, 0}),
            "[optimize_placement] window[0] has 4000000000 tokens; a batch must have between 1 and 2^31 - 1");
  EXPECT_EQ(invalid_argument_of([] {
              score_placement(Window{1, -1}, Placement({0, 1}, 2, 2), {},
                              {.num_logical = 2, .num_ranks = 2, .slots_per_rank = 1});
            }),
            "[score_placement] window[0] has a negative count");
}

TEST(OptimizePlacementErrors, ATradeOffNeedsACurrentPlacementAndAscendingLimits) {
  OptimizeArgs args{.rules = {.num_logical = 2, .num_ranks = 2, .slots_per_rank = 1}};
  const Window window = {1, 2};
  EXPECT_EQ(invalid_argument_of([&] { optimize_trade_off(window, args, std::vector<int>{1}); }),
            "[optimize_trade_off] needs a current placement");
  const Placement current({0, 1}, 2, 2);
  args.current = &current;
  for (const std::vector<int>& limits : {std::vector<int>{2, 1}, std::vector<int>{-1, 3}}) {
    EXPECT_EQ(invalid_argument_of([&] { optimize_trade_off(window, args, limits); }),
              "[optimize_trade_off] limits must ascend, with -1 (no limit) last");
  }
}

}  // namespace
}  // namespace lplb
