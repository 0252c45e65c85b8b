#pragma once

// What the kernels that read ids share: the id at a position, and the checks of a batch at the public border.

#include <cuda_runtime.h>

#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

#include "base/check.h"
#include "cuda/slices.h"
#include "lplb/cuda_routing.h"

namespace lplb::cuda {

/// Kernel argument. Positions from num_ids on hold no expert, nor do those of padded tokens.
template <class Id>
struct RoutingView {
  const Id* topk_idx;  // [num_ids]
  std::int32_t num_ids;
  std::int32_t num_logical;
  std::int32_t top_k;
  const std::int32_t* num_valid_tokens;
  std::int32_t* status;
};

/// Number of positions that hold valid tokens.
template <class Id>
__device__ std::int32_t num_valid_ids(const RoutingView<Id>& routing) {
  if (routing.num_valid_tokens == nullptr) {
    return routing.num_ids;
  }
  const std::int64_t valid = static_cast<std::int64_t>(*routing.num_valid_tokens) * routing.top_k;
  return static_cast<std::int32_t>(max(std::int64_t{0}, min(valid, std::int64_t{routing.num_ids})));
}

/// Whether `id` is an expert: not -1, nor a bad id.
template <class Id>
__device__ bool is_expert(const RoutingView<Id>& routing, Id id) {
  return static_cast<std::make_unsigned_t<Id>>(id) < static_cast<unsigned>(routing.num_logical);
}

/// Whether `id` is none that a router may write.
template <class Id>
__device__ bool is_bad(const RoutingView<Id>& routing, Id id) {
  return !is_expert(routing, id) && id != kNone;
}

/// Checks the sizes and makes the kernel argument.
template <class Id>
RoutingView<Id> view_routing(const char* function, const Routing<Id>& routing, int num_logical) {
  const std::size_t num_ids = routing.topk_idx.size();
  check(num_ids <= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()), "[", function, "] topk_idx has ",
        num_ids, " entries; that must be below 2^31");
  check(routing.top_k >= 1 && num_ids % routing.top_k == 0, "[", function, "] topk_idx has ", num_ids,
        " entries; that must be a multiple of top_k (", routing.top_k, ")");
  check(num_logical >= 1 && num_logical <= kMaxCudaLogical, "[", function, "] the number of experts (", num_logical,
        ") must be in 1..", kMaxCudaLogical);
  return {.topk_idx = routing.topk_idx.data(),
          .num_ids = static_cast<std::int32_t>(num_ids),
          .num_logical = num_logical,
          .top_k = routing.top_k,
          .num_valid_tokens = routing.num_valid_tokens,
          .status = routing.status};
}

/// Checks the workspace of a batch.
inline void check_workspace(const char* function, std::span<std::byte> workspace, const Slices& slices,
                            int num_logical) {
  check(workspace.size() >= slice_rows_bytes(slices, num_logical), "[", function, "] workspace has ", workspace.size(),
        " bytes; it must have ", slice_rows_bytes(slices, num_logical), " (routing_workspace_bytes)");
}

}  // namespace lplb::cuda
