#pragma once

// The optimum of a split by two general LP solvers, COIN CLP and GLPK: minimize T subject to, for every class of
// experts, sum of x = tokens, and for every rank, sum of x - T <= -base load. A batch only changes the bounds of rows,
// which keeps the last basis dual feasible, so that the dual simplex starts from it. The optimum is a fraction whose
// denominator is at most the number of ranks; rounding up forgives less than half of one such step.

#include <glpk.h>
#include <ClpSimplex.hpp>
#include <CoinPackedMatrix.hpp>

#include <cmath>
#include <memory>
#include <stdexcept>
#include <vector>

#include "support/flow_network.h"

namespace lplb::testing {

/// The LP's matrix as triplets: rows are classes, then ranks; columns are arcs, then T.
struct LpMatrix {
  explicit LpMatrix(const FlowNetwork& network)
      : num_classes(static_cast<int>(network.class_ranks.size())),
        num_rows(num_classes + network.num_ranks),
        num_columns(network.num_arcs + 1) {
    int arc = 0;
    for (int c = 0; c < num_classes; ++c) {
      for (const int rank : network.class_ranks[c]) {
        add(c, arc, 1);
        add(num_classes + rank, arc, 1);
        ++arc;
      }
    }
    for (int rank = 0; rank < network.num_ranks; ++rank) {
      add(num_classes + rank, arc, -1);
    }
  }

  void add(int row, int column, double value) {
    rows.push_back(row);
    columns.push_back(column);
    values.push_back(value);
  }

  int num_classes;
  int num_rows;
  int num_columns;
  std::vector<int> rows;
  std::vector<int> columns;
  std::vector<double> values;
};

inline Tokens round_up_lp(double optimum, int num_ranks) {
  return static_cast<Tokens>(std::ceil(optimum - 0.5 / num_ranks));
}

class ClpOracle {
 public:
  ClpOracle(const Placement& placement, std::span<const std::uint8_t> live) : network_(placement, live) {
    const LpMatrix lp(network_);
    const CoinPackedMatrix matrix(true, lp.rows.data(), lp.columns.data(), lp.values.data(),
                                  static_cast<CoinBigIndex>(lp.values.size()));
    std::vector<double> objective(lp.num_columns, 0);
    objective.back() = 1;
    std::vector<double> row_bound(lp.num_rows, 0);
    model_.setLogLevel(0);
    model_.scaling(0);  // all coefficients are 1 or -1
    model_.loadProblem(matrix, nullptr, nullptr, objective.data(), nullptr, row_bound.data());
  }

  Tokens optimum(std::span<const Tokens> counts, std::span<const Tokens> base_load) {
    network_.load(counts, base_load);
    const int num_classes = static_cast<int>(network_.supply.size());
    for (int c = 0; c < num_classes; ++c) {
      const auto supply = static_cast<double>(network_.supply[c]);
      model_.setRowBounds(c, supply, supply);
    }
    for (int rank = 0; rank < network_.num_ranks; ++rank) {
      model_.setRowBounds(num_classes + rank, -COIN_DBL_MAX, -static_cast<double>(network_.base[rank]));
    }
    constexpr int kKeepFactorization = 1 | 2;  // between calls: faster than a fresh start on most of our cases
    model_.dual(0, kKeepFactorization);
    if (model_.status() != 0) {
      throw std::runtime_error("CLP found no optimum");
    }
    return round_up_lp(model_.objectiveValue(), network_.num_ranks);
  }

 private:
  FlowNetwork network_;
  ClpSimplex model_;
};

class GlpkOracle {
 public:
  GlpkOracle(const Placement& placement, std::span<const std::uint8_t> live)
      : network_(placement, live), problem_(glp_create_prob(), glp_delete_prob) {
    LpMatrix lp(network_);
    const auto count_from_one = [](std::vector<int>& indices) {
      for (int& index : indices) {
        ++index;
      }
      indices.insert(indices.begin(), 0);
    };
    count_from_one(lp.rows);
    count_from_one(lp.columns);
    lp.values.insert(lp.values.begin(), 0);
    glp_add_rows(problem_.get(), lp.num_rows);
    glp_add_cols(problem_.get(), lp.num_columns);
    for (int column = 1; column <= lp.num_columns; ++column) {
      glp_set_col_bnds(problem_.get(), column, GLP_LO, 0, 0);
    }
    glp_set_obj_coef(problem_.get(), lp.num_columns, 1);
    glp_load_matrix(problem_.get(), static_cast<int>(lp.values.size()) - 1, lp.rows.data(), lp.columns.data(),
                    lp.values.data());
    glp_init_smcp(&parameters_);
    parameters_.msg_lev = GLP_MSG_OFF;
    parameters_.meth = GLP_DUALP;
    parameters_.pricing = GLP_PT_STD;  // faster than steepest edge on most of our cases
  }

  Tokens optimum(std::span<const Tokens> counts, std::span<const Tokens> base_load) {
    network_.load(counts, base_load);
    const int num_classes = static_cast<int>(network_.supply.size());
    for (int c = 0; c < num_classes; ++c) {
      const auto supply = static_cast<double>(network_.supply[c]);
      glp_set_row_bnds(problem_.get(), 1 + c, GLP_FX, supply, supply);
    }
    for (int rank = 0; rank < network_.num_ranks; ++rank) {
      glp_set_row_bnds(problem_.get(), 1 + num_classes + rank, GLP_UP, 0, -static_cast<double>(network_.base[rank]));
    }
    if (glp_simplex(problem_.get(), &parameters_) != 0 || glp_get_status(problem_.get()) != GLP_OPT) {
      throw std::runtime_error("GLPK found no optimum");
    }
    return round_up_lp(glp_get_obj_val(problem_.get()), network_.num_ranks);
  }

 private:
  FlowNetwork network_;
  std::unique_ptr<glp_prob, void (*)(glp_prob*)> problem_;
  glp_smcp parameters_{};
};

}  // namespace lplb::testing
