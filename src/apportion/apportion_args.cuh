#pragma once

// What is checked of the arguments of apportioning.

#include "base/check.h"
#include "cuda/placement.cuh"
#include "lplb/cuda_apportion.h"

namespace lplb::cuda {

inline void check_apportion_args(const PlacementView& placement, const ApportionArgs& args) {
  const auto num_physical = static_cast<std::size_t>(placement.num_physical);
  const auto num_logical = static_cast<std::size_t>(placement.num_logical);
  check(args.counts.size() == num_logical || args.counts.size() == num_logical * placement.num_ranks,
        "[apportion] counts has ", args.counts.size(), " entries; it must be [", num_logical, "] or [",
        placement.num_ranks, " source ranks, ", num_logical, "]");
  check(args.quota.size() == num_physical && args.tokens.size() == num_physical, "[apportion] quota and tokens have ",
        args.quota.size(), " and ", args.tokens.size(), " entries; they must have one for each of the ", num_physical,
        " physical experts");
  check(args.live.empty() || static_cast<int>(args.live.size()) == placement.num_ranks, "[apportion] live has ",
        args.live.size(), " entries; it must have none, or one for each of the ", placement.num_ranks, " ranks");
  check(args.source_rank >= 0 && args.source_rank < placement.num_ranks, "[apportion] source_rank (", args.source_rank,
        ") must be in 0..", placement.num_ranks - 1);
}

}  // namespace lplb::cuda
