// Starts of the search: they keep every rule, balance as EPLB does, and repair a placement with as few moves as can be.

#include "optimize/starts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/expect_throw.h"
#include "support/random_rules.h"
#include "support/rapid_instance.h"

namespace lplb {
namespace {

using namespace lplb::testing;

using Ints = std::vector<std::int32_t>;
using Loads = std::vector<double>;

Loads random_load(Rng& rng, int num_logical) {
  const std::vector<Tokens> window = random_window(rng, num_logical, 1);
  return {window.begin(), window.end()};
}

SearchRules search_rules(const PlacementRules& rules, const Loads& load) {
  SearchRules result = make_search_rules(rules);
  if (rules.num_groups > 1 && rules.num_nodes > 1) {
    result.node_of_expert = assign_groups(rules, load, Ints(rules.num_groups, kNone));
  }
  return result;
}

Placement placed(const PlacementRules& rules, Ints phy2log) {
  return Placement(std::move(phy2log), rules.num_logical, rules.num_ranks, rules.num_nodes);
}

TEST(Starts, GreedyKeepsAnyRules) {
  check_property(400, [](std::uint64_t seed) {
    Rng rng(seed);
    const PlacementRules rules = random_rules(rng);
    RC_LOG() << rules;
    const Loads load = random_load(rng, rules.num_logical);
    const SearchRules search = search_rules(rules, load);
    const Placement placement = placed(rules, greedy_start(search, load));
    RC_ASSERT(broken_rule(rules, placement) == "");
    RC_ASSERT(find_violation(search, placement) == "");
  });
}

TEST(Starts, RepairedPlacementsKeepAnyRulesAndMoveOnlyWhatIsLost) {
  check_property(400, [](std::uint64_t seed) {
    Rng rng(seed);
    PlacementRules rules = random_rules(rng);
    rules.live.clear();
    const Loads load = random_load(rng, rules.num_logical);
    const SearchRules whole = search_rules(rules, load);
    const Placement current = placed(rules, greedy_start(whole, load));
    rules.live.assign(rules.num_ranks, 1);
    rules.live[rng.below(rules.num_ranks)] = 0;
    const Ints slots = usable_slots(rules);
    RC_PRE(std::accumulate(slots.begin(), slots.end(), 0) >= rules.num_logical);
    SearchRules living = make_search_rules(rules);
    living.node_of_expert = whole.node_of_expert;
    int num_lost = 0;
    for (int e = 0; e < rules.num_logical; ++e) {
      num_lost += live_ranks_of(current, rules.live, e).empty() ? 1 : 0;
    }
    std::string refusal;
    try {
      const Placement repaired = placed(rules, repair_current(living, current, load));
      RC_ASSERT(broken_rule(rules, repaired) == "");
      RC_ASSERT(count_moved_copies(current, repaired) == num_lost);
    } catch (const InvalidArgument& error) {
      refusal = error.what();  // only where a node has too few slots left for its groups
      RC_ASSERT(rules.num_groups > 1);
    }
  });
}

// Copies: two more for expert 0. Then heaviest first to the lightest rank: 0 | 0 | 0, 1 joins none of lower load ...
TEST(Starts, GreedyBalancesAsEplbDoes) {
  const PlacementRules rules{.num_logical = 4, .num_ranks = 3, .slots_per_rank = 2};
  const Loads load = {90, 30, 20, 10};
  const Placement placement = placed(rules, greedy_start(make_search_rules(rules), load));
  EXPECT_EQ(Ints(placement.logcnt().begin(), placement.logcnt().end()), (Ints{3, 1, 1, 1}));
  std::vector<double> rank_load(3, 0.0);
  for (int slot = 0; slot < 6; ++slot) {
    const int e = placement.phy2log()[slot];
    rank_load[placement.rank_of(slot)] += load[e] / placement.logcnt()[e];
  }
  std::ranges::sort(rank_load);
  EXPECT_EQ(rank_load, (Loads{40, 50, 60}));
}

TEST(Starts, WithoutCopiesTheHeaviestGoToDifferentRanks) {
  const PlacementRules rules{.num_logical = 6, .num_ranks = 3, .slots_per_rank = 2};
  const Loads load = {6, 5, 4, 3, 2, 1};
  EXPECT_EQ(greedy_start(make_search_rules(rules), load), (Ints{0, 5, 1, 4, 2, 3}));
}

TEST(Starts, SlotsThatNoFurtherCopyMayTakeStayEmpty) {
  const PlacementRules rules{.num_logical = 2, .num_ranks = 2, .slots_per_rank = 3};
  const Placement placement = placed(rules, greedy_start(make_search_rules(rules), Loads{5, 1}));
  EXPECT_EQ(Ints(placement.logcnt().begin(), placement.logcnt().end()), (Ints{2, 2}));
}

TEST(Starts, GroupsGoHeaviestFirstToTheLightestNodeWithRoom) {
  const PlacementRules rules{.num_logical = 8, .num_ranks = 2, .num_nodes = 2, .slots_per_rank = 4, .num_groups = 4};
  EXPECT_EQ(assign_groups(rules, Loads{1, 1, 5, 5, 2, 2, 3, 3}, Ints(4, kNone)), (Ints{0, 0, 0, 0, 1, 1, 1, 1}));
}

TEST(Starts, FindsWhatBreaksTheRules) {
  PlacementRules rules{.num_logical = 3, .num_ranks = 4, .slots_per_rank = 2, .copies_within = 2};
  SearchRules search = make_search_rules(rules);
  const auto violation = [&](Ints phy2log) { return find_violation(search, placed(rules, std::move(phy2log))); };
  EXPECT_EQ(violation({0, 1, 0, kNone, 2, kNone, kNone, kNone}), "");
  EXPECT_EQ(violation({0, 0, 1, kNone, 2, kNone, kNone, kNone}), "an expert has two copies on one rank");
  EXPECT_EQ(violation({0, 1, kNone, kNone, 2, kNone, 1, kNone}), "expert 1 has copies in different blocks of ranks");
  search.slots = {1, 2, 2, 2};
  EXPECT_EQ(violation({0, 1, 0, kNone, 2, kNone, kNone, kNone}), "rank 0 holds more experts than its 1 slots");
  search.slots = {2, 2, 2, 2};
  search.node_of_rank = {0, 0, 1, 1};
  search.node_of_expert = {0, 0, 0};
  EXPECT_EQ(violation({0, 1, 0, kNone, 2, kNone, kNone, kNone}), "expert 2 is on another node than its group");
}

TEST(Starts, RepairPutsALostExpertIntoAnEmptySlotFirst) {
  const PlacementRules rules{.num_logical = 3, .num_ranks = 3, .slots_per_rank = 2, .live = {1, 1, 0}};
  const Placement current({0, 1, 0, kNone, 2, 1}, 3, 3);
  EXPECT_EQ(repair_current(make_search_rules(rules), current, Loads{1, 1, 1}), (Ints{0, 1, 0, 2, kNone, kNone}));
}

TEST(Starts, RepairElseOverTheCopyThatIsNeededLeast) {
  const PlacementRules rules{.num_logical = 4, .num_ranks = 3, .slots_per_rank = 3, .live = {1, 1, 0}};
  const Placement current({0, 1, 2, 0, 1, 2, 3, kNone, kNone}, 4, 3);
  const Placement repaired = placed(rules, repair_current(make_search_rules(rules), current, Loads{9, 4, 6, 1}));
  EXPECT_EQ(count_moved_copies(current, repaired), 1);
  EXPECT_EQ(Ints(repaired.logcnt().begin(), repaired.logcnt().end()), (Ints{2, 1, 2, 1}));
}

TEST(Starts, RepairRefusesWhatBreaksTheRulesBesides) {
  const PlacementRules rules{.num_logical = 2, .num_ranks = 4, .slots_per_rank = 1, .copies_within = 2};
  EXPECT_EQ(invalid_argument_of([&] {
              repair_current(make_search_rules(rules), Placement({0, 1, 0, kNone}, 2, 4), Loads{1, 1});
            }),
            "[optimize_placement] current breaks the rules: expert 0 has copies in different blocks of ranks");
}

TEST(Starts, ExpertsKeepTheirSlotWithinARank) {
  const PlacementRules rules{.num_logical = 4, .num_ranks = 2, .slots = {3, 2}};
  const SearchRules search = make_search_rules(rules);
  const Placement current({0, 1, 2, 3, 0, kNone}, 4, 2);
  Ints phy2log = {2, 3, 0, 0, 1, kNone};
  align_slots(search, current, phy2log);
  EXPECT_EQ(phy2log, (Ints{0, 3, 2, 1, 0, kNone}));
}

TEST(Starts, AligningKeepsWhatARankHolds) {
  check_property(200, [](std::uint64_t seed) {
    Rng rng(seed);
    const PlacementRules rules = random_rules(rng);
    const SearchRules search = search_rules(rules, random_load(rng, rules.num_logical));
    const Placement current = placed(rules, greedy_start(search, random_load(rng, rules.num_logical)));
    const Ints before = greedy_start(search, random_load(rng, rules.num_logical));
    Ints after = before;
    align_slots(search, current, after);
    RC_ASSERT(count_moved_copies(placed(rules, before), placed(rules, after)) == 0);
    for (int slot = 0; slot < current.num_physical(); ++slot) {
      const int e = current.phy2log()[slot];
      const auto first = after.begin() + current.rank_of(slot) * current.slots_per_rank();
      const bool is_there = std::find(first, first + current.slots_per_rank(), e) != first + current.slots_per_rank();
      RC_ASSERT(e == kNone || !is_there || after[slot] == e);
    }
  });
}

TEST(StartsErrors, NameTheArgument) {
  SearchRules rules =
      make_search_rules({.num_logical = 3, .num_ranks = 2, .num_nodes = 2, .slots = {1, 2}, .num_groups = 1});
  rules.block_of_rank = {0, 1};
  rules.node_of_expert = {0, 0, 1};
  EXPECT_EQ(invalid_argument_of([&] {
              greedy_start(rules, Loads{1, 2, 3});
            }),
            "[optimize_placement] no block of ranks has a slot left for expert 0");
  rules.slots = {0, 2};
  rules.node_of_expert = {kNone, kNone, kNone};
  EXPECT_EQ(invalid_argument_of([&] {
              repair_current(rules, Placement({0, kNone, 1, 2}, 3, 2), Loads{1, 1, 1});
            }),
            "[optimize_placement] no slot is left for expert 0, which lost its last copy");
}

}  // namespace
}  // namespace lplb
