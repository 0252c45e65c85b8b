// One warp an expert: the source's tokens for each copy, by matching nearest first or in the proportion of the quotas.
// The integers are those of apportion.cpp.

#include "lplb/cuda_apportion.h"

#include "apportion/apportion_args.cuh"
#include "apportion/apportion_config.h"
#include "apportion/match.cuh"
#include "apportion/match_lanes.cuh"
#include "cuda/launch.cuh"
#include "cuda/placement.cuh"
#include "cuda/warp.cuh"

namespace lplb::cuda {
namespace {

// Loops over ranks and copies mostly run once and are not unrolled: a kernel this short waits for its instructions,
// too.

struct ApportionParams {
  PlacementView placement;
  const Tokens* counts;  // [S, E] or [E]
  const Tokens* quota;   // [P]
  const std::uint8_t* live;
  std::int32_t source_rank;
  Tokens* tokens;  // [P]
};

/// The source's tokens in the proportion of the demands, by largest remainder; ties to the lowest copy. The remainders
/// take the place of the demands.
__device__ void divide_proportionally(const Expert& expert, Tokens tokens) {
  std::int64_t weight_total = 0;
#pragma unroll 1
  for (int c = lane_id(); c < expert.num_copies; c += 32) {
    weight_total += expert.demand[c];
  }
  for (int offset = 16; offset > 0; offset /= 2) {
    weight_total += __shfl_xor_sync(kAllLanes, weight_total, offset);
  }
  Tokens given = 0;
#pragma unroll 1
  for (int c = lane_id(); c < expert.num_copies; c += 32) {
    const std::int64_t product = static_cast<std::int64_t>(tokens) * expert.demand[c];
    expert.row[c] = weight_total > 0 ? static_cast<Tokens>(product / weight_total) : 0;
    expert.demand[c] = weight_total > 0 ? static_cast<Tokens>(product % weight_total) : 0;
    given += expert.row[c];
  }
  const auto left = static_cast<int>(tokens - __reduce_add_sync(kAllLanes, static_cast<unsigned>(given)));
  __syncwarp();
#pragma unroll 1
  for (int c = lane_id(); c < expert.num_copies; c += 32) {
    int place = 0;
    for (int other = 0; other < expert.num_copies; ++other) {
      const Tokens ahead = expert.demand[other];
      place += ahead > expert.demand[c] || (ahead == expert.demand[c] && other < c) ? 1 : 0;
    }
    expert.row[c] += place < left ? 1 : 0;
  }
}

/// Weights of an expert whose quotas are all zero: its copies on live ranks.
__device__ void weigh_live_copies(const ApportionParams& p, const Expert& expert) {
  Tokens largest = 0;
#pragma unroll 1
  for (int c = lane_id(); c < expert.num_copies; c += 32) {
    largest = max(largest, expert.demand[c]);
  }
  if (__any_sync(kAllLanes, largest > 0)) {
    return;
  }
#pragma unroll 1
  for (int c = lane_id(); c < expert.num_copies; c += 32) {
    const int rank = expert.copies[c].rank;
    expert.demand[c] = p.live == nullptr || p.live[rank] != 0 ? 1 : 0;
  }
  __syncwarp();
}

/// The table's empty slots, which stand behind all experts' copies.
__device__ void clear_empty_slots(const ApportionParams& p) {
  const CopyRange last = p.placement.ranges[p.placement.num_logical - 1];
  for (int i = last.first + last.count + lane_id(); i < p.placement.num_physical; i += 32) {
    p.tokens[p.placement.copies[i].slot] = 0;
  }
}

/// Copy number lane of an expert that is not wide, from its copies.
__device__ CopyLane copy_in_lane(const Copy& copy, int num_copies) {
  const bool is_copy = lane_id() < num_copies;
  const int rank_before = __shfl_up_sync(kAllLanes, copy.rank, 1);
  const int node_before = __shfl_up_sync(kAllLanes, copy.node, 1);
  const unsigned up_to_here = kAllLanes >> (31 - lane_id());
  const unsigned ranks = __ballot_sync(kAllLanes, lane_id() == 0 || copy.rank != rank_before);
  const unsigned nodes = __ballot_sync(kAllLanes, lane_id() == 0 || copy.node != node_before || !is_copy);
  const unsigned later_nodes = nodes & ~up_to_here;
  return {.copy = 0,
          .slot = copy.slot,
          .rank = copy.rank,
          .node = copy.node,
          .expert = 0,
          .first = 0,
          .end = static_cast<std::uint8_t>(is_copy ? num_copies : 0),
          .first_of_rank = static_cast<std::uint8_t>(31 - __clz(static_cast<int>(ranks & up_to_here))),
          .first_of_node = static_cast<std::uint8_t>(copy.first_of_node),
          .last_of_node = static_cast<std::uint8_t>(later_nodes == 0 ? 31 : __ffs(static_cast<int>(later_nodes)) - 2),
          .unused = 0};
}

/// An expert with several copies, a lane each: all but the quotas before the wait.
__device__ void apportion_in_lanes(const ApportionParams& p, const Expert& expert, int e, CopyRange range) {
  const PlacementView& placement = p.placement;
  Copy copy{};
  if (lane_id() < range.count) {
    copy = placement.copies[range.first + lane_id()];
  }
#pragma unroll 1
  for (int s = lane_id(); s < placement.num_ranks; s += 32) {
    expert.supply[s] = p.counts[static_cast<std::int64_t>(s) * placement.num_logical + e];
  }
  __syncwarp();
  const Source source{.rank = p.source_rank, .node = p.source_rank / placement.ranks_per_node};
  const CopyLane at = copy_in_lane(copy, range.count);
  const SupplyMarks marks = read_marks(at, expert.supply, 1, placement.ranks_per_node, source);
  wait_for_previous();
  const Tokens demand = at.end > 0 ? p.quota[at.slot] : 0;
  const Tokens row = match_in_lanes(at, marks, demand, source, range.count);
  if (at.end > 0) {
    p.tokens[at.slot] = row;
  }
}

/// An expert of any number of copies.
template <bool kProportional>
__device__ void apportion_in_memory(const ApportionParams& p, const Expert& expert, int e, CopyRange range) {
  const PlacementView& placement = p.placement;
  const Tokens own = kProportional ? p.counts[e] : 0;
  if constexpr (kProportional) {
    load_copies(placement, range.first, expert);
  } else {
    load_expert(placement, p.counts, e, range.first, expert);
  }
  wait_for_previous();
#pragma unroll 1
  for (int c = lane_id(); c < expert.num_copies; c += 32) {
    expert.demand[c] = p.quota[expert.copies[c].slot];
  }
  __syncwarp();
  if constexpr (kProportional) {
    weigh_live_copies(p, expert);
    divide_proportionally(expert, own);
  } else {
    match_copies(expert, placement, p.source_rank);
  }
#pragma unroll 1
  for (int c = lane_id(); c < expert.num_copies; c += 32) {
    p.tokens[expert.copies[c].slot] = expert.row[c];
  }
}

/// An expert with one copy, which takes all that the source has.
template <bool kProportional>
__device__ void hand_over(const ApportionParams& p, int e, CopyRange range) {
  const std::int64_t source = kProportional ? 0 : p.source_rank;
  const Tokens own = p.counts[source * p.placement.num_logical + e];
  wait_for_previous();
  if (lane_id() == 0) {
    p.tokens[range.slot] = own;
  }
}

/// A warp owns one expert with copies, or an expert without, whose tokens all go to its slot; and one warp more clears
/// the empty slots. Shared memory: 36 X + 8 G bytes a warp for at most X copies, of which an expert that has a lane for
/// each copy needs the last. Floor: launch, two round trips to placement and counts (before the wait), one to the
/// quotas, and three sums over the copies.
template <bool kProportional>
__global__ void apportion_kernel(const ApportionParams p) {
  extern __shared__ uint4 memory[];
  auto* const shared = reinterpret_cast<Tokens*>(memory);
  const PlacementView& placement = p.placement;
  const int e = static_cast<int>(blockIdx.x * blockDim.x) / 32 + warp_id();
  let_next_start();
  if (e >= placement.num_logical) {
    wait_for_previous();
    clear_empty_slots(p);
    return;
  }
  const CopyRange range = placement.ranges[e];
  if (range.count == 1) {
    hand_over<kProportional>(p, e, range);
    return;
  }
  const int max_copies = placement.num_physical - placement.num_logical + 1;
  const int words = apportion_warp_words(max_copies, placement.num_ranks);
  const Expert expert = expert_memory(placement, shared + warp_id() * words, range.count);
  if (kProportional || range.count > kMatchLanes) {
    apportion_in_memory<kProportional>(p, expert, e, range);
  } else {
    apportion_in_lanes(p, expert, e, range);
  }
}

}  // namespace

void apportion(const DevicePlacement& placement, const ApportionArgs& args, Stream stream) {
  const PlacementView& view = placement.impl().view;
  check_apportion_args(view, args);
  const bool proportional = args.counts.size() == static_cast<std::size_t>(view.num_logical) && view.num_ranks > 1;
  const ApportionConfig config = choose_apportion_config(view.num_logical, view.num_physical, view.num_ranks);
  launch("apportion", proportional ? apportion_kernel<true> : apportion_kernel<false>,
         {.num_blocks = config.num_blocks,
          .num_threads = 32 * config.warps_per_block,
          .shared_bytes = config.shared_bytes,
          .overlaps_previous = args.overlaps_previous},
         stream,
         ApportionParams{.placement = view,
                         .counts = args.counts.data(),
                         .quota = args.quota.data(),
                         .live = args.live.empty() ? nullptr : args.live.data(),
                         .source_rank = args.source_rank,
                         .tokens = args.tokens.data()});
}

}  // namespace lplb::cuda
