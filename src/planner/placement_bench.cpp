// The placement bench: a replay for each trace, number of ranks and of copies, with every strategy beside "optimize";
// on traces that drift also "optimize" with its first placement kept, and with a limit on the copies that move.

#include "lplb/placement_bench.h"

#include <array>

#include "base/check.h"
#include "planner/placement_bench_summary.h"

namespace lplb {
namespace {

constexpr std::array kStrategies = {
    "none", "eplb", "eplb+split", "eplb-distinct+split", "cube", "hypercube", "torus", "ring", "uniform", "optimize"};
constexpr const char* kStay = "optimize:0";

/// One replay of the bench.
struct Shape {
  const SuiteTrace* suite;
  int num_ranks;
  int num_copies;
};

std::vector<Shape> list_shapes(std::span<const SuiteTrace> traces, const PlacementBenchArgs& args) {
  std::vector<Shape> shapes;
  for (const SuiteTrace& suite : traces) {
    check(args.window < suite.trace.num_steps, "[bench_placements] trace ", suite.trace.name, " has ",
          suite.trace.num_steps, " steps; it must have more than the window (", args.window, ")");
    for (const int num_ranks : args.ranks) {
      check(num_ranks >= 1, "[bench_placements] ranks (", num_ranks, ") must be at least 1");
      for (const int num_copies : args.copies) {
        if (suite.trace.num_experts % num_ranks == 0) {
          shapes.push_back({&suite, num_ranks, num_copies});
        }
      }
    }
  }
  return shapes;
}

BenchCell make_cell(const Shape& shape, const ReplayResult& result, const PlacementBenchArgs& args) {
  BenchCell cell{.trace = shape.suite->trace.name,
                 .changes = shape.suite->changes,
                 .num_ranks = shape.num_ranks,
                 .num_copies = shape.num_copies};
  for (std::size_t s = 0; s < kStrategies.size(); ++s) {
    cell.imbalance.push_back(result.strategies[s].imbalance.mean);
  }
  compare_cell(cell, args);
  return cell;
}

/// Copies moved by a refresh of a layer, relative to the slots.
double part_moved(const StrategyResult& strategy, const ReplayResult& result) {
  const int num_slots = result.num_experts + result.num_redundant * result.num_ranks;
  const double num_refreshes = (strategy.num_refreshes - 1.0) * static_cast<double>(result.layers.size());
  return num_refreshes > 0 ? static_cast<double>(strategy.copies_moved) / num_refreshes / num_slots : 0;
}

MoveCell make_move_cell(const Shape& shape, const ReplayResult& result) {
  const StrategyResult& free = result.strategies[kStrategies.size() - 1];
  const StrategyResult& stay = result.strategies[kStrategies.size()];
  const StrategyResult& limited = result.strategies[kStrategies.size() + 1];
  return {.trace = shape.suite->trace.name,
          .num_ranks = shape.num_ranks,
          .num_copies = shape.num_copies,
          .stay = stay.imbalance.mean,
          .limited = limited.imbalance.mean,
          .free = free.imbalance.mean,
          .limited_moved = part_moved(limited, result),
          .free_moved = part_moved(free, result)};
}

}  // namespace

PlacementBench bench_placements(std::span<const SuiteTrace> traces, const PlacementBenchArgs& args) {
  PlacementBench bench{.strategies = {kStrategies.begin(), kStrategies.end()}, .max_moved = args.max_moved};
  const std::vector<Shape> shapes = list_shapes(traces, args);
  check(!shapes.empty(), "[bench_placements] no trace has experts that the numbers of ranks divide");
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Shape& shape = shapes[i];
    ReplayArgs replay_args{.num_ranks = shape.num_ranks,
                           .num_redundant = shape.num_copies,
                           .window = args.window,
                           .refresh = args.refresh,
                           .strategies = bench.strategies,
                           .seed = args.seed,
                           .optimize = args.optimize,
                           .num_threads = args.num_threads};
    if (shape.suite->drifts) {
      replay_args.strategies.insert(replay_args.strategies.end(), {kStay, "optimize:" + args.max_moved});
    }
    replay_args.progress = [&](std::int64_t done, std::int64_t total) {
      if (args.progress) {
        args.progress(static_cast<std::int64_t>(i) * total + done, static_cast<std::int64_t>(shapes.size()) * total);
      }
    };
    const ReplayResult result = replay(shape.suite->trace, replay_args);
    bench.cells.push_back(make_cell(shape, result, args));
    if (shape.suite->drifts) {
      bench.moves.push_back(make_move_cell(shape, result));
    }
  }
  summarize_bench(bench);
  return bench;
}

}  // namespace lplb
