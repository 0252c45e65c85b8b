#pragma once

// The search over all layers with the chains run by whoever can run them side by side.

#include <functional>
#include <span>
#include <vector>

#include "lplb/optimize.h"
#include "optimize/anneal.h"

namespace lplb {

/// Runs chains; the ends in the order of the jobs.
using ChainRunner = std::function<std::vector<AnnealResult>(std::span<const AnnealJob>)>;

/// As optimize_layers, with all chains of all layers given to `run_chains` at once. Empty: each layer on a thread.
LayersResult optimize_layers_by(const ChainRunner& run_chains, std::span<const Tokens> windows, int num_layers,
                                const OptimizeArgs& args, std::span<const Placement> current, int total_slots);

}  // namespace lplb
