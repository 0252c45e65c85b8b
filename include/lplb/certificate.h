#pragma once

// Checks of a plan that share no code with the solver: what a user runs who does not trust it.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lplb/placement.h"
#include "lplb/plan.h"
#include "lplb/types.h"

namespace lplb {

/// Experts all of whose live copies are on `ranks`, ascending: the ones that a certificate is about.
std::vector<std::int32_t> confined_experts(const Placement& placement, std::span<const std::int32_t> ranks,
                                           std::span<const std::uint8_t> live = {});

/// ceil((base load of the ranks + tokens of the experts confined to them) / number of ranks): no split can have a
/// smaller largest load, whatever `ranks` is. `ranks` must be live, different and not empty.
Tokens certificate_bound(const Placement& placement, std::span<const Tokens> counts, std::span<const Tokens> base_load,
                         std::span<const std::int32_t> ranks, std::span<const std::uint8_t> live = {});

/// Empty when the plan is legal (tokens conserved, live copies only, loads add up) and proved optimal by its
/// certificate; else the first thing that is wrong, in words. O(P + E).
std::string check_plan(const Placement& placement, std::span<const Tokens> counts, std::span<const Tokens> base_load,
                       std::span<const std::uint8_t> live, const Plan& plan);

}  // namespace lplb
