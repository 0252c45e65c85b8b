// The GPU's way to a fraction gives the integer of the division: all small quotients, random ones of every size, and
// those next to the ends.

#include "remap/fast_fraction.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "remap/interleave.h"

namespace lplb {
namespace {

TEST(FastFraction, EqualsTheDivisionOnAllSmallNumbers) {
  for (std::int32_t n = 1; n <= 400; ++n) {
    for (std::int32_t q = 0; q <= n; ++q) {
      ASSERT_EQ(fast_interleave_fraction(q, n), interleave_fraction(q, n)) << q << " of " << n;
    }
  }
}

TEST(FastFraction, EqualsTheDivisionOnRandomNumbers) {
  Rng rng(441);
  for (int i = 0; i < 300'000; ++i) {
    const auto n = static_cast<std::int32_t>(1 + rng.below((std::uint64_t{1} << (1 + rng.below(31))) - 1));
    const auto any = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(n) + 1));
    const std::int32_t near_end = n - std::min(n, any % 3);
    ASSERT_EQ(fast_interleave_fraction(any, n), interleave_fraction(any, n)) << any << " of " << n;
    ASSERT_EQ(fast_interleave_fraction(near_end, n), interleave_fraction(near_end, n)) << near_end << " of " << n;
  }
}

TEST(FastFraction, AtTheLimits) {
  constexpr std::int32_t kLargest = 2147483647;
  for (const std::int32_t q : {0, 1, kLargest / 2, kLargest - 1, kLargest}) {
    EXPECT_EQ(fast_interleave_fraction(q, kLargest), interleave_fraction(q, kLargest));
  }
}

}  // namespace
}  // namespace lplb
