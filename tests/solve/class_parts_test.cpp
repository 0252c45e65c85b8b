// The parts of a class: each round has every member once.

#include "solve/class_parts.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace lplb
