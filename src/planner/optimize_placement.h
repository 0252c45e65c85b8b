#pragma once

// One optimization with starts that the caller has besides those of lplb/optimize.h.

#include <span>

#include "lplb/optimize.h"

namespace lplb {

/// `more_starts` keep the rules of `args`. Throws InvalidArgument.
OptimizeResult optimize_from(std::span<const Tokens> window, const OptimizeArgs& args,
                             std::span<const Placement> more_starts);

}  // namespace lplb
