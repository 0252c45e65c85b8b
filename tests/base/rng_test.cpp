// The generator: published numbers, ranges, moments.

#include "base/rng.h"

#include <gtest/gtest.h>

#include <array>

namespace lplb {
namespace {

// The first outputs of SplitMix64 for the seed 1234567, as published with its reference code.
TEST(Rng, EqualsSplitMix64) {
  Rng rng(1234567);
  EXPECT_EQ(rng.next(), 6457827717110365317ULL);
  EXPECT_EQ(rng.next(), 3203168211198807973ULL);
  EXPECT_EQ(rng.next(), 9817491932198370423ULL);
}

TEST(Rng, SkipsAsManyWordsAsAreAskedFor) {
  Rng walked(5);
  for (int i = 0; i < 1000; ++i) {
    walked.next();
  }
  Rng skipped(5);
  skipped.skip(1000);
  EXPECT_EQ(skipped.next(), walked.next());
}

TEST(Rng, MixOfZeroIsZero) { EXPECT_EQ(mix64(0), 0U); }

TEST(Rng, BelowReachesEveryValueEvenly) {
  Rng rng(1);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) {
    ++counts.at(rng.below(7));
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, 10000, 500);
  }
  EXPECT_EQ(rng.below(1), 0U);
}

TEST(Rng, UniformIsInTheUnitInterval) {
  Rng rng(2);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const double u = rng.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.01);
}

TEST(Rng, NormalHasMeanZeroAndVarianceOne) {
  Rng rng(3);
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < 100000; ++i) {
    const double x = rng.normal();
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / 100000, 0.0, 0.02);
  EXPECT_NEAR(squares / 100000, 1.0, 0.03);
}

}  // namespace
}  // namespace lplb
