#pragma once

// The sums of a placement bench.

#include "lplb/placement_bench.h"

namespace lplb {

/// Compares "optimize", the last of cell.imbalance, with the best of the others.
void compare_cell(BenchCell& cell, const PlacementBenchArgs& args);

/// Fills means, best_single and all_moves from cells and moves.
void summarize_bench(PlacementBench& bench);

}  // namespace lplb
