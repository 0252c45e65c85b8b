// Placement: its inverse on random placements, colocation, moves, and every message that a caller can cause.

#include "lplb/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>
#include <set>

#include "base/rng.h"
#include "support/expect_throw.h"

namespace lplb {
namespace {

using ::testing::ElementsAre;
using testing::invalid_argument_of;
using ::testing::IsEmpty;

TEST(Placement, ByHand) {
  // Rank 0 holds experts 1 and 0, rank 1 expert 1 and nothing, rank 2 two copies of expert 2.
  const Placement placement({1, 0, 1, kNone, 2, 2}, 3, 3);
  EXPECT_EQ(placement.num_physical(), 6);
  EXPECT_EQ(placement.slots_per_rank(), 2);
  EXPECT_EQ(placement.max_replicas(), 2);
  EXPECT_THAT(placement.logcnt(), ElementsAre(1, 2, 2));
  EXPECT_THAT(placement.replicas(0), ElementsAre(1));
  EXPECT_THAT(placement.replicas(1), ElementsAre(0, 2));
  EXPECT_THAT(placement.log2phy(), ElementsAre(1, kNone, 0, 2, 4, 5));
  const std::vector<Colocation> colocations = placement.colocations();
  ASSERT_EQ(colocations.size(), 1U);
  EXPECT_EQ(colocations[0].expert, 2);
  EXPECT_EQ(colocations[0].rank, 2);
  EXPECT_EQ(colocations[0].num_copies, 2);
}

TEST(Placement, RanksAreNumberedNodeByNode) {
  const Placement placement({0, 1, 2, 3, 4, 5, 6, 7}, 8, 4, 2);
  EXPECT_EQ(placement.ranks_per_node(), 2);
  EXPECT_EQ(placement.rank_of(5), 2);
  EXPECT_EQ(placement.node_of_rank(1), 0);
  EXPECT_EQ(placement.node_of_rank(2), 1);
}

TEST(Placement, EqualityIncludesTheShape) {
  const Placement one({0, 1, 2, 3}, 4, 2);
  EXPECT_EQ(one, Placement({0, 1, 2, 3}, 4, 2));
  EXPECT_NE(one, Placement({0, 1, 3, 2}, 4, 2));
  EXPECT_NE(one, Placement({0, 1, 2, 3}, 4, 4));
  EXPECT_NE(one, Placement({0, 1, 2, 3}, 4, 2, 2));
}

struct Shape {
  std::vector<std::int32_t> phy2log;
  int num_logical;
  int num_ranks;
};

Shape random_shape(std::uint64_t seed) {
  Rng rng(seed);
  Shape shape;
  shape.num_ranks = static_cast<int>(rng.below(8)) + 1;
  const int num_slots = shape.num_ranks * (static_cast<int>(rng.below(6)) + 1);
  shape.num_logical = static_cast<int>(rng.below(num_slots)) + 1;
  for (int slot = 0; slot < num_slots; ++slot) {
    const auto any = static_cast<std::int32_t>(rng.below(shape.num_logical + 1)) - 1;
    shape.phy2log.push_back(slot < shape.num_logical ? slot : any);
  }
  for (std::size_t i = shape.phy2log.size(); i > 1; --i) {
    std::swap(shape.phy2log[i - 1], shape.phy2log[rng.below(i)]);
  }
  return shape;
}

RC_GTEST_PROP(Placement, InverseIsExact, (std::uint64_t seed)) {
  const Shape shape = random_shape(seed);
  const Placement placement(shape.phy2log, shape.num_logical, shape.num_ranks);
  std::vector<std::int32_t> rebuilt(shape.phy2log.size(), kNone);
  const std::vector<std::int32_t> log2phy = placement.log2phy();
  for (int expert = 0; expert < shape.num_logical; ++expert) {
    const auto slots = placement.replicas(expert);
    RC_ASSERT(std::ranges::is_sorted(slots));
    RC_ASSERT(static_cast<int>(slots.size()) == placement.logcnt()[expert]);
    for (int i = 0; i < placement.max_replicas(); ++i) {
      const std::int32_t slot = log2phy[static_cast<std::size_t>(expert) * placement.max_replicas() + i];
      RC_ASSERT(slot == (i < placement.logcnt()[expert] ? slots[i] : kNone));
    }
    for (const std::int32_t slot : slots) {
      rebuilt[slot] = expert;
    }
  }
  RC_ASSERT(rebuilt == shape.phy2log);
}

RC_GTEST_PROP(Placement, ColocationsAreCounted, (std::uint64_t seed)) {
  const Shape shape = random_shape(seed);
  const Placement placement(shape.phy2log, shape.num_logical, shape.num_ranks);
  std::multiset<std::pair<int, int>> expected;  // (expert, rank) of every copy
  for (int slot = 0; slot < placement.num_physical(); ++slot) {
    if (shape.phy2log[slot] != kNone) {
      expected.emplace(shape.phy2log[slot], placement.rank_of(slot));
    }
  }
  for (const Colocation& found : placement.colocations()) {
    const auto num_copies = expected.erase({found.expert, found.rank});
    RC_ASSERT(found.num_copies >= 2);
    RC_ASSERT(static_cast<std::int32_t>(num_copies) == found.num_copies);
  }
  const std::set<std::pair<int, int>> single(expected.begin(), expected.end());
  RC_ASSERT(single.size() == expected.size());
}

TEST(Placement, Messages) {
  const auto message = [](std::vector<std::int32_t> phy2log, int num_logical, int num_ranks, int num_nodes = 1) {
    return invalid_argument_of([&] { Placement(std::move(phy2log), num_logical, num_ranks, num_nodes); });
  };
  EXPECT_EQ(message({0, 1}, 0, 1), "[Placement] num_logical (0) must be in 1..4096");
  EXPECT_EQ(message({0, 1}, 4097, 1), "[Placement] num_logical (4097) must be in 1..4096");
  EXPECT_EQ(message({0, 1}, 2, 0), "[Placement] num_ranks (0) must be in 1..1024");
  EXPECT_EQ(message({0, 1}, 2, 1025), "[Placement] num_ranks (1025) must be in 1..1024");
  EXPECT_EQ(message({0, 1}, 2, 2, 0), "[Placement] num_nodes (0) must divide num_ranks (2)");
  EXPECT_EQ(message({0, 1, 2}, 3, 3, 2), "[Placement] num_nodes (2) must divide num_ranks (3)");
  EXPECT_EQ(message({}, 2, 1), "[Placement] phy2log has 0 slots; it must have 1..65536");
  EXPECT_EQ(message(std::vector<std::int32_t>(70000), 1, 1),
            "[Placement] phy2log has 70000 slots; it must have 1..65536");
  EXPECT_EQ(message({0, 1, 0}, 2, 2), "[Placement] phy2log has 3 slots; that must be a multiple of num_ranks (2)");
  EXPECT_EQ(message({0, 2}, 2, 1), "[Placement] phy2log[1] is 2; it must be in -1..1");
  EXPECT_EQ(message({-2, 0}, 2, 1), "[Placement] phy2log[0] is -2; it must be in -1..1");
  EXPECT_EQ(message({0, 0, 2, kNone}, 3, 2), "[Placement] expert 1 has no slot in phy2log");
}

TEST(ContiguousPlacement, LeftOverSlotsStayEmpty) {
  const Placement placement = contiguous_placement(5, 3);
  EXPECT_THAT(placement.phy2log(), ElementsAre(0, 1, 2, 3, 4, kNone));
  EXPECT_EQ(placement.max_replicas(), 1);
  EXPECT_THAT(placement.colocations(), IsEmpty());
}

TEST(ContiguousPlacement, Messages) {
  EXPECT_EQ(invalid_argument_of([] { contiguous_placement(8, 0); }),
            "[contiguous_placement] num_ranks (0) must be in 1..1024");
  EXPECT_EQ(invalid_argument_of([] { contiguous_placement(-8, 2); }),
            "[contiguous_placement] num_logical (-8) must be in 1..4096");
}

TEST(CountMovedCopies, CountsWhatARankDidNotHold) {
  const Placement from({0, 1, 2, 3, 4, 5}, 6, 3);
  EXPECT_EQ(count_moved_copies(from, from), 0);
  EXPECT_EQ(count_moved_copies(from, Placement({1, 0, 3, 2, 4, 5}, 6, 3)), 0);  // only within ranks
  EXPECT_EQ(count_moved_copies(from, Placement({0, 2, 1, 3, 4, 5}, 6, 3)), 2);
  const Placement copied({0, 1, 5, 2, 3, 0, 4, 5, 1}, 6, 3);
  EXPECT_EQ(count_moved_copies(from, copied), 3);
  EXPECT_EQ(count_moved_copies(copied, from), 0);  // copies are only dropped
}

TEST(CountMovedCopies, ASecondCopyOnTheSameRankMoves) {
  const Placement from({0, kNone, 1, kNone}, 2, 2);
  EXPECT_EQ(count_moved_copies(from, Placement({0, 0, 1, kNone}, 2, 2)), 1);
}

TEST(CountMovedCopies, Messages) {
  const Placement four({0, 1, 2, 3}, 4, 2);
  EXPECT_EQ(invalid_argument_of([&] {
              count_moved_copies(four, Placement({0, 1, 2, 2}, 3, 2));
            }),
            "[count_moved_copies] num_logical differs: 4 and 3");
  EXPECT_EQ(invalid_argument_of([&] {
              count_moved_copies(four, Placement({0, 1, 2, 3}, 4, 4));
            }),
            "[count_moved_copies] num_ranks differs: 2 and 4");
}

}  // namespace
}  // namespace lplb
