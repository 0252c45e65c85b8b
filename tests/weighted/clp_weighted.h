#pragma once

// The weighted split by COIN CLP's dual simplex, over slots rather than columns: minimize T subject to the experts'
// sums, the ranks' times and the extra rows.

#include <ClpSimplex.hpp>
#include <CoinPackedMatrix.hpp>

#include <optional>
#include <vector>

#include "weighted/random_weighted.h"

namespace lplb::testing {

/// The optimum, or nothing where no split meets the rows.
inline std::optional<double> clp_optimum(const WeightedInstance& instance) {
  const Placement& placement = instance.placement;
  const int num_logical = placement.num_logical();
  const int num_ranks = placement.num_ranks();
  const int num_slots = placement.num_physical();
  const int num_extra = static_cast<int>(instance.row_bound.size());
  std::vector<int> rows;
  std::vector<int> columns;
  std::vector<double> values;
  const auto add = [&](int row, int column, double value) {
    rows.push_back(row);
    columns.push_back(column);
    values.push_back(value);
  };
  std::vector<double> upper(num_slots + 1, 0);  // of columns
  for (int slot = 0; slot < num_slots; ++slot) {
    const int expert = placement.phy2log()[slot];
    if (expert != kNone && instance.is_live(placement.rank_of(slot))) {
      upper[slot] = COIN_DBL_MAX;
      add(expert, slot, 1);
      add(num_logical + placement.rank_of(slot), slot, instance.time_of(slot));
    }
  }
  upper[num_slots] = COIN_DBL_MAX;
  std::vector<double> row_upper(instance.counts.begin(), instance.counts.end());
  std::vector<double> row_lower = row_upper;
  for (int rank = 0; rank < num_ranks; ++rank) {
    add(num_logical + rank, num_slots, -1);
    row_lower.push_back(-COIN_DBL_MAX);
    row_upper.push_back(instance.base_time.empty() || !instance.is_live(rank) ? 0 : -instance.base_time[rank]);
  }
  for (const RowEntry& entry : instance.rows) {
    add(num_logical + num_ranks + entry.row, entry.physical, entry.value);
  }
  row_lower.resize(num_logical + num_ranks + num_extra, -COIN_DBL_MAX);
  row_upper.insert(row_upper.end(), instance.row_bound.begin(), instance.row_bound.end());
  CoinPackedMatrix matrix(true, rows.data(), columns.data(), values.data(), static_cast<CoinBigIndex>(values.size()));
  matrix.setDimensions(num_logical + num_ranks + num_extra, num_slots + 1);
  const std::vector<double> lower(num_slots + 1, 0);
  std::vector<double> objective(num_slots + 1, 0);
  objective.back() = 1;
  ClpSimplex model;
  model.setLogLevel(0);
  model.loadProblem(matrix, lower.data(), upper.data(), objective.data(), row_lower.data(), row_upper.data());
  model.dual();
  return model.status() == 0 ? std::optional(model.objectiveValue()) : std::nullopt;
}

}  // namespace lplb::testing
