// optimize_placement against the proved optimum of 200 small instances.

#include <gtest/gtest.h>

#include <iostream>

#include "support/placement_proof.h"

namespace lplb {
namespace {

TEST(PlacementProof, TwoHundredWithinHalfAPercentOfTheOptimum) {
  const testing::Gaps gaps = testing::measure_gaps(553, 200);
  std::cout << gaps.num_exact << " of " << gaps.num_cases << " optimal; relative gap " << gaps.mean << " on average, "
            << gaps.worst << " at worst\n";
  EXPECT_LE(gaps.worst, 0.005) << gaps.worst_case;
}

}  // namespace
}  // namespace lplb
