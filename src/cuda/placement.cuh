#pragma once

// The device image of a placement: experts' slot lists one after another, and where each begins.

#include <cstdint>

#include "cuda/staged_buffer.cuh"
#include "lplb/cuda_placement.h"
#include "model/copy_lanes.h"
#include "model/expert_place.h"

namespace lplb::cuda {

/// Where an expert's copies are in the lists by expert: the first, which has a slot, and how many.
struct alignas(8) CopyRange {
  std::uint16_t first;
  std::uint16_t count;
  std::uint16_t slot;
  std::uint16_t unused;
};

/// One copy of an expert.
struct alignas(16) Copy {
  std::uint16_t slot;
  std::uint16_t rank;
  std::uint16_t node;
  std::uint16_t first_of_node;  // first copy in this node, counted within the expert's range
  std::uint16_t count;          // of the expert's copies
  std::uint16_t unused[3];
};

/// An expert with more copies than a warp has lanes.
struct alignas(8) WideExpert {
  std::uint16_t expert;
  std::uint16_t first;  // as in CopyRange
  std::uint16_t count;
  std::uint16_t unused;
};

/// What a placement has of replicated experts, those with several copies.
struct alignas(8) ReplicatedCounts {
  std::uint16_t num_replicated;
  std::uint16_t num_wide;
  std::uint16_t num_warps;  // of the copies of the others, in lanes
  std::uint16_t unused;
};

/// A copy of an expert that is not wide, in its lane; numbers of lanes are those of the warp. A lane without a copy has
/// an end of 0.
struct alignas(16) CopyLane {
  std::uint16_t copy;  // its number in the list of copies
  std::uint16_t slot;
  std::uint16_t rank;
  std::uint16_t node;
  std::uint16_t expert;
  std::uint8_t first;  // of the expert
  std::uint8_t end;    // behind the expert's last
  std::uint8_t first_of_rank;
  std::uint8_t first_of_node;
  std::uint8_t last_of_node;
  std::uint8_t unused;
};

/// Kernel argument.
struct PlacementView {
  const ExpertPlace* places;        // [num_places] of experts, then of none; right behind it
  const std::uint16_t* replicated;  // [num_replicated_entries] experts, ascending
  const CopyRange* ranges;          // [E]
  const ReplicatedCounts* counts;   // [1]
  const WideExpert* wide;           // [num_wide]
  const CopyLane* lanes;  // [num_warps, kMatchLanes] experts in descending order of copies, then lanes without a copy
  const Copy* copies;     // [P] by expert, slots ascending; the empty slots behind all experts'
  std::int32_t num_logical;
  std::int32_t num_physical;
  std::int32_t num_ranks;
  std::int32_t slots_per_rank;
  std::int32_t ranks_per_node;
};

struct DevicePlacement::Impl {
  explicit Impl(const Placement& placement);

  int num_nodes;
  StagedBuffer<std::uint16_t> image;  // all that the view shows, in 16-bit words
  PlacementView view;
};

}  // namespace lplb::cuda
