// The parts of a class: each round has every member once; and the level to which a part is filled.

#include "solve/class_parts.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace lplb {
namespace {

std::vector<int> members(const ClassPart& part) {
  std::vector<int> result;
  for (int i = 0; i < part.size; ++i) {
    result.push_back(part.first + i * part.stride);
  }
  return result;
}

TEST(ClassParts, EachRoundHasEveryMemberOnce) {
  for (int num_members = 2; num_members <= 1'024; ++num_members) {
    for (int round = 0; round < num_rounds(num_members); ++round) {
      std::vector<int> times(num_members);
      for (int i = 0; i < num_parts(num_members); ++i) {
        const std::vector<int> part = members(class_part(num_members, round, i));
        ASSERT_GE(part.size(), 1U) << num_members;
        ASSERT_LE(part.size(), 4U) << num_members;
        for (const int member : part) {
          ++times.at(member);
        }
      }
      ASSERT_EQ(times, std::vector<int>(num_members, 1)) << num_members << ", round " << round;
    }
  }
}

TEST(ClassParts, UpToFourMembersAreOnePart) {
  for (int num_members = 2; num_members <= 4; ++num_members) {
    EXPECT_EQ(num_rounds(num_members), 1);
    EXPECT_EQ(num_parts(num_members), 1);
    EXPECT_EQ(class_part(num_members, 0, 0).size, num_members);
  }
}

TEST(ClassParts, MoreThanFourMeetAcrossAndSideBySide) {
  EXPECT_EQ(num_rounds(10), 2);
  EXPECT_EQ(members(class_part(10, 0, 1)), (std::vector{1, 4, 7}));
  EXPECT_EQ(members(class_part(10, 0, 0)), (std::vector{0, 3, 6, 9}));
  EXPECT_EQ(members(class_part(10, 1, 0)), (std::vector{0, 1, 2, 3}));
  EXPECT_EQ(members(class_part(10, 1, 2)), (std::vector{8, 9}));
}

/// By its definition, for totals that are not negative.
std::uint32_t level_by_trial(const std::vector<std::uint32_t>& floors, std::uint32_t total) {
  const auto needed = [&](std::uint32_t level) {
    std::uint32_t sum = 0;
    for (const std::uint32_t floor : floors) {
      sum += tokens_above(level, floor);
    }
    return sum;
  };
  std::uint32_t level = 0;
  while (needed(level + 1) <= total) {
    ++level;
  }
  return level;
}

TEST(ClassParts, TheLevelIsTheHighestThatTheTokensReach) {
  constexpr std::uint32_t kMost = 5;
  for (std::uint32_t a = 0; a <= kMost; ++a) {
    for (std::uint32_t b = 0; b <= kMost; ++b) {
      for (std::uint32_t c = 0; c <= kMost; ++c) {
        for (std::uint32_t total = 0; total <= 4 * kMost; ++total) {
          ASSERT_EQ(part_level(a, b, c, kNoFloor, false, total), level_by_trial({a, b, c}, total))
              << a << " " << b << " " << c << ", " << total << " tokens";
          for (std::uint32_t d = 0; d <= kMost; ++d) {
            ASSERT_EQ(part_level(a, b, c, d, true, total), level_by_trial({a, b, c, d}, total))
                << a << " " << b << " " << c << " " << d << ", " << total << " tokens";
          }
        }
      }
    }
  }
}

TEST(ClassParts, LevelsNearTheLimit) {
  constexpr std::uint32_t kLimit = kNoFloor;  // the largest sum of loads and tokens
  EXPECT_EQ(part_level(0, 0, 0, kNoFloor, false, kLimit), kLimit / 3);
  EXPECT_EQ(part_level(0, 0, 0, 0, true, kLimit), kLimit / 4);
  EXPECT_EQ(part_level(kLimit, 0, 0, kNoFloor, false, 0), 0U);
  EXPECT_EQ(part_level(kLimit - 1, 0, 0, 0, true, 1), 0U);
  EXPECT_EQ(part_level(0, kLimit / 2, kLimit / 2, kNoFloor, false, 1), 1U);
}

}  // namespace
}  // namespace lplb
