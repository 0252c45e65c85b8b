// One word that says where tokens of an expert go.

#include "model/expert_place.h"

#include <gtest/gtest.h>

#include "lplb/types.h"

namespace lplb::cuda {
namespace {

TEST(ExpertPlace, ASlotIsTheWordItself) {
  for (const std::int32_t slot : {kNone, 0, 1, 2047}) {
    EXPECT_FALSE(ExpertPlace::of_slot(slot).is_replicated());
    EXPECT_EQ(ExpertPlace::of_slot(slot).slot(), slot);
  }
}

TEST(ExpertPlace, AReplicatedExpertHasANumberAndAFirstCopy) {
  for (const int number : {0, 1, 1023}) {
    for (const int first_copy : {0, 1, 2046}) {
      const ExpertPlace place = ExpertPlace::of_copies(number, first_copy);
      EXPECT_TRUE(place.is_replicated());
      EXPECT_EQ(place.number(), number);
      EXPECT_EQ(place.first_copy(), first_copy);
    }
  }
}

TEST(ExpertPlace, ListsAreOfWholeLoadsAndHaveRoomForNone) {
  EXPECT_EQ(num_places(3), 4);
  EXPECT_EQ(num_places(4), 8);
  EXPECT_EQ(num_replicated_entries(8, 10), 8);
  EXPECT_EQ(num_replicated_entries(64, 73), 16);
}

TEST(ExpertPlace, NoMoreAreReplicatedThanThereAreExpertsOrSpareSlots) {
  EXPECT_EQ(max_replicated(8, 8), 1) << "no list is empty";
  EXPECT_EQ(max_replicated(8, 11), 3);
  EXPECT_EQ(max_replicated(8, 32), 8);
}

}  // namespace
}  // namespace lplb::cuda
