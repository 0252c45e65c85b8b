// One product says what two say: how many tokens a copy has taken, and whether it takes the next.

#include "remap/interleave.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace lplb {
namespace {

void expect_as_before_and_after(std::uint32_t fraction, std::int32_t j) {
  const InterleaveStep step = interleave_step(fraction, static_cast<std::uint32_t>(j));
  ASSERT_EQ(static_cast<std::int32_t>(step.before), interleave_before(fraction, j)) << fraction << ", " << j;
  ASSERT_EQ(step.takes, interleave_before(fraction, j + 1) != interleave_before(fraction, j)) << fraction << ", " << j;
}

TEST(InterleaveStep, EqualsTwoProductsOnAllSmallShares) {
  for (std::int32_t n = 1; n <= 120; ++n) {
    for (std::int32_t q = 0; q < n; ++q) {
      for (std::int32_t j = 0; j < n; ++j) {
        expect_as_before_and_after(static_cast<std::uint32_t>(interleave_fraction(q, n)), j);
      }
    }
  }
}

TEST(InterleaveStep, EqualsTwoProductsOnRandomOnesAndAtTheEnds) {
  Rng rng(443);
  for (int i = 0; i < 100'000; ++i) {
    expect_as_before_and_after(static_cast<std::uint32_t>(rng.below(std::uint64_t{1} << 32)),
                               static_cast<std::int32_t>(rng.below((std::uint64_t{1} << 31) - 1)));
  }
  for (const std::uint32_t fraction : {0U, 1U, ~0U}) {
    for (const std::int32_t j : {0, 1, 2'147'483'646}) {
      expect_as_before_and_after(fraction, j);
    }
  }
}

}  // namespace
}  // namespace lplb
