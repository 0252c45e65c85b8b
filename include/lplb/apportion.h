#pragma once

// Apportioning: of a plan's quotas, which source rank sends how many of its tokens to which copy. Nearest first: the
// same rank, then the same node, then the rest; distances are nested, so this is optimal for cross-node traffic.

#include <cstdint>
#include <span>

#include "lplb/placement.h"
#include "lplb/source_table.h"
#include "lplb/types.h"

namespace lplb {

/// The whole table. `counts` [S, E] per source rank (S = num_ranks), `quota` [P] with the same total per expert;
/// `tokens` [S, P] is overwritten. Row sums per expert are the counts, column sums the quotas, exactly.
/// O(S E + S P). Throws InvalidArgument when lengths or totals disagree.
void apportion(const Placement& placement, std::span<const Tokens> counts, std::span<const Tokens> quota,
               std::span<Tokens> tokens);

/// One source's row of that table, from the counts of all sources: what each rank computes for itself.
SourceTable apportion_source(const Placement& placement, std::span<const Tokens> counts, std::span<const Tokens> quota,
                             int source_rank);

/// For a source that knows only its own counts `own_counts` [E]: its tokens divided in the proportion of the quotas by
/// largest remainder (ties to the lowest slot). Off by less than one token per source and copy. An expert whose quotas
/// are all zero divides evenly over its copies on live ranks (`live` [G], empty = all).
SourceTable apportion_proportional(const Placement& placement, std::span<const Tokens> own_counts,
                                   std::span<const Tokens> quota, int source_rank,
                                   std::span<const std::uint8_t> live = {});

}  // namespace lplb
