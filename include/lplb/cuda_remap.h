#pragma once

// Remapping on the GPU, and the tensors that a dispatch takes.

#include <cstddef>
#include <cstdint>
#include <span>

#include "lplb/cuda.h"
#include "lplb/cuda_placement.h"
#include "lplb/cuda_routing.h"
#include "lplb/types.h"

namespace lplb::cuda {

/// What DeepEP's get_dispatch_layout returns, with physical experts in the place of experts. All on the device and
/// overwritten; all three are given or none.
struct DispatchLayout {
  std::span<Tokens> num_tokens_per_rank;     // [G] rows of topk_idx that send anything to the rank
  std::span<Tokens> num_tokens_per_expert;   // [P] entries that go to the physical expert
  std::span<std::uint8_t> is_token_in_rank;  // [T, G] 0 or 1
};

/// Everything on the device.
template <class Id>
struct RemapArgs {
  Routing<Id> routing;
  std::span<const Tokens> table;   // [P] tokens of these ids for each physical expert: an apportioned row, or the
                                   // quotas where these ids are the whole batch
  std::span<std::byte> workspace;  // as count_tokens left it for these ids
  std::span<Id> physical;          // [T, K] out; may be topk_idx itself
  DispatchLayout layout;           // out; empty = not wanted
  /// May start before the kernels ahead in the stream have ended: the ids and the placement must be there before the
  /// count of these ids, or before a kernel after it that was launched without overlap.
  bool overlaps_previous = false;
};

/// The integers of lplb::remap; -1 for padding and for bad ids. One kernel, two with a layout; no allocation or
/// synchronization. Throws InvalidArgument on wrong sizes.
void remap(const DevicePlacement& placement, const RemapArgs<std::int32_t>& args, Stream stream);
void remap(const DevicePlacement& placement, const RemapArgs<std::int64_t>& args, Stream stream);

}  // namespace lplb::cuda
