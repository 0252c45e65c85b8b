#pragma once

// A batch of the router's choices in device memory, as counting and remapping take it.

#include <cstddef>
#include <cstdint>
#include <span>

#include "lplb/types.h"

namespace lplb::cuda {

/// Bits of the status word that counting and remapping set when they are given one.
inline constexpr std::int32_t kStatusBadId = 1;  // an id was outside [-1, E)

/// Ids on the device. An id outside [-1, E) is never followed: it counts as -1, and sets kStatusBadId in `status` where
/// that is given. The status word is only ever added to; whoever reads it clears it.
template <class Id>
struct Routing {
  std::span<const Id> topk_idx;                    // [T, K] device
  int top_k = 1;                                   // K
  const std::int32_t* num_valid_tokens = nullptr;  // device scalar: tokens from there on are padding; null = all valid
  std::int32_t* status = nullptr;                  // device scalar, or null: bad ids are skipped silently
};

/// Bytes of device memory that counting and remapping a batch of up to `num_ids` = T K ids share. Must be all zeros
/// before its first use, aligned to 8 bytes, and serve one batch at a time.
std::size_t routing_workspace_bytes(std::int64_t num_ids, int num_logical);

}  // namespace lplb::cuda
