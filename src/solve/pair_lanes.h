#pragma once

// The short way of the CUDA solver, for placements whose components are small graphs of pairs, as LPLB's topologies
// are: what each lane needs of the split graph, in the order in which a warp reads it. One trip to device memory brings
// it into registers, beside the counts.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lplb/solve.h"
#include "solve/solve_config.h"
#include "solve/solve_image.h"

namespace lplb::cuda {

inline constexpr int kLaneColors = 4;
inline constexpr int kLaneFixed = 8;        // experts that a lane adds up, and as many again where one needs more
inline constexpr int kMaxLaneTasks = 8;     // components
inline constexpr int kLaneTableHeader = 4;  // words: number of components, and padding
inline constexpr std::uint16_t kNoSlot = 0xffff;

/// What one lane is given: lane l has rank l % W of the component, W being the number of its ranks rounded up to a
/// power of two, and the first W lanes stand for the ranks. An expert is named by the place of its tokens
/// (place_of_tokens). Where a lane has no rank, or a rank no pair of a color, keys are 0 and experts E, which has no
/// tokens.
struct alignas(16) LaneTable {
  std::uint16_t component;        // these are the same in all lanes
  std::uint8_t num_ranks;         // of the component
  std::uint8_t log_width;         // W
  std::uint8_t has_cycle;         // 0 or 1
  std::uint8_t has_more_fixed;    // whether any lane has experts in more_fixed
  std::uint16_t rank;             // of the lane, by its number in the placement
  std::uint32_t reciprocal;       // reciprocal_of(num_ranks)
  std::uint32_t lane_reciprocal;  // reciprocal_of(l + 1)
  PairWord pair[kLaneColors];
  std::uint16_t fixed[kLaneFixed];  // experts that live on the rank alone, a part of them
  std::uint16_t slot[kLaneColors];  // of the pair's copy here; kNoSlot = none
  std::uint64_t rank_key;           // for the digest
  std::uint64_t slot_key[kLaneColors];
  std::uint16_t more_fixed[kLaneFixed];
};
inline constexpr int kLaneRows = sizeof(LaneTable) / 16;
inline constexpr int kLaneTaskWords = sizeof(LaneTable) / 4 * 32;
static_assert(sizeof(LaneTable) % 16 == 0);

/// Header, then for each component the tables of 32 lanes: [kLaneRows][32] of four words. Empty where the graph is no
/// such: up to 8 components, each of 2 to 32 ranks with up to 4 colors of pairs; each pair one expert, with one copy on
/// either rank; no expert twice on a rank; no rank without a pair; not more fixed experts than the lanes hold.
std::vector<std::uint32_t> make_lane_tables(const SplitGraph& graph);

/// Room for the tables of any placement of `num_ranks` ranks.
constexpr int lane_table_words(int num_ranks) {
  const int num_tasks = num_ranks / 2 < kMaxLaneTasks ? num_ranks / 2 : kMaxLaneTasks;
  return kLaneTableHeader + num_tasks * kLaneTaskWords;
}

}  // namespace lplb::cuda
