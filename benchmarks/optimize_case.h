#pragma once

// The search that the benchmarks time: 58 layers of 256 experts on 64 ranks with two further slots each, from windows
// of 16 batches.

#include <vector>

#include "lplb/optimize.h"
#include "lplb/trace_io.h"

namespace lplb {

inline constexpr int kModelLayers = 58;
inline constexpr int kModelBatches = 16;
inline constexpr int kModelExperts = 256;

/// [L, T, E] of log-normal popularity (sigma 0.7) that drifts by a fiftieth from batch to batch.
inline std::vector<Tokens> model_windows() {
  const Trace trace = synthesize_trace({.num_steps = kModelBatches,
                                        .num_layers = kModelLayers,
                                        .num_experts = kModelExperts,
                                        .tokens_per_source = 131072,
                                        .skew = 0.7,
                                        .drift = 0.02,
                                        .seed = 1});
  std::vector<Tokens> windows;
  for (int layer = 0; layer < kModelLayers; ++layer) {
    for (int step = 0; step < kModelBatches; ++step) {
      const auto counts = trace.at(step, layer);
      windows.insert(windows.end(), counts.begin(), counts.end());
    }
  }
  return windows;
}

inline OptimizeArgs model_args(int num_threads) {
  return {.rules = {.num_logical = kModelExperts, .num_ranks = 64, .slots_per_rank = 6}, .num_threads = num_threads};
}

}  // namespace lplb
