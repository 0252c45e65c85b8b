#pragma once

// Apportioning on the GPU: one source rank's row of the table, the integers of apportion_source and
// apportion_proportional.

#include <cstdint>
#include <span>

#include "lplb/cuda.h"
#include "lplb/cuda_placement.h"
#include "lplb/types.h"

namespace lplb::cuda {

/// Everything on the device. The counts must not be negative and agree with the quotas, which only the CPU checks.
struct ApportionArgs {
  std::span<const Tokens> counts;      // [S, E] of all source ranks; or [E], the source's own: proportional
  std::span<const Tokens> quota;       // [P]
  std::span<const std::uint8_t> live;  // [G] or empty = all; read when proportional
  int source_rank = 0;
  std::span<Tokens> tokens;  // [P] out: tokens of the source for each physical expert
  /// May start before the kernel ahead in the stream, a solve of these counts, has ended: the counts and the placement
  /// must be there before that starts.
  bool overlaps_previous = false;
};

/// One kernel, a warp an expert; no allocation or synchronization. Throws InvalidArgument on wrong sizes.
void apportion(const DevicePlacement& placement, const ApportionArgs& args, Stream stream);

}  // namespace lplb::cuda
