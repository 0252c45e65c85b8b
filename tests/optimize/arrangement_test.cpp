// The arrangement: moves there and back, and its two sides (experts of slots, slots of experts) in step.

#include "optimize/arrangement.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/random_arrangement.h"

namespace lplb {
namespace {

using namespace lplb::testing;

std::vector<std::int32_t> slots_of(const Arrangement& arrangement, int e) {
  std::vector<std::int32_t> slots;
  for (const int slot : arrangement.copies(e)) {
    slots.push_back(slot);
  }
  return slots;
}

/// What is wrong with the inverse of phy2log, in words.
std::string check_copies(const Arrangement& arrangement) {
  std::size_t num_held = 0;
  for (int e = 0; e < arrangement.num_logical(); ++e) {
    const std::vector<std::int32_t> copies = slots_of(arrangement, e);
    if (static_cast<int>(copies.size()) != arrangement.copies(e).size() || copies.empty() ||
        !std::ranges::is_sorted(copies) || std::ranges::adjacent_find(copies) != copies.end()) {
      return "copies of an expert are missing, not ascending, or twice the same";
    }
    for (const int slot : copies) {
      if (arrangement.expert_at(slot) != e || !arrangement.holds(arrangement.rank_of(slot), e)) {
        return "a copy is not where it should be";
      }
    }
    num_held += copies.size();
  }
  const auto& phy2log = arrangement.phy2log();
  const auto num_empty = static_cast<std::size_t>(std::ranges::count(phy2log, kNone));
  return num_held + num_empty == phy2log.size() ? "" : "a slot is in no list of copies";
}

bool is_distinct(const Arrangement& arrangement) {
  return Placement(arrangement.phy2log(), arrangement.num_logical(), arrangement.num_ranks()).colocations().empty();
}

bool past_slots_are_empty(const Arrangement& arrangement) {
  for (int rank = 0; rank < arrangement.num_ranks(); ++rank) {
    for (int i = arrangement.num_slots(rank); i < arrangement.stride(); ++i) {
      if (arrangement.expert_at(arrangement.first_slot(rank) + i) != kNone) {
        return false;
      }
    }
  }
  return true;
}

TEST(Arrangement, MovesKeepBothSidesInStepAndExpertsApart) {
  for (int index = 0; index < 60; ++index) {
    Rng rng = seeded(501, index);
    Arrangement arrangement = random_arrangement(rng);
    ASSERT_EQ(check_copies(arrangement), "");
    for (int i = 0; i < 100; ++i) {
      Move move;
      if (random_move(rng, arrangement, move)) {
        arrangement.apply(move);
        ASSERT_EQ(check_copies(arrangement), "") << "seed 501, index " << index << ", move " << i;
        ASSERT_TRUE(is_distinct(arrangement)) << "seed 501, index " << index << ", move " << i;
        ASSERT_TRUE(past_slots_are_empty(arrangement)) << "seed 501, index " << index << ", move " << i;
      }
    }
  }
}

TEST(Arrangement, RevertUndoesApply) {
  for (int index = 0; index < 100; ++index) {
    Rng rng = seeded(502, index);
    Arrangement arrangement = random_arrangement(rng);
    const auto before = arrangement.phy2log();
    std::vector<Move> moves;
    for (int i = 0; i < 20; ++i) {
      Move move;
      if (random_move(rng, arrangement, move)) {
        arrangement.apply(move);
        moves.push_back(move);
      }
    }
    ASSERT_TRUE(moves.empty() || arrangement.phy2log() != before || moves.size() > 1);
    for (auto move = moves.rbegin(); move != moves.rend(); ++move) {
      arrangement.revert(*move);
      ASSERT_EQ(check_copies(arrangement), "") << "seed 502, index " << index;
    }
    ASSERT_EQ(arrangement.phy2log(), before) << "seed 502, index " << index;
  }
}

TEST(Arrangement, KnowsTheRankOfEverySlot) {
  for (const int stride : {1, 2, 3, 7, 64, 1000}) {
    const int num_ranks = std::min(1024, 65536 / stride);
    const std::vector<std::int32_t> slots(num_ranks, stride);
    const Arrangement arrangement(slots, std::vector<std::int32_t>(static_cast<std::size_t>(num_ranks) * stride, kNone),
                                  1);
    for (int slot = 0; slot < arrangement.num_slots(); ++slot) {
      ASSERT_EQ(arrangement.rank_of(slot), slot / stride) << "stride " << stride;
    }
  }
}

TEST(Arrangement, SwapsAndCopiesByHand) {
  const std::vector<std::int32_t> slots = {2, 1, 2};
  Arrangement arrangement(slots, {0, 1, 2, kNone, 0, kNone}, 3);
  EXPECT_EQ(arrangement.stride(), 2);
  EXPECT_EQ(arrangement.rank_of(4), 2);
  EXPECT_EQ(arrangement.copies(0)[1], 4);
  EXPECT_EQ(slots_of(arrangement, 0), (std::vector<std::int32_t>{0, 4}));
  const Move into_empty{.kind = Move::Kind::kSwap, .from = 1, .to = 5};
  arrangement.apply(into_empty);
  EXPECT_EQ(arrangement.phy2log(), (std::vector<std::int32_t>{0, kNone, 2, kNone, 0, 1}));
  const Move copy{.kind = Move::Kind::kReplace, .from = 2, .to = 0, .replaced = 0};
  arrangement.apply(copy);
  EXPECT_EQ(arrangement.phy2log(), (std::vector<std::int32_t>{2, kNone, 2, kNone, 0, 1}));
  EXPECT_EQ(slots_of(arrangement, 2), (std::vector<std::int32_t>{0, 2}));
  EXPECT_EQ(slots_of(arrangement, 0), (std::vector<std::int32_t>{4}));
  EXPECT_TRUE(arrangement.holds(0, 2));
  EXPECT_FALSE(arrangement.holds(0, 0));
  arrangement.revert(copy);
  arrangement.revert(into_empty);
  EXPECT_EQ(arrangement.phy2log(), (std::vector<std::int32_t>{0, 1, 2, kNone, 0, kNone}));
}

}  // namespace
}  // namespace lplb
