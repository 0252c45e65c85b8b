// Sums of a placement bench: the best other strategy of a cell, geometric means over cells, means of moves.

#include "planner/placement_bench_summary.h"

#include <cmath>

namespace lplb {
namespace {

constexpr double kFloor = 0.002;  // so that a cell in perfect balance does not decide the geometric mean

bool applies(const BenchCell& cell, int strategy) { return cell.imbalance[strategy] > 0; }

BenchMean mean_of(const std::vector<BenchCell>& cells, int strategy) {
  BenchMean mean;
  for (const BenchCell& cell : cells) {
    if (applies(cell, strategy) && applies(cell, static_cast<int>(cell.imbalance.size()) - 1)) {
      ++mean.num_cells;
      mean.mean += std::log(cell.imbalance[strategy] - 1 + kFloor);
      mean.optimize += std::log(cell.imbalance.back() - 1 + kFloor);
    }
  }
  if (mean.num_cells > 0) {
    mean.mean = std::exp(mean.mean / mean.num_cells);
    mean.optimize = std::exp(mean.optimize / mean.num_cells);
  }
  return mean;
}

}  // namespace

double gain_kept(const MoveCell& cell) { return (cell.stay - cell.limited) / (cell.stay - cell.free); }

void compare_cell(BenchCell& cell, const PlacementBenchArgs& args) {
  const int num_others = static_cast<int>(cell.imbalance.size()) - 1;
  cell.best_other = -1;
  for (int other = 0; other < num_others; ++other) {
    if (applies(cell, other) && (cell.best_other < 0 || cell.imbalance[other] < cell.imbalance[cell.best_other])) {
      cell.best_other = other;
    }
  }
  cell.ratio = cell.best_other < 0 ? 1 : cell.imbalance.back() / cell.imbalance[cell.best_other];
  cell.limit = 1 + (cell.changes ? args.changing_limit : args.limit);
}

void summarize_bench(PlacementBench& bench) {
  const int num_strategies = static_cast<int>(bench.strategies.size());
  const int num_cells = static_cast<int>(bench.cells.size());
  bench.means.clear();
  bench.best_single = -1;
  for (int strategy = 0; strategy < num_strategies; ++strategy) {
    bench.means.push_back(mean_of(bench.cells, strategy));
    const bool everywhere = strategy + 1 < num_strategies && bench.means[strategy].num_cells == num_cells;
    if (everywhere && (bench.best_single < 0 || bench.means[strategy].mean < bench.means[bench.best_single].mean)) {
      bench.best_single = strategy;
    }
  }
  bench.all_moves = {};
  for (const MoveCell& cell : bench.moves) {
    for (double MoveCell::*field :
         {&MoveCell::stay, &MoveCell::limited, &MoveCell::free, &MoveCell::limited_moved, &MoveCell::free_moved}) {
      bench.all_moves.*field += cell.*field / static_cast<double>(bench.moves.size());
    }
  }
}

}  // namespace lplb
