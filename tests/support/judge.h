#pragma once

// The verdict on a plan: legal, proved by its certificate, and as good as an oracle's optimum.

#include <string>

#include "lplb/certificate.h"
#include "support/instance.h"

namespace lplb::testing {

/// What is wrong with a plan for an instance whose optimum is known; empty when nothing is.
inline std::string judge(const Instance& instance, const Plan& plan, Tokens optimum) {
  std::string finding = check_plan(instance.placement, instance.counts, instance.base_load, instance.live, plan);
  if (!finding.empty()) {
    return finding;
  }
  if (plan.max_load != optimum) {
    return "max_load is " + std::to_string(plan.max_load) + ", the optimum " + std::to_string(optimum);
  }
  if (optimum > 0) {
    const Tokens proved = certificate_bound(instance.placement, instance.counts, instance.base_load,
                                            bottleneck_ranks(plan), instance.live);
    if (proved != optimum) {
      return "the bottleneck ranks prove " + std::to_string(proved) + ", the optimum is " + std::to_string(optimum);
    }
  }
  return "";
}

}  // namespace lplb::testing
