// The GPU's way to a fraction gives the integer of the division: all small quotients, random ones of every size, and
// those next to the ends.

#include "remap/fast_fraction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "remap/interleave.h"

namespace lplb {
namespace {

/// With the reciprocal rounded to the nearest and with those up to two units in its last place away.
void expect_the_division(std::int32_t q, std::int32_t n) {
  const float reciprocal = 1.0F / static_cast<float>(n);
  const std::uint64_t expected = interleave_fraction(q, n);
  float lower = reciprocal;
  float upper = reciprocal;
  for (int units = 0; units <= 2; ++units) {
    ASSERT_EQ(fast_interleave_fraction(q, n, lower), expected) << q << " of " << n << ", " << units << " units less";
    ASSERT_EQ(fast_interleave_fraction(q, n, upper), expected) << q << " of " << n << ", " << units << " units more";
    lower = std::nextafter(lower, 0.0F);
    upper = std::nextafter(upper, 2.0F);
  }
}

TEST(FastFraction, EqualsTheDivisionOnAllSmallNumbers) {
  for (std::int32_t n = 1; n <= 400; ++n) {
    for (std::int32_t q = 0; q <= n; ++q) {
      expect_the_division(q, n);
    }
  }
}

TEST(FastFraction, EqualsTheDivisionOnRandomNumbers) {
  Rng rng(441);
  for (int i = 0; i < 300'000; ++i) {
    const auto n = static_cast<std::int32_t>(1 + rng.below((std::uint64_t{1} << (1 + rng.below(31))) - 1));
    const auto any = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(n) + 1));
    expect_the_division(any, n);
    expect_the_division(n - std::min(n, any % 3), n);
  }
}

TEST(FastFraction, AtTheLimits) {
  constexpr std::int32_t kLargest = 2147483647;
  for (const std::int32_t q : {0, 1, kLargest / 2, kLargest - 1, kLargest}) {
    expect_the_division(q, kLargest);
  }
}

}  // namespace
}  // namespace lplb
