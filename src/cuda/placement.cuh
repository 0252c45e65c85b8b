#pragma once

// The device image of a placement: experts' slot lists one after another, and where each begins.

#include <cstdint>

#include "cuda/staged_buffer.cuh"
#include "lplb/cuda_placement.h"

namespace lplb::cuda {

/// Where an expert's copies are in the lists by expert: the first, and how many.
struct alignas(4) CopyRange {
  std::uint16_t first;
  std::uint16_t count;
};

/// One copy of an expert.
struct alignas(16) Copy {
  std::uint16_t slot;
  std::uint16_t end;  // of the expert's range
  std::uint16_t rank;
  std::uint16_t node;
  std::uint16_t first_of_node;  // first copy in this node, counted within the expert's range
  std::uint16_t unused[3];
};

/// An expert with several copies. As the first of the list, how many there are.
struct alignas(8) SharedExpert {
  std::uint16_t expert;
  std::uint16_t first;  // as in CopyRange
  std::uint16_t count;
  std::uint16_t num_experts;
};

/// Kernel argument.
struct PlacementView {
  const CopyRange* ranges;     // [E]
  const SharedExpert* shared;  // [1 + num_experts]
  const Copy* copies;          // [P] by expert, slots ascending; the empty slots behind all experts'
  std::int32_t num_logical;
  std::int32_t num_physical;
  std::int32_t num_ranks;
  std::int32_t slots_per_rank;
  std::int32_t ranks_per_node;
};

struct DevicePlacement::Impl {
  explicit Impl(const Placement& placement);

  int num_nodes;
  StagedBuffer<std::uint16_t> image;  // copies, shared experts, ranges: of 16-bit words all
  PlacementView view;
};

}  // namespace lplb::cuda
