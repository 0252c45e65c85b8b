// The logarithm against the C library's, and its exact values.

#include "base/natural_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"

namespace lplb {
namespace {

TEST(NaturalLog, IsTheLibrarysButForTheLastBits) {
  Rng rng(91);
  for (int i = 0; i < 1'000'000; ++i) {
    const double x = std::exp2(rng.uniform() * (i % 2 == 0 ? 2 : 2000) - (i % 2 == 0 ? 1 : 1000));
    const double expected = std::log(x);
    ASSERT_NEAR(natural_log(x), expected, 1e-16 + 4e-16 * std::abs(expected)) << x;
  }
}

TEST(NaturalLog, OfOneAndOfTheEnds) {
  EXPECT_EQ(natural_log(1.0), 0.0);
  EXPECT_DOUBLE_EQ(natural_log(std::numeric_limits<double>::min()), std::log(std::numeric_limits<double>::min()));
  EXPECT_DOUBLE_EQ(natural_log(std::numeric_limits<double>::max()), std::log(std::numeric_limits<double>::max()));
  static_assert(natural_log(2.0) > 0.6931471805599452 && natural_log(2.0) < 0.6931471805599454);
}

}  // namespace
}  // namespace lplb
