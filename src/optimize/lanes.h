#pragma once

// Batches side by side: the search keeps the flows of many batches (lanes) for one placement, eight to a block, so that
// one vector instruction serves all lanes of a block. Loads are in units of the mean rank load of their lane.

#include <array>
#include <cstddef>

namespace lplb {

inline constexpr int kLanes = 8;

/// One number for each lane of a block.
struct alignas(kLanes * sizeof(float)) LaneValues : std::array<float, kLanes> {};

}  // namespace lplb
