// What holds for every weighted split: legal, exact sums, and a bound that no other split beats.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "weighted/random_weighted.h"

namespace lplb::testing {
namespace {

WeightedInstance any_instance(bool with_rows) {
  Rng rng(*rc::gen::arbitrary<std::uint64_t>());
  return random_weighted_instance(rng, {.with_rows = with_rows});
}

RC_GTEST_PROP(WeightedProperty, IsLegalAndProved, ()) {
  const WeightedInstance instance = any_instance(false);
  const WeightedResult result =
      solve_weighted(instance.model(), instance.input(), {.tolerance = 1e-6, .whole_tokens = true});
  RC_ASSERT(check_shares(instance, result.share, result.rank_time) == "");
  RC_ASSERT(check_quotas(instance, result.share, result.quota) == "");
  RC_ASSERT(result.status == WeightedStatus::kConverged);
  RC_ASSERT(result.lower_bound <= result.max_time);
  RC_ASSERT(result.gap <= 1e-6);
  RC_ASSERT(result.max_time == *std::ranges::max_element(result.rank_time));
}

RC_GTEST_PROP(WeightedProperty, StatusTellsWhetherRowsAreMet, ()) {
  const WeightedInstance instance = any_instance(true);
  const WeightedResult result =
      solve_weighted(instance.model(), instance.input(), {.tolerance = 1e-4, .whole_tokens = true});
  RC_ASSERT(check_shares(instance, result.share, result.rank_time) == "");
  RC_ASSERT(check_quotas(instance, result.share, result.quota) == "");
  const bool is_legal = result.status == WeightedStatus::kConverged || result.status == WeightedStatus::kFeasible;
  RC_ASSERT(is_legal == (result.row_excess <= 1e-9));
  RC_ASSERT(std::abs(row_excess(instance, result.share) - result.row_excess) <= 1e-11);
}

RC_GTEST_PROP(WeightedProperty, NoSplitBeatsTheBound, ()) {
  const WeightedInstance instance = any_instance(false);
  const WeightedResult loose = solve_weighted(instance.model(), instance.input(), {.tolerance = 0.1});
  const WeightedResult tight = solve_weighted(instance.model(), instance.input(), {.tolerance = 1e-7});
  RC_ASSERT(loose.lower_bound <= tight.max_time);
  RC_ASSERT(tight.lower_bound <= loose.max_time);
}

RC_GTEST_PROP(WeightedProperty, SlowerRanksNeverHelp, ()) {
  WeightedInstance instance = any_instance(false);
  const WeightedResult before = solve_weighted(instance.model(), instance.input());
  instance.time[*rc::gen::inRange<std::size_t>(0, instance.time.size())] *= 3;
  const WeightedResult after = solve_weighted(instance.model(), instance.input());
  RC_ASSERT(after.max_time >= before.lower_bound);
}

RC_GTEST_PROP(WeightedProperty, SameInputSameBits, ()) {
  const WeightedInstance instance = any_instance(true);
  const WeightedResult first = solve_weighted(instance.model(), instance.input());
  const WeightedResult second = solve_weighted(instance.model(), instance.input());
  RC_ASSERT(first.share == second.share);
  RC_ASSERT(first.max_time == second.max_time);
}

}  // namespace
}  // namespace lplb::testing
