#pragma once

// What every unit of work of a replay shares.

#include <span>
#include <vector>

#include "lplb/policy.h"
#include "lplb/replay.h"
#include "lplb/trace.h"

namespace lplb {

/// Read only.
struct ReplayContext {
  const Trace& trace;
  std::vector<int> layers;     // as numbered in the trace
  std::vector<Tokens> totals;  // [steps, layers, E] summed over sources
  PolicyArgs shape;
  ReplayOptimizeArgs optimize;
  int window;
  int refresh;
  bool ranks_known;   // sources can be summed into ranks, so that traffic is known
  int heatmap_layer;  // index into layers

  std::span<const Tokens> counts(int step, int layer_idx) const {
    const std::size_t num_logical = trace.num_experts;
    return std::span<const Tokens>(totals).subspan((step * layers.size() + layer_idx) * num_logical, num_logical);
  }
};

}  // namespace lplb
