#include "lplb/move_limit.h"

#include <gtest/gtest.h>

#include "lplb/error.h"

namespace lplb {
namespace {

std::string refusal(const char* text) {
  try {
    parse_move_limit("--max-moved", text);
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "no error";
}

TEST(MoveLimit, NumbersAndParts) {
  EXPECT_EQ(parse_move_limit("x", "12"), MoveLimit{.copies = 12});
  EXPECT_EQ(parse_move_limit("x", "0"), MoveLimit{.copies = 0});
  EXPECT_EQ(parse_move_limit("x", "5%"), MoveLimit{.percent = 5});
  EXPECT_EQ(parse_move_limit("x", "2.5%"), MoveLimit{.percent = 2.5});
  EXPECT_EQ(parse_move_limit("x", "100%"), MoveLimit{.percent = 100});
}

TEST(MoveLimit, PartsAreRoundedDown) {
  EXPECT_EQ(MoveLimit{.copies = 12}.of(8), 12);
  EXPECT_EQ(MoveLimit{.percent = 5}.of(192), 9);
  EXPECT_EQ(MoveLimit{.percent = 0}.of(192), 0);
  EXPECT_EQ(MoveLimit{}.of(192), -1);
  EXPECT_FALSE(MoveLimit{}.given());
  EXPECT_TRUE(MoveLimit{.copies = 0}.given());
}

TEST(MoveLimit, InWords) {
  EXPECT_EQ(describe_move_limit({.copies = 1}), "1 copy");
  EXPECT_EQ(describe_move_limit({.copies = 12}), "12 copies");
  EXPECT_EQ(describe_move_limit({.percent = 2.5}), "2.5% of the copies");
  EXPECT_EQ(describe_move_limit({}), "any number of copies");
}

TEST(MoveLimit, RefusesAnythingElse) {
  EXPECT_EQ(refusal("5x"), "--max-moved (\"5x\") must be a number of copies like 12, or a part of them like 5%");
  for (const char* text : {"", "%", "-1", "-1%", "101%", "1.5", "nan%", "inf%", "99999999999", " 5", "5 %", "1e1%"}) {
    EXPECT_NE(refusal(text), "no error") << text;
  }
}

}  // namespace
}  // namespace lplb
