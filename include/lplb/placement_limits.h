#pragma once

// What limits a placement over a window of batches: the certificates of their splits, gathered.

#include <cstdint>
#include <vector>

namespace lplb {

struct RankLimit {
  std::int32_t rank;
  double frequency;  // part of the batches whose bottleneck has this rank
};
struct ExpertLimit {
  std::int32_t expert;
  double frequency;      // part of the batches in whose bottleneck all of its copies are
  double tokens;         // mean share of the bottleneck's load that it makes
  std::int32_t copy_on;  // where one more copy helps most
  double gain;           // mean imbalance that this copy, in one more slot, would take away
};
struct PlacementLimits {
  double imbalance = 0;                   // mean over the window
  std::vector<RankLimit> ranks = {};      // most frequent first
  std::vector<ExpertLimit> experts = {};  // largest gain first
};

}  // namespace lplb
