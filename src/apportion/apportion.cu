// One warp an expert: the source's tokens for each copy, by matching nearest first or in the proportion of the quotas.
// The integers are those of apportion.cpp.

#include "lplb/cuda_apportion.h"

#include "apportion/apportion_args.cuh"
#include "apportion/apportion_config.h"
#include "apportion/match.cuh"
#include "cuda/launch.cuh"
#include "cuda/placement.cuh"

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

/// The warp's part of the shared memory.
__device__ Expert expert_memory(const PlacementView& placement, Tokens* shared, CopyRange range) {
  const int num_ranks = placement.num_ranks;
  const int max_copies = placement.num_physical - placement.num_logical + 1;
  Tokens* const memory = shared + static_cast<int>(threadIdx.x) / 32 * apportion_warp_words(max_copies, num_ranks);
  Expert expert{.num_copies = range.count, .copies = reinterpret_cast<Copy*>(memory)};
  expert.demand = memory + sizeof(Copy) / sizeof(Tokens) * max_copies;
  expert.demand_before = expert.demand + max_copies;
  expert.row = expert.demand_before + max_copies + 1;
  expert.matched = expert.row + max_copies;
  expert.matched_before = expert.matched + max_copies;
  expert.supply = expert.matched_before + max_copies;
  expert.supply_before = expert.supply + num_ranks;
  return expert;
}

/// What does not depend on the plan: copies, and what sources have.
template <bool kProportional>
__device__ void load_expert(const ApportionParams& p, const Expert& expert, int e, CopyRange range) {
  const PlacementView& placement = p.placement;
#pragma unroll 1
  for (int c = lane_id(); c < expert.num_copies; c += 32) {
    expert.copies[c] = placement.copies[range.first + c];
  }
  if constexpr (!kProportional) {
#pragma unroll 1
    for (int s = lane_id(); s < placement.num_ranks; s += 32) {
      expert.supply[s] = p.counts[static_cast<std::int64_t>(s) * placement.num_logical + e];
    }
  }
  __syncwarp();
}

/// A warp owns one expert with copies, whose remainders are in shared memory, 36 X + 8 G bytes a warp; or an expert
/// without, whose tokens all go to its slot; and one warp more clears the empty slots. Floor: launch, two round trips
/// to placement and counts (before the wait), one to the quotas, and two scans of 0.15 us.
template <bool kProportional>
__global__ void apportion_kernel(const ApportionParams p) {
  extern __shared__ __align__(16) Tokens shared[];
  const PlacementView& placement = p.placement;
  const int e = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) / 32;
  let_next_start();
  if (e >= placement.num_logical) {
    wait_for_previous();
    clear_empty_slots(p);
    return;
  }
  const Tokens own =
      p.counts[(kProportional ? 0 : static_cast<std::int64_t>(p.source_rank) * placement.num_logical) + e];
  const CopyRange range = placement.ranges[e];
  const Expert expert = expert_memory(placement, shared, range);
  load_expert<kProportional>(p, expert, e, range);
  wait_for_previous();
  if (expert.num_copies == 1) {
    if (lane_id() == 0) {
      p.tokens[expert.copies[0].slot] = own;
    }
    return;
  }
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
