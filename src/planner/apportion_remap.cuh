#pragma once

// Apportioning and remapping in one launch, where the batch and the placement are of a size at which that is faster.

#include "lplb/cuda_apportion.h"
#include "lplb/cuda_placement.h"
#include "lplb/cuda_remap.h"

namespace lplb::cuda {

/// Does what apportion(placement, first, stream) and remap(placement, second, stream) do one after the other;
/// `second.table` is `first.tokens`. Both checks of arguments apply.
void apportion_and_remap(const DevicePlacement& placement, const ApportionArgs& first,
                         const RemapArgs<std::int32_t>& second, Stream stream);
void apportion_and_remap(const DevicePlacement& placement, const ApportionArgs& first,
                         const RemapArgs<std::int64_t>& second, Stream stream);

}  // namespace lplb::cuda
