#pragma once

// Arrangements that a search can start from: they keep all rules.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lplb/placement.h"
#include "optimize/search_rules.h"

namespace lplb {

/// The node of each expert: groups that are somewhere stay there, the others go, heaviest first, to the lightest node
/// with room, equal numbers of groups on each node that has slots, or one more. `load` [E]; `home` [num_groups] the
/// node that a group is on, kNone = none. [E] Throws InvalidArgument where no node has slots for a group.
std::vector<std::int32_t> assign_groups(const PlacementRules& rules, std::span<const double> load,
                                        std::vector<std::int32_t> home);

/// EPLB's idea under any rules: experts to blocks of ranks, further copies to the largest load a copy, copies packed
/// heaviest first on the lightest rank that has not one. `load` [E]. Throws InvalidArgument where blocks are too small.
std::vector<std::int32_t> greedy_start(const SearchRules& rules, std::span<const double> load);

/// Empty when the placement keeps the rules; else why it does not, in words.
std::string find_violation(const SearchRules& rules, const Placement& placement);

/// The current placement without what is on ranks or slots that may not be used; experts that have no copy left are
/// put into empty slots, or over copies that are needed least. `load` [E]. Throws InvalidArgument when it breaks
/// rules besides.
std::vector<std::int32_t> repair_current(const SearchRules& rules, const Placement& current,
                                         std::span<const double> load);

/// Orders the experts within each rank so that those that `current` has there too keep their slot.
void align_slots(const SearchRules& rules, const Placement& current, std::vector<std::int32_t>& phy2log);

}  // namespace lplb
