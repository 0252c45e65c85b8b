#pragma once

// The search for placements with its chains on a GPU: those of all layers at once. What is before and after the chains,
// starts and the exact judge, is on the CPU's threads. docs/placement.md says how long it takes.

#include <span>

#include "lplb/optimize.h"

namespace lplb::cuda {

/// As lplb::optimize_layers, and the same placements to the last slot. With total_slots the short searches that share
/// the slots out are the CPU's. A time limit of one layer ends the search of all. Runs on `device`, -1 = the current
/// one, in its default stream; allocates and synchronizes: for a refresh, beside the batches. Throws InvalidArgument as
/// lplb::optimize_layers does, CudaError where there is no such GPU or not the memory (about 5 MB a chain for 256
/// experts on 64 ranks).
LayersResult optimize_layers(std::span<const Tokens> windows, int num_layers, const OptimizeArgs& args,
                             std::span<const Placement> current = {}, int total_slots = 0, int device = -1);

}  // namespace lplb::cuda
