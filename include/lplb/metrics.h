#pragma once

// Measures of balance and traffic. Every formula is named, because the frameworks differ.

#include <cstdint>
#include <span>

#include "lplb/placement.h"
#include "lplb/types.h"

namespace lplb {

/// Of one set of loads (ranks of a layer and step). With a zero total, imbalance and balancedness are 1.
struct Balance {
  double mean = 0;
  double max = 0;
  double imbalance = 1;     // max / mean: 1 is perfect. This library, LPLB.
  double balancedness = 1;  // mean / max. SGLang's utilization rate, vLLM's balancedness.
  double excess = 0;        // max / mean - 1. TensorRT-LLM's imbalance ratio.
};
Balance measure_balance(std::span<const Tokens> loads);

/// Sums of consecutive ranks: loads of nodes from loads of ranks. `rank_load` [G] -> `node_load` [num_nodes].
void sum_nodes(std::span<const Tokens> rank_load, std::span<Tokens> node_load);

/// Tokens (token-expert pairs) by how far they travel under an apportioned table.
struct Traffic {
  std::int64_t total = 0;
  std::int64_t cross_rank = 0;  // leave their rank, cross-node ones included
  std::int64_t cross_node = 0;  // leave their node
};
/// `tokens` [S, P], the table of apportion().
Traffic measure_traffic(const Placement& placement, std::span<const Tokens> tokens);

/// Linear-interpolated quantile (NumPy's default) of values, q in [0, 1]. Sorts a copy.
double quantile(std::span<const double> values, double q);

}  // namespace lplb
