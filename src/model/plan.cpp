// Names of statuses, and the ranks of a plan's certificate.

#include "lplb/plan.h"

#include <algorithm>

namespace lplb {

const char* to_string(Status status) {
  switch (status) {
    case Status::kOptimal:
      return "optimal";
    case Status::kWithinTolerance:
      return "within_tolerance";
    case Status::kFallback:
      return "fallback";
  }
  return "unknown";
}

std::vector<std::int32_t> bottleneck_ranks(const Plan& plan) {
  const auto limiting =
      static_cast<std::int32_t>(std::ranges::max_element(plan.component_bound) - plan.component_bound.begin());
  std::vector<std::int32_t> ranks;
  for (std::size_t rank = 0; rank < plan.component.size(); ++rank) {
    if (plan.component[rank] == limiting && plan.in_bottleneck[rank] != 0) {
      ranks.push_back(static_cast<std::int32_t>(rank));
    }
  }
  return ranks;
}

}  // namespace lplb
