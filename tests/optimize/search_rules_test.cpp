// The user's rules in the search's form, and the refusal of those that do not fit together.

#include "optimize/search_rules.h"

#include <gtest/gtest.h>

#include "support/expect_throw.h"

namespace lplb {
namespace {

using namespace lplb::testing;

using Ints = std::vector<std::int32_t>;

std::string refusal(const PlacementRules& rules) {
  return invalid_argument_of([&] { make_search_rules(rules); });
}

TEST(SearchRules, SlotsOfDeadRanksAreNone) {
  EXPECT_EQ(make_search_rules({.num_logical = 4, .num_ranks = 3, .slots_per_rank = 2, .live = {1, 0, 1}}).slots,
            (Ints{2, 0, 2}));
  EXPECT_EQ(make_search_rules({.num_logical = 4, .num_ranks = 3, .slots = {1, 3, 4}, .live = {1, 0, 1}}).slots,
            (Ints{1, 0, 4}));
}

TEST(SearchRules, BlocksAreOfRanksAndWithGroupsAlsoOfNodes) {
  EXPECT_EQ(make_search_rules({.num_logical = 4, .num_ranks = 4, .slots_per_rank = 2}).block_of_rank, Ints(4, 0));
  EXPECT_EQ(
      make_search_rules({.num_logical = 4, .num_ranks = 4, .slots_per_rank = 2, .copies_within = 2}).block_of_rank,
      (Ints{0, 0, 1, 1}));
  const SearchRules grouped =
      make_search_rules({.num_logical = 4, .num_ranks = 4, .num_nodes = 2, .slots_per_rank = 2, .num_groups = 2});
  EXPECT_EQ(grouped.node_of_rank, (Ints{0, 0, 1, 1}));
  EXPECT_EQ(grouped.block_of_rank[0], grouped.block_of_rank[1]);
  EXPECT_NE(grouped.block_of_rank[1], grouped.block_of_rank[2]);
}

TEST(SearchRules, MovesThatTheyLeaveOpen) {
  SearchRules rules = make_search_rules({.num_logical = 3, .num_ranks = 4, .slots_per_rank = 2, .copies_within = 2});
  // Ranks: {0, 1}, {0}, {2}, {}.
  const Arrangement arrangement(rules.slots, {0, 1, 0, kNone, 2, kNone, kNone, kNone}, 3);
  EXPECT_TRUE(rules.view().may_copy(arrangement, 1, 1));
  EXPECT_FALSE(rules.view().may_copy(arrangement, 1, 2));     // another block
  EXPECT_FALSE(rules.view().may_copy(arrangement, 0, 1));     // is there already
  EXPECT_TRUE(rules.view().may_move(arrangement, 1, 0, 3));   // the only copy may change block
  EXPECT_FALSE(rules.view().may_move(arrangement, 0, 0, 3));  // one of two may not
  EXPECT_FALSE(rules.view().may_move(arrangement, 0, 0, 1));  // is there already
  EXPECT_TRUE(rules.view().may_move(arrangement, kNone, 0, 3));
  rules.node_of_expert = {0, 1, 0};
  EXPECT_FALSE(rules.view().may_copy(arrangement, 1, 1));
  EXPECT_FALSE(rules.view().may_move(arrangement, 1, 0, 3));
}

TEST(SearchRules, CountsWhatTheCurrentPlacementHasNot) {
  SearchRules rules = make_search_rules({.num_logical = 2, .num_ranks = 2, .slots_per_rank = 2});
  EXPECT_EQ(rules.view().moved(0, 1), 0);  // there is no current placement
  rules.was_there = {1, 0, 0, 1};
  EXPECT_EQ(rules.view().moved(0, 0), 0);
  EXPECT_EQ(rules.view().moved(0, 1), 1);
  EXPECT_EQ(rules.view().moved(1, 1), 0);
  EXPECT_EQ(rules.view().moved(1, kNone), 0);
}

TEST(DealSlots, ToTheLivingOneMoreOnSomeWhoTakeTurns) {
  EXPECT_EQ(deal_slots(8, 4), (Ints{2, 2, 2, 2}));
  EXPECT_EQ(deal_slots(10, 4), (Ints{3, 3, 2, 2}));
  EXPECT_EQ(deal_slots(10, 4, {}, 1), (Ints{2, 2, 3, 3}));
  const std::vector<std::uint8_t> live = {1, 0, 1, 1};
  EXPECT_EQ(deal_slots(7, 4, live), (Ints{3, 0, 2, 2}));
  EXPECT_EQ(deal_slots(7, 4, live, 2), (Ints{2, 0, 2, 3}));
  const std::vector<std::uint8_t> dead(2, 0);
  EXPECT_EQ(invalid_argument_of([&] { deal_slots(1, 2, dead); }), "[deal_slots] no rank is alive");
}

TEST(SearchRulesErrors, NameTheArgument) {
  EXPECT_EQ(refusal({.num_logical = 0, .slots_per_rank = 1}),
            "[optimize_placement] num_logical (0) must be in 1..4096");
  EXPECT_EQ(refusal({.num_logical = 4097, .slots_per_rank = 1}),
            "[optimize_placement] num_logical (4097) must be in 1..4096");
  EXPECT_EQ(refusal({.num_logical = 1, .num_ranks = 0}), "[optimize_placement] num_ranks (0) must be in 1..1024");
  EXPECT_EQ(refusal({.num_logical = 1, .num_ranks = 1025}), "[optimize_placement] num_ranks (1025) must be in 1..1024");
  EXPECT_EQ(refusal({.num_logical = 1, .num_ranks = 4, .num_nodes = 3}),
            "[optimize_placement] num_nodes (3) must divide num_ranks (4)");
  EXPECT_EQ(refusal({.num_logical = 1, .num_ranks = 4, .num_nodes = 0}),
            "[optimize_placement] num_nodes (0) must divide num_ranks (4)");
  EXPECT_EQ(refusal({.num_logical = 1, .num_ranks = 4, .slots = {1, 1}}),
            "[optimize_placement] slots has 2 entries; it must have one for each of the 4 ranks");
  EXPECT_EQ(refusal({.num_logical = 1, .num_ranks = 4, .slots_per_rank = 1, .live = {1, 1, 1, 1, 1}}),
            "[optimize_placement] live has 5 entries; it must have one for each of the 4 ranks");
  EXPECT_EQ(refusal({.num_logical = 1, .num_ranks = 4, .slots_per_rank = 1, .copies_within = 3}),
            "[optimize_placement] copies_within (3) must divide num_ranks (4), or be 0");
  EXPECT_EQ(refusal({.num_logical = 1, .num_ranks = 4, .slots_per_rank = 1, .copies_within = -1}),
            "[optimize_placement] copies_within (-1) must divide num_ranks (4), or be 0");
  EXPECT_EQ(refusal({.num_logical = 6, .num_ranks = 4, .slots_per_rank = 2, .num_groups = 4}),
            "[optimize_placement] num_groups (4) must divide num_logical (6)");
  EXPECT_EQ(refusal({.num_logical = 6, .num_ranks = 4, .slots_per_rank = 2, .num_groups = 0}),
            "[optimize_placement] num_groups (0) must divide num_logical (6)");
  EXPECT_EQ(refusal({.num_logical = 6, .num_ranks = 4, .num_nodes = 2, .slots_per_rank = 2, .num_groups = 3}),
            "[optimize_placement] num_groups (3) must be a multiple of num_nodes (2)");
  EXPECT_EQ(refusal({.num_logical = 2, .num_ranks = 2, .slots = {3, -1}}),
            "[optimize_placement] slots[1] (-1) must not be negative");
  EXPECT_EQ(refusal({.num_logical = 2, .num_ranks = 1024, .slots_per_rank = 65}),
            "[optimize_placement] 65 slots on each of 1024 ranks are too many; at most 65536 in all");
  EXPECT_EQ(refusal({.num_logical = 7, .num_ranks = 4, .slots_per_rank = 2, .live = {1, 1, 0, 1}}),
            "[optimize_placement] 6 slots on live ranks do not hold 7 experts");
}

}  // namespace
}  // namespace lplb
