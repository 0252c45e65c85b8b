#include "lplb/count.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "lplb/error.h"

namespace lplb {
namespace {

template <class Id>
std::string message_of(const std::vector<Id>& topk_idx, int num_logical) {
  std::vector<Tokens> counts(num_logical);
  try {
    count_tokens(std::span<const Id>(topk_idx), counts);
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "no error";
}

TEST(CountTokens, CountsEachExpertAndSkipsNone) {
  const std::vector<std::int32_t> topk_idx = {2, 0, -1, 2, 3, -1, 2, 0};
  std::vector<Tokens> counts(4, 99);
  count_tokens(topk_idx, counts);
  EXPECT_EQ(counts, (std::vector<Tokens>{2, 0, 3, 1}));
}

TEST(CountTokens, NoTokensAndAllNoneGiveZeros) {
  std::vector<Tokens> counts(3, 7);
  count_tokens(std::span<const std::int64_t>(), counts);
  EXPECT_EQ(counts, (std::vector<Tokens>{0, 0, 0}));
  count_tokens(std::vector<std::int64_t>{-1, -1}, counts);
  EXPECT_EQ(counts, (std::vector<Tokens>{0, 0, 0}));
}

TEST(CountTokens, NamesThePositionOfABadId) {
  EXPECT_EQ(message_of<std::int32_t>({0, 1, 4}, 4), "[count_tokens] topk_idx[2] is 4; it must be in -1..3");
  EXPECT_EQ(message_of<std::int64_t>({0, -2}, 4), "[count_tokens] topk_idx[1] is -2; it must be in -1..3");
}

TEST(CountTokens, DoesNotTruncateWideIds) {
  EXPECT_EQ(message_of<std::int64_t>({std::int64_t{1} << 32}, 4),
            "[count_tokens] topk_idx[0] is 4294967296; it must be in -1..3");
}

RC_GTEST_PROP(CountTokens, AgreesWithStdCountForBothIdTypes, ()) {
  const int num_logical = *rc::gen::inRange(1, 40);
  const auto narrow = *rc::gen::container<std::vector<std::int32_t>>(rc::gen::inRange(-1, num_logical));
  const std::vector<std::int64_t> wide(narrow.begin(), narrow.end());
  std::vector<Tokens> from_narrow(num_logical);
  std::vector<Tokens> from_wide(num_logical);
  count_tokens(narrow, from_narrow);
  count_tokens(wide, from_wide);
  RC_ASSERT(from_narrow == from_wide);
  for (int expert = 0; expert < num_logical; ++expert) {
    RC_ASSERT(from_narrow[expert] == std::ranges::count(narrow, expert));
  }
}

}  // namespace
}  // namespace lplb
