#pragma once

// The unknowns of a weighted model. A cell is what no time and no row tells apart: an expert's copies on one rank with
// the same time and the same coefficients.

#include <cstdint>
#include <vector>

#include "lplb/placement.h"
#include "lplb/weighted.h"

namespace lplb::weighted {

struct Cell {
  std::int32_t rank;
  double time;
  std::vector<double> coefficients;  // [R]
  std::vector<std::int32_t> slots;   // ascending
};

/// Cells of live copies by expert. Experts with one cell are fixed; the cells of the others are columns.
struct Cells {
  std::vector<std::int32_t> expert_id;     // [J] logical expert
  std::vector<std::int32_t> expert_begin;  // [J + 1] columns of the expert
  std::vector<Cell> columns;               // [n]
  std::vector<std::int32_t> fixed_expert;  // [F] logical expert, by rank
  std::vector<Cell> fixed;                 // [F]
  std::vector<std::int32_t> idle;          // slots without a live copy
};

/// Throws InvalidArgument on what WeightedModel refuses, but for the number of ranks.
Cells gather_cells(const Placement& placement, const WeightedArgs& args);

}  // namespace lplb::weighted
