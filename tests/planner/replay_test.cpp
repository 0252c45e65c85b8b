#include "lplb/replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "base/rng.h"
#include "lplb/error.h"
#include "lplb/metrics.h"
#include "lplb/policy.h"
#include "lplb/solve.h"

namespace lplb {
namespace {

Trace make_trace(int num_steps, int num_layers, int num_sources, int num_experts, std::vector<Tokens> counts) {
  return {.name = "hand",
          .num_steps = num_steps,
          .num_layers = num_layers,
          .num_sources = num_sources,
          .num_experts = num_experts,
          .counts = std::move(counts)};
}

/// Popularities that differ by layer and drift by step.
Trace random_trace(int num_steps, int num_layers, int num_sources, int num_experts, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Tokens> counts;
  std::vector<double> popularity(static_cast<std::size_t>(num_layers) * num_experts);
  for (double& p : popularity) {
    p = std::exp(rng.normal());
  }
  for (int step = 0; step < num_steps; ++step) {
    for (int layer = 0; layer < num_layers; ++layer) {
      for (int source = 0; source < num_sources; ++source) {
        for (int e = 0; e < num_experts; ++e) {
          double& p = popularity[static_cast<std::size_t>(layer) * num_experts + e];
          p *= std::exp(0.1 * rng.normal());
          counts.push_back(static_cast<Tokens>(40 * p * rng.uniform()));
        }
      }
    }
  }
  return make_trace(num_steps, num_layers, num_sources, num_experts, std::move(counts));
}

std::vector<Tokens> total_counts(const Trace& trace, int step, int layer) {
  std::vector<Tokens> total(trace.num_experts);
  const auto counts = trace.at(step, layer);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total[i % total.size()] += counts[i];
  }
  return total;
}

std::string refusal(const Trace& trace, const ReplayArgs& args) {
  try {
    replay(trace, args);
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "no error";
}

TEST(Replay, NoneByHand) {
  // 2 ranks with 2 experts each; the first step is history.
  const Trace trace = make_trace(3, 1, 1, 4,
                                 {9, 9, 9, 9,       //
                                  10, 20, 30, 40,   // loads 30, 70: 70 / 50
                                  50, 10, 20, 0});  // loads 60, 20: 60 / 40
  const ReplayResult result =
      replay(trace, {.num_ranks = 2, .num_redundant = 1, .window = 1, .refresh = 1, .strategies = {"none"}});
  ASSERT_EQ(result.strategies.size(), 1U);
  const StrategyResult& none = result.strategies[0];
  EXPECT_EQ(none.name, "none");
  EXPECT_EQ(none.skipped, "");
  EXPECT_DOUBLE_EQ(none.imbalance.mean, 1.45);
  EXPECT_DOUBLE_EQ(none.imbalance.p50, 1.45);
  EXPECT_DOUBLE_EQ(none.imbalance.p99, 1.499);
  EXPECT_DOUBLE_EQ(none.imbalance.max, 1.5);
  EXPECT_DOUBLE_EQ(none.balancedness.mean, (50.0 / 70 + 40.0 / 60) / 2);
  EXPECT_EQ(none.step_imbalance, (std::vector<double>{1.4, 1.5}));
  EXPECT_EQ(none.layer_imbalance, (std::vector<double>{1.45}));
  EXPECT_EQ(none.rank_load, (std::vector<float>{0.6F, 1.4F, 1.5F, 0.5F}));
  EXPECT_DOUBLE_EQ(none.worst_imbalance, 1.5);
  EXPECT_EQ(none.worst_step, 2);
  EXPECT_EQ(none.worst_layer, 0);
  EXPECT_EQ(none.worst_rank, 0);
  EXPECT_EQ(none.copies_moved, 0);
  EXPECT_EQ(none.num_refreshes, 2);
  EXPECT_EQ(none.certificate_ranks, 0);
  EXPECT_EQ(none.plan_us.max, 0);
  EXPECT_EQ(none.cross_node_fraction, -1);
  EXPECT_EQ(none.cross_rank_fraction, -1);
  EXPECT_EQ(result.judged_steps, (std::vector<int>{1, 2}));
  EXPECT_EQ(result.layers, (std::vector<int>{0}));
  EXPECT_DOUBLE_EQ(result.tokens_per_step, 216.0 / 3);
  EXPECT_EQ(result.trace_name, "hand");
  EXPECT_EQ(result.num_redundant, 1);
}

TEST(Replay, EplbEvenDivisionByHand) {
  // Expert 0 is hot; one redundant slot a rank. EPLB copies it until the copies weigh less than the others.
  const Trace trace = make_trace(2, 1, 1, 2, {60, 20, 61, 20});
  const ReplayResult result =
      replay(trace, {.num_ranks = 2, .num_redundant = 1, .window = 1, .strategies = {"eplb", "eplb+split"}});
  // Three copies of expert 0 at 20 and one of expert 1 at 20: 61 = 21 + 20 + 20, the remainder to the lowest slot.
  EXPECT_NEAR(result.strategies[0].imbalance.mean, 41 / 40.5, 1e-12);
  EXPECT_NEAR(result.strategies[1].imbalance.mean, 41 / 40.5, 1e-12);
  EXPECT_GT(result.strategies[1].certificate_ranks, 0);
}

TEST(Replay, EveryStrategyEqualsItsStagesOneByOne) {
  const Trace trace = random_trace(13, 3, 1, 64, 5);
  const ReplayArgs args{.num_ranks = 16, .num_nodes = 2, .num_redundant = 2, .window = 4, .refresh = 3, .seed = 9};
  const ReplayResult result = replay(trace, args);
  ASSERT_EQ(result.strategies.size(), replay_strategies().size());
  for (const StrategyResult& strategy : result.strategies) {
    SCOPED_TRACE(strategy.name);
    if (strategy.name == "none" || strategy.name == "eplb" || strategy.name == "uniform") {
      continue;  // even division and the seed's derivation are tested elsewhere
    }
    const std::string policy = strategy.name == "eplb+split" ? "eplb" : strategy.name;
    const PolicyArgs shape{.num_logical = 64, .num_physical = 96, .num_ranks = 16, .num_nodes = 2};
    std::vector<double> imbalance;
    std::int64_t copies_moved = 0;
    for (int layer = 0; layer < 3; ++layer) {
      std::vector<Placement> placements;
      for (int step = 4; step < 13; ++step) {
        if ((step - 4) % 3 == 0) {
          std::vector<double> history(64, 0.0);
          for (int past = step - 4; past < step; ++past) {
            const auto counts = total_counts(trace, past, layer);
            std::ranges::transform(history, counts, history.begin(), std::plus<>());
          }
          placements.push_back(place_layer(policy, shape, history));
        }
        imbalance.push_back(
            measure_balance(split(placements.back(), total_counts(trace, step, layer)).rank_load).imbalance);
      }
      for (std::size_t i = 1; i < placements.size(); ++i) {
        copies_moved += count_moved_copies(placements[i - 1], placements[i]);
      }
    }
    EXPECT_DOUBLE_EQ(strategy.imbalance.p99, quantile(imbalance, 0.99));
    EXPECT_DOUBLE_EQ(strategy.imbalance.max, std::ranges::max(imbalance));
    EXPECT_NEAR(strategy.imbalance.mean, std::accumulate(imbalance.begin(), imbalance.end(), 0.0) / 27, 1e-12);
    EXPECT_EQ(strategy.copies_moved, copies_moved);
    EXPECT_EQ(strategy.num_refreshes, 3);
  }
}

TEST(Replay, SplitIsNeverWorseThanAnEvenDivisionOfTheSamePlacement) {
  const Trace trace = random_trace(20, 2, 1, 32, 11);
  const ReplayResult result =
      replay(trace, {.num_ranks = 8, .window = 5, .refresh = 5, .strategies = {"eplb", "eplb+split"}});
  const auto& even = result.strategies[0].step_imbalance;
  const auto& exact = result.strategies[1].step_imbalance;
  for (std::size_t step = 0; step < even.size(); ++step) {
    EXPECT_LE(exact[step], even[step] + 1e-12);
  }
}

TEST(Replay, DoesNotLookAhead) {
  Trace trace = random_trace(12, 1, 1, 32, 3);
  const ReplayArgs args{.num_ranks = 8, .window = 4, .refresh = 4, .strategies = {"eplb+split"}};
  const auto before = replay(trace, args).strategies[0].step_imbalance;
  for (std::size_t i = 8 * 32; i < trace.counts.size(); ++i) {
    trace.counts[i] = static_cast<Tokens>(i % 97);  // another future from step 8 on
  }
  const auto after = replay(trace, args).strategies[0].step_imbalance;
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + 4, after.begin()));
  EXPECT_NE(before.back(), after.back());
}

TEST(Replay, ThreadsDoNotChangeTheResult) {
  const Trace trace = random_trace(10, 3, 16, 32, 7);
  ReplayArgs args{.num_ranks = 8, .num_nodes = 2, .window = 3, .refresh = 2, .num_threads = 1};
  const ReplayResult one = replay(trace, args);
  args.num_threads = 5;
  const ReplayResult five = replay(trace, args);
  ASSERT_EQ(one.strategies.size(), five.strategies.size());
  EXPECT_EQ(one.heatmap_layer, five.heatmap_layer);
  for (std::size_t s = 0; s < one.strategies.size(); ++s) {
    const StrategyResult& a = one.strategies[s];
    const StrategyResult& b = five.strategies[s];
    SCOPED_TRACE(a.name);
    EXPECT_EQ(a.skipped, b.skipped);
    EXPECT_EQ(a.imbalance.mean, b.imbalance.mean);
    EXPECT_EQ(a.balancedness.p99, b.balancedness.p99);
    EXPECT_EQ(a.certificate_ranks, b.certificate_ranks);
    EXPECT_EQ(a.cross_rank_fraction, b.cross_rank_fraction);
    EXPECT_EQ(a.cross_node_fraction, b.cross_node_fraction);
    EXPECT_EQ(a.copies_moved, b.copies_moved);
    EXPECT_EQ(a.step_imbalance, b.step_imbalance);
    EXPECT_EQ(a.layer_imbalance, b.layer_imbalance);
    EXPECT_EQ(a.rank_load, b.rank_load);
    EXPECT_EQ(a.worst_step, b.worst_step);
    EXPECT_EQ(a.worst_rank, b.worst_rank);
  }
}

TEST(Replay, TrafficOfNoneByHand) {
  // 4 sources on 2 ranks of 2 nodes; expert e on rank e. Sources 0 and 1 are rank 0.
  const Trace trace = make_trace(2, 1, 4, 2,
                                 {1, 1, 1, 1, 1, 1, 1, 1,      //
                                  5, 1, 4, 2, 3, 10, 0, 15});  // 3 from rank 0 and 3 from rank 1 leave, of 40
  const ReplayResult result = replay(
      trace, {.num_ranks = 2, .num_nodes = 2, .num_redundant = 1, .window = 1, .strategies = {"none", "eplb+split"}});
  EXPECT_DOUBLE_EQ(result.strategies[0].cross_rank_fraction, 6.0 / 40);
  EXPECT_DOUBLE_EQ(result.strategies[0].cross_node_fraction, 6.0 / 40);
  EXPECT_GE(result.strategies[1].cross_node_fraction, 0);
  EXPECT_EQ(result.num_sources, 4);
}

TEST(Replay, TrafficIsUnknownWhenSourcesAreNoMultipleOfRanks) {
  const Trace trace = random_trace(4, 1, 6, 16, 1);
  const auto fraction = [&](int num_ranks) {
    return replay(trace, {.num_ranks = num_ranks, .window = 2, .strategies = {"none"}})
        .strategies[0]
        .cross_rank_fraction;
  };
  EXPECT_EQ(fraction(4), -1);
  EXPECT_GT(fraction(2), 0);
  EXPECT_EQ(fraction(1), 0);
}

TEST(Replay, NothingMovesWhenTheLoadDoesNot) {
  Trace trace = random_trace(1, 1, 1, 32, 2);
  trace.num_steps = 9;
  const std::vector<Tokens> step = trace.counts;
  for (int i = 1; i < 9; ++i) {
    trace.counts.insert(trace.counts.end(), step.begin(), step.end());
  }
  const ReplayResult result = replay(trace, {.num_ranks = 8, .window = 1, .refresh = 1});
  for (const StrategyResult& strategy : result.strategies) {
    EXPECT_EQ(strategy.copies_moved, 0) << strategy.name;
  }
}

TEST(Replay, UniformStaysWhereItIs) {
  const Trace trace = random_trace(9, 2, 1, 32, 2);
  const ReplayArgs args{.num_ranks = 8, .window = 1, .refresh = 1, .strategies = {"uniform"}, .seed = 4};
  EXPECT_EQ(replay(trace, args).strategies[0].copies_moved, 0);
}

TEST(Replay, SkipsWhatDoesNotApplyAndSaysWhy) {
  const Trace trace = random_trace(4, 1, 1, 24, 2);
  const ReplayResult result = replay(
      trace, {.num_ranks = 12, .num_redundant = 1, .window = 2, .strategies = {"none", "cube", "hypercube", "eplb"}});
  EXPECT_EQ(result.strategies[0].skipped, "");
  EXPECT_EQ(result.strategies[1].skipped, "12 ranks cannot be divided into cubes of 8");
  EXPECT_EQ(result.strategies[2].skipped, "12 ranks cannot be divided into hypercubes of 16 or a larger power of two");
  EXPECT_TRUE(result.strategies[2].step_imbalance.empty());
  EXPECT_EQ(result.strategies[3].skipped, "");
}

TEST(Replay, ExpertsThatDoNotDivideLeaveOnlyNone) {
  const Trace trace = random_trace(4, 1, 1, 10, 2);
  const ReplayResult result = replay(trace, {.num_ranks = 4, .num_redundant = 1, .window = 2});
  for (const StrategyResult& strategy : result.strategies) {
    EXPECT_EQ(strategy.skipped.empty(), strategy.name == "none") << strategy.name << ": " << strategy.skipped;
  }
  EXPECT_EQ(result.strategies[1].skipped, "num_physical (14) must be a multiple of num_ranks (4)");
}

TEST(Replay, NoRedundantSlotLeavesTopologiesOut) {
  const Trace trace = random_trace(4, 1, 1, 32, 2);
  const ReplayResult result = replay(trace, {.num_ranks = 8, .num_redundant = 0, .window = 2});
  EXPECT_EQ(result.strategies[3].name, "cube");
  EXPECT_EQ(result.strategies[3].skipped, "cube needs a redundant slot on every rank");
  EXPECT_EQ(result.strategies[1].skipped, "");
}

TEST(Replay, AcceptsATopologyAsStrategy) {
  const Trace trace = random_trace(4, 1, 1, 32, 2);
  const ReplayResult result =
      replay(trace, {.num_ranks = 8, .window = 2, .strategies = {"torus:4x2", "eplb-distinct"}});
  EXPECT_EQ(result.strategies[0].description, "LPLB's placement, copies along torus:4x2, exact split");
  EXPECT_EQ(result.strategies[1].description,
            "global EPLB, copies of an expert on different ranks, every expert divided evenly over its copies");
}

TEST(Replay, LayersAreTakenInTheGivenOrder) {
  const Trace trace = random_trace(5, 4, 1, 16, 8);
  const ReplayArgs all{.num_ranks = 4, .num_redundant = 1, .window = 2, .strategies = {"none"}};
  ReplayArgs some = all;
  some.layers = {3, 1};
  const StrategyResult full = replay(trace, all).strategies[0];
  const ReplayResult part = replay(trace, some);
  EXPECT_EQ(part.layers, (std::vector<int>{3, 1}));
  EXPECT_EQ(part.strategies[0].layer_imbalance,
            (std::vector<double>{full.layer_imbalance[3], full.layer_imbalance[1]}));
  EXPECT_EQ(part.heatmap_layer, full.layer_imbalance[3] >= full.layer_imbalance[1] ? 3 : 1);
  EXPECT_EQ(part.strategies[0].rank_load.size(), 3U * 4);
}

TEST(Replay, ALastShortBlockIsJudgedToo) {
  const Trace trace = random_trace(8, 1, 1, 16, 8);
  const ReplayArgs args{.num_ranks = 4, .num_redundant = 1, .window = 2, .refresh = 4, .strategies = {"eplb"}};
  EXPECT_EQ(replay(trace, args).strategies[0].num_refreshes, 2);
  EXPECT_EQ(replay(trace, args).strategies[0].step_imbalance.size(), 6U);
  ReplayArgs once = args;
  once.refresh = std::numeric_limits<int>::max();
  EXPECT_EQ(replay(trace, once).strategies[0].num_refreshes, 1);
  EXPECT_EQ(replay(trace, once).strategies[0].step_imbalance.size(), 6U);
}

TEST(Replay, AStepWithoutTokensIsBalanced) {
  const Trace trace = make_trace(3, 1, 2, 8, std::vector<Tokens>(3 * 2 * 8, 0));
  const ReplayResult result = replay(trace, {.num_ranks = 2, .num_redundant = 2, .window = 1});
  for (const StrategyResult& strategy : result.strategies) {
    if (strategy.skipped.empty()) {
      EXPECT_EQ(strategy.imbalance.max, 1) << strategy.name;
      EXPECT_EQ(strategy.cross_rank_fraction, 0) << strategy.name;
      EXPECT_TRUE(std::ranges::all_of(strategy.rank_load, [](float x) { return x == 1; })) << strategy.name;
    }
  }
}

TEST(Replay, OptimizeBeatsWhatItStartsFromOnItsWindow) {
  // The same step over and over: what follows is the window, so that no start may end better.
  Trace trace = random_trace(1, 2, 1, 32, 6);
  const std::vector<Tokens> step = trace.counts;
  for (trace.num_steps = 1; trace.num_steps < 4; ++trace.num_steps) {
    trace.counts.insert(trace.counts.end(), step.begin(), step.end());
  }
  ReplayArgs args{.num_ranks = 8, .num_redundant = 1, .window = 2, .refresh = 2, .strategies = {"torus", "optimize"}};
  args.optimize.objective.weight = {1, 0, 0, 0};
  args.optimize.num_moves = 400;
  const ReplayResult result = replay(trace, args);
  EXPECT_LE(result.strategies[1].imbalance.mean, result.strategies[0].imbalance.mean);
  EXPECT_EQ(result.strategies[1].description, "chosen for the split over the window's batches, exact split");
  EXPECT_EQ(result.strategies[1].refreshes_made, 0);
}

ReplayResult replay_optimize(const Trace& trace, const std::vector<std::string>& strategies,
                             const ReplayOptimizeArgs& optimize, int num_threads = 0) {
  return replay(trace, {.num_ranks = 4,
                        .num_redundant = 2,
                        .window = 3,
                        .refresh = 3,
                        .strategies = strategies,
                        .seed = 9,
                        .optimize = optimize,
                        .num_threads = num_threads});
}

TEST(Replay, OptimizeMovesNoMoreThanItsLimit) {
  const Trace trace = random_trace(15, 2, 1, 16, 3);  // 24 slots; 3 refreshes of 2 layers after the first
  const ReplayResult result = replay_optimize(trace, {"optimize", "optimize:1", "optimize:0%"},
                                              {.num_moves = 200, .max_moved = {.percent = 10}});
  const auto& strategies = result.strategies;
  EXPECT_LE(strategies[0].copies_moved, 2 * 2 * 3);
  EXPECT_LE(strategies[1].copies_moved, 1 * 2 * 3);
  EXPECT_EQ(strategies[2].copies_moved, 0);
  EXPECT_GT(strategies[0].copies_moved, strategies[1].copies_moved);
  EXPECT_EQ(strategies[0].refreshes_made, 6);
  EXPECT_EQ(strategies[2].refreshes_made, 0);
  EXPECT_EQ(strategies[0].num_refreshes, 4);
  EXPECT_EQ(
      strategies[0].description,
      "chosen for the split over the window's batches, at most 10% of the copies moved at a refresh, exact split");
}

TEST(Replay, RefreshesThatCostMoreThanTheyGainAreLeftOut) {
  const Trace trace = random_trace(15, 2, 1, 16, 3);
  const auto run = [&](double cost) {
    return replay_optimize(trace, {"optimize"},
                           {.num_moves = 200, .refresh_policy = RefreshPolicy{.cost_per_copy = cost}})
        .strategies[0];
  };
  const StrategyResult dear = run(100);
  EXPECT_EQ(dear.refreshes_made, 0);
  EXPECT_EQ(dear.copies_moved, 0);
  EXPECT_GT(run(0).refreshes_made, 0);
  // What is kept is the first placement.
  EXPECT_EQ(dear.imbalance.mean,
            replay_optimize(trace, {"optimize:0"}, {.num_moves = 200}).strategies[0].imbalance.mean);
}

TEST(Replay, OptimizeDoesNotDependOnThreads) {
  const Trace trace = random_trace(12, 3, 1, 16, 3);
  const auto mean = [&](int num_threads) {
    return replay_optimize(trace, {"optimize"}, {.num_moves = 100}, num_threads).strategies[0].imbalance.mean;
  };
  EXPECT_EQ(mean(1), mean(3));
}

TEST(Replay, OptimizeTakesExpertsThatDoNotDivideAndStepsWithoutTokens) {
  Trace trace = random_trace(6, 1, 1, 10, 2);
  std::fill_n(trace.counts.begin(), 10 * 5, 0);
  const ReplayResult result = replay(trace, {.num_ranks = 4,
                                             .num_redundant = 1,
                                             .window = 2,
                                             .refresh = 2,
                                             .strategies = {"optimize"},
                                             .optimize = {.num_moves = 50}});
  EXPECT_EQ(result.strategies[0].skipped, "");
  EXPECT_EQ(result.strategies[0].step_imbalance.size(), 4U);
}

TEST(Replay, LimitsOfTheLastPlacementOfTheHeatMapsLayer) {
  const Trace trace = random_trace(6, 2, 1, 16, 3);
  const ReplayResult result = replay_optimize(trace, {"eplb+split", "optimize"}, {.num_moves = 100});
  EXPECT_TRUE(result.strategies[0].limits.ranks.empty());
  const PlacementLimits& limits = result.strategies[1].limits;
  EXPECT_FALSE(limits.ranks.empty());
  EXPECT_FALSE(limits.experts.empty());
  EXPECT_GE(limits.imbalance, 1);
}

TEST(Replay, ReportsProgressToTheEnd) {
  const Trace trace = random_trace(6, 2, 1, 16, 8);
  std::vector<std::int64_t> seen;
  std::int64_t last_total = 0;
  ReplayArgs args{
      .num_ranks = 4, .num_redundant = 1, .window = 2, .refresh = 2, .strategies = {"none", "cube", "ring"}};
  args.progress = [&](std::int64_t done, std::int64_t total) {
    seen.push_back(done);
    last_total = total;
  };
  replay(trace, args);
  EXPECT_EQ(last_total, 2 * 2 * 2);  // two strategies apply, two layers, two refreshes
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(seen.back(), last_total);
}

TEST(Replay, RefusesBadArguments) {
  const Trace trace = random_trace(4, 2, 1, 16, 8);
  EXPECT_EQ(refusal(trace, {.num_ranks = 0}), "[replay] num_ranks (0) must be in 1..1024");
  EXPECT_EQ(refusal(trace, {.num_ranks = 4, .num_nodes = 3}), "[replay] num_nodes (3) must divide num_ranks (4)");
  EXPECT_EQ(refusal(trace, {.num_ranks = 4, .num_redundant = -1}), "[replay] num_redundant (-1) must be in 0..16380");
  EXPECT_EQ(refusal(trace, {.num_ranks = 4, .window = 4}),
            "[replay] window (4) must be at least 1 and less than the steps of the trace (4), so that there is a step "
            "to judge");
  EXPECT_EQ(refusal(trace, {.num_ranks = 4, .window = 2, .refresh = 0}), "[replay] refresh (0) must be at least 1");
  EXPECT_EQ(refusal(trace, {.num_ranks = 4, .window = 2, .num_groups = 0}),
            "[replay] num_groups (0) must be at least 1");
  EXPECT_EQ(refusal(trace, {.num_ranks = 4, .window = 2, .layers = {2}}),
            "[replay] layer 2 is not in the trace; it must be in 0..1");
  EXPECT_EQ(
      refusal(trace, {.num_ranks = 4, .window = 2, .strategies = {"magic"}}),
      "[replay] strategy (\"magic\") must be one of none, eplb, eplb+split, cube, hypercube, torus, ring, uniform, "
      "optimize, eplb-distinct, eplb-distinct+split, or a topology like torus:8x4");
}

TEST(Replay, RefusesBadTraces) {
  const ReplayArgs args{.num_ranks = 2, .window = 1};
  EXPECT_EQ(refusal({}, args), "[replay] trace must not be empty; it has 0 steps, 0 layers, 1 sources, 0 experts");
  EXPECT_EQ(refusal(make_trace(2, 1, 1, 4, std::vector<Tokens>(7)), args),
            "[replay] trace.counts has 7 entries; it must have 8");
  EXPECT_EQ(refusal(make_trace(2, 1, 1, 2, {1, 1, 1, -3}), args),
            "[replay] trace step 1 layer 0 has the negative count -3");
  EXPECT_EQ(refusal(make_trace(2, 1, 1, 2, {1, 1, 2'000'000'000, 2'000'000'000}), args),
            "[replay] trace step 1 layer 0 has 4000000000 tokens; that must be below 2^31");
}

}  // namespace
}  // namespace lplb
