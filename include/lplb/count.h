#pragma once

// Counting the router's choices.

#include <cstdint>
#include <span>

#include "lplb/types.h"

namespace lplb {

/// counts[e] = how often e stands in topk_idx. -1 is skipped. `counts` [E] is overwritten. O(T K).
/// Throws InvalidArgument that names the position of an id outside [-1, E).
void count_tokens(std::span<const std::int32_t> topk_idx, std::span<Tokens> counts);
void count_tokens(std::span<const std::int64_t> topk_idx, std::span<Tokens> counts);

}  // namespace lplb
