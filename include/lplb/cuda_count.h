#pragma once

// Counting the router's choices on the GPU.

#include <cstddef>
#include <cstdint>
#include <span>

#include "lplb/cuda.h"
#include "lplb/cuda_routing.h"
#include "lplb/types.h"

namespace lplb::cuda {

/// counts[e] = how often e stands in the valid part of topk_idx; `counts` [E] on the device, E <= 1,024, is
/// overwritten. Leaves in `workspace` (routing_workspace_bytes, for this number of ids) what remap needs.
/// One kernel; no allocation or synchronization, so it can be captured. Throws InvalidArgument on wrong sizes.
void count_tokens(const Routing<std::int32_t>& routing, std::span<Tokens> counts, std::span<std::byte> workspace,
                  Stream stream);
void count_tokens(const Routing<std::int64_t>& routing, std::span<Tokens> counts, std::span<std::byte> workspace,
                  Stream stream);

}  // namespace lplb::cuda
