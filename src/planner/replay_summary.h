#pragma once

// From the records of a replay to its result.

#include "lplb/replay_result.h"
#include "planner/replay_judge.h"

namespace lplb {

/// Placements of one layer over the whole trace.
std::int64_t num_refreshes(const ReplayContext& context);

/// Everything of the result but its strategies and num_redundant.
ReplayResult describe_replay(const ReplayContext& context);

/// `records` [layers] of one strategy; unused when an `obstacle` kept it from being judged.
StrategyResult summarize(const ReplayContext& context, const Strategy& strategy, const std::string& obstacle,
                         const std::vector<LayerRecord>& records);

}  // namespace lplb
