#pragma once

// Comparing plans, and reading the message of an error.

#include <string>

#include "lplb/error.h"
#include "lplb/plan.h"

namespace lplb::testing {

/// Every field is equal.
inline bool same_plan(const Plan& a, const Plan& b) {
  return a.quota == b.quota && a.rank_load == b.rank_load && a.max_load == b.max_load &&
         a.lower_bound == b.lower_bound && a.status == b.status && a.component == b.component &&
         a.component_bound == b.component_bound && a.in_bottleneck == b.in_bottleneck && a.digest == b.digest &&
         a.num_sweeps == b.num_sweeps && a.num_waves == b.num_waves && a.num_raises == b.num_raises;
}

/// What an error says that `function` throws; "no error" when it throws none.
template <class F>
std::string message_of(const F& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace lplb::testing
