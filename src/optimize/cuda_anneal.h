#pragma once

// Chains on a GPU, all at once: the placements of anneal(), which is the specification, to the last slot.

#include <span>
#include <vector>

#include "optimize/anneal.h"

namespace lplb::cuda {

/// Runs all jobs side by side, a block of threads each. One go_on that returns false stops all of them. Allocates and
/// synchronizes. Throws CudaError where there is no GPU or not enough memory on it.
std::vector<AnnealResult> anneal(std::span<const AnnealJob> jobs);

}  // namespace lplb::cuda
