// check and concat: the message of parts of any type, and no work where nothing fails.

#include "base/check.h"

#include <gtest/gtest.h>

#include "support/expect_throw.h"

namespace lplb {
namespace {

using testing::invalid_argument_of;

struct Counted {
  int* num_prints;
  friend std::ostream& operator<<(std::ostream& out, const Counted& counted) {
    ++*counted.num_prints;
    return out;
  }
};

TEST(Check, ThrowsInvalidArgumentWithTheParts) {
  EXPECT_EQ(invalid_argument_of([] { check(false, "[f] n (", 258, ") must be ", std::string("even"), ' ', 1.5); }),
            "[f] n (258) must be even 1.5");
}

TEST(Check, BuildsNoMessageWhereNothingFails) {
  int num_prints = 0;
  check(true, Counted{&num_prints});
  EXPECT_EQ(num_prints, 0);
}

TEST(Check, ErrorsShareOneBase) {
  EXPECT_THROW(check(false, "x"), Error);
  EXPECT_THROW(throw DataError("x"), Error);
  EXPECT_THROW(throw CudaError("x"), Error);
}

}  // namespace
}  // namespace lplb
