// The sums by hand; a small bench against the replays that it is made of.

#include "lplb/placement_bench.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "lplb/error.h"
#include "lplb/trace_io.h"
#include "planner/placement_bench_summary.h"

namespace lplb {
namespace {

SuiteTrace make_suite_trace(const std::string& name, int num_experts, int num_steps, bool drifts) {
  SuiteTrace suite{.trace = synthesize_trace({.num_steps = num_steps,
                                              .num_layers = 2,
                                              .num_experts = num_experts,
                                              .tokens_per_source = 2000,
                                              .skew = 0.8,
                                              .drift = drifts ? 0.3 : 0.05,
                                              .seed = 5}),
                   .drifts = drifts};
  suite.trace.name = name;
  return suite;
}

PlacementBenchArgs small_args() {
  PlacementBenchArgs args{.ranks = {4, 8}, .copies = {1}, .window = 4, .refresh = 4};
  args.optimize.num_moves = 200;
  args.optimize.num_chains = 1;
  return args;
}

std::string refusal(std::span<const SuiteTrace> traces, const PlacementBenchArgs& args) {
  try {
    bench_placements(traces, args);
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "no error";
}

TEST(PlacementBenchSummary, ACellIsComparedWithTheBestThatApplies) {
  BenchCell cell{.imbalance = {1.5, 0, 1.25, 1.3}};  // the second does not apply; the last is "optimize"
  compare_cell(cell, {});
  EXPECT_EQ(cell.best_other, 2);
  EXPECT_DOUBLE_EQ(cell.ratio, 1.3 / 1.25);
  EXPECT_DOUBLE_EQ(cell.limit, 1.005);
  EXPECT_FALSE(cell.holds());
  cell.changes = true;
  cell.imbalance.back() = 1.25 * 1.014;
  compare_cell(cell, {});
  EXPECT_DOUBLE_EQ(cell.limit, 1.015);
  EXPECT_TRUE(cell.holds());
}

TEST(PlacementBenchSummary, GeometricMeansByHand) {
  PlacementBench bench{.strategies = {"a", "b", "optimize"}};
  bench.cells = {{.imbalance = {1.038, 1.398, 1.008}}, {.imbalance = {1.158, 0, 1.088}}};
  summarize_bench(bench);
  EXPECT_NEAR(bench.means[0].mean, std::sqrt(0.04 * 0.16), 1e-12);
  EXPECT_NEAR(bench.means[0].optimize, std::sqrt(0.01 * 0.09), 1e-12);
  EXPECT_EQ(bench.means[1].num_cells, 1);  // where it applies
  EXPECT_NEAR(bench.means[1].mean, 0.4, 1e-12);
  EXPECT_NEAR(bench.means[1].optimize, 0.01, 1e-12);
  EXPECT_EQ(bench.best_single, 0);  // b does not apply everywhere
}

TEST(PlacementBenchSummary, GainKeptByHand) {
  const MoveCell cell{.stay = 1.5, .limited = 1.2, .free = 1.1};
  EXPECT_NEAR(gain_kept(cell), 0.75, 1e-12);
  PlacementBench bench{.strategies = {"optimize"}, .moves = {cell, {.stay = 1.1, .limited = 1.2, .free = 1.1}}};
  summarize_bench(bench);
  EXPECT_NEAR(bench.all_moves.stay, 1.3, 1e-12);
  EXPECT_NEAR(gain_kept(bench.all_moves), 0.5, 1e-12);
}

TEST(PlacementBench, ACellForEachShapeThatDividesTheExperts) {
  const std::vector<SuiteTrace> traces = {make_suite_trace("one", 16, 12, false), make_suite_trace("two", 12, 8, true)};
  const PlacementBench bench = bench_placements(traces, small_args());
  ASSERT_EQ(bench.cells.size(), 3U);
  EXPECT_EQ(bench.cells[0].trace, "one");
  EXPECT_EQ(bench.cells[1].num_ranks, 8);
  EXPECT_EQ(bench.cells[2].trace, "two");
  EXPECT_EQ(bench.cells[2].num_ranks, 4);
  ASSERT_EQ(bench.moves.size(), 1U);
  EXPECT_EQ(bench.moves[0].trace, "two");
  EXPECT_EQ(bench.moves[0].stay, bench.moves[0].free);  // there is one placement only
}

TEST(PlacementBench, NumbersAreThoseOfTheReplay) {
  const std::vector<SuiteTrace> traces = {make_suite_trace("drift", 16, 20, true)};
  PlacementBenchArgs args = small_args();
  args.ranks = {4};
  args.max_moved = "10%";
  const PlacementBench bench = bench_placements(traces, args);
  const ReplayResult result =
      replay(traces[0].trace, {.num_ranks = 4,
                               .num_redundant = 1,
                               .window = 4,
                               .refresh = 4,
                               .strategies = {"torus", "optimize", "optimize:0", "optimize:10%"},
                               .optimize = args.optimize});
  const auto torus = std::ranges::find(bench.strategies, "torus") - bench.strategies.begin();
  EXPECT_EQ(bench.cells[0].imbalance[torus], result.strategies[0].imbalance.mean);
  EXPECT_EQ(bench.cells[0].imbalance.back(), result.strategies[1].imbalance.mean);
  EXPECT_EQ(bench.moves[0].free, result.strategies[1].imbalance.mean);
  EXPECT_EQ(bench.moves[0].stay, result.strategies[2].imbalance.mean);
  EXPECT_EQ(bench.moves[0].limited, result.strategies[3].imbalance.mean);
  EXPECT_LE(bench.moves[0].limited_moved, 0.1);
  EXPECT_DOUBLE_EQ(
      bench.moves[0].free_moved,
      static_cast<double>(result.strategies[1].copies_moved) / (3 * 2 * 20.0));  // refreshes, layers, slots
}

TEST(PlacementBench, ReportsProgressToTheEnd) {
  const std::vector<SuiteTrace> traces = {make_suite_trace("one", 16, 8, false)};
  PlacementBenchArgs args = small_args();
  std::vector<double> seen;
  args.progress = [&](std::int64_t done, std::int64_t total) {
    seen.push_back(static_cast<double>(done) / static_cast<double>(total));
  };
  bench_placements(traces, args);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(seen.back(), 1);
}

TEST(PlacementBench, Refuses) {
  const std::vector<SuiteTrace> traces = {make_suite_trace("short", 16, 4, false)};
  EXPECT_EQ(refusal(traces, small_args()),
            "[bench_placements] trace short has 4 steps; it must have more than the window (4)");
  PlacementBenchArgs args = small_args();
  args.window = 2;
  args.ranks = {3};
  EXPECT_EQ(refusal(traces, args), "[bench_placements] no trace has experts that the numbers of ranks divide");
  args.ranks = {0};
  EXPECT_EQ(refusal(traces, args), "[bench_placements] ranks (0) must be at least 1");
}

}  // namespace
}  // namespace lplb
