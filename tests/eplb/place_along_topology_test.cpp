// LPLB's placement: against 30 recorded outputs of its Planner.update_redundancy_mapping, by hand, and its messages.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/rng.h"
#include "lplb/topology.h"
#include "support/expect_throw.h"
#include "support/golden.h"

namespace lplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using testing::find_shared;
using testing::GoldenFile;
using testing::invalid_argument_of;

TEST(PlaceAlongTopology, AllCasesEqualTheReference) {
  const auto path = find_shared("golden/lplb_mapping.npz");
  if (!path) {
    GTEST_SKIP() << "golden/lplb_mapping.npz, the reference's recorded outputs, is not on this machine";
  }
  const GoldenFile file(*path);
  const std::vector<std::string> names = file.cases("r2o");
  EXPECT_EQ(names.size(), 30U);
  for (const std::string& name : names) {
    SCOPED_TRACE("case " + name);
    const Topology topology =
        Topology::from_r2o(file.ints(name + "_r2o"), file.dim(name + "_r2o", 0), file.dim(name + "_r2o", 1));
    EXPECT_EQ(topology.o2r(), file.ints(name + "_o2r"));
    const std::vector<std::int32_t> args = file.ints(name + "_args");
    std::vector<std::int64_t> workload;
    if (file.has(name + "_workload")) {
      workload = file.int64s(name + "_workload");
    }
    const Placement placement = place_along_topology(
        topology,
        {.num_logical = args.at(1), .num_physical = args.at(0), .num_ranks = args.at(2), .ranks_per_node = args.at(3)},
        workload);
    EXPECT_TRUE(std::ranges::equal(placement.phy2log(), file.ints(name + "_phy2log")));
    EXPECT_TRUE(std::ranges::equal(placement.logcnt(), file.ints(name + "_logcnt")));
    EXPECT_EQ(original_first_log2phy(placement, args.at(1) / args.at(2)), file.ints(name + "_log2phy"));
  }
}

// Identity order: ranks hold {0,1,2}, {3,4,5}, {6,7,8}; rank g copies the first two of rank g + 1.
TEST(PlaceAlongTopology, RingWithoutAHistoryByHand) {
  const Placement placement = place_along_topology(
      Topology::ring(3), {.num_logical = 9, .num_physical = 15, .num_ranks = 3, .ranks_per_node = 3}, {});
  EXPECT_THAT(placement.phy2log(), ElementsAre(0, 1, 2, 3, 4, 3, 4, 5, 6, 7, 6, 7, 8, 0, 1));
  EXPECT_THAT(original_first_log2phy(placement, 3), ElementsAre(0, 13, 1, 14, 2, -1, 5, 3, 6, 4, 7, -1,  //
                                                                10, 8, 11, 9, 12, -1));
}

// EPLB without copies: 9 | 8, then 1 to the rank with 8, 0 to the other. Each rank's heaviest first.
TEST(PlaceAlongTopology, CopiesTheHeaviestOfEachRank) {
  const std::vector<std::int64_t> workload{1, 8, 0, 9};
  const Placement placement = place_along_topology(
      Topology::ring(2), {.num_logical = 4, .num_physical = 6, .num_ranks = 2, .ranks_per_node = 2}, workload);
  EXPECT_THAT(placement.phy2log(), ElementsAre(3, 2, 1, 1, 0, 3));
}

TEST(PlaceAlongTopology, GroupsDoNotShareExperts) {
  const std::vector<std::int64_t> workload{5, 9, 1, 1, 7, 3, 2, 8};
  const Placement placement = place_along_topology(
      Topology::ring(2), {.num_logical = 8, .num_physical = 12, .num_ranks = 4, .ranks_per_node = 2}, workload);
  EXPECT_EQ(placement.num_nodes(), 2);
  for (int expert = 0; expert < 8; ++expert) {
    for (const std::int32_t slot : placement.replicas(expert)) {
      EXPECT_EQ(placement.rank_of(slot) / 2, placement.rank_of(placement.replicas(expert)[0]) / 2);
    }
  }
}

TEST(PlaceAlongTopology, CopiesNeverShareARank) {
  Rng rng(1);
  std::vector<std::int64_t> workload(64);
  for (const char* name : {"cube", "torus:4x2", "ring:8", "ring:4"}) {
    std::ranges::generate(workload, [&] { return static_cast<std::int64_t>(rng.below(100)); });
    for (int num_copies = 1; num_copies <= 8; ++num_copies) {
      const Placement placement = place_along_topology(
          Topology::parse(name), {.num_logical = 64, .num_physical = 64 + 8 * num_copies, .num_ranks = 8}, workload);
      EXPECT_TRUE(placement.colocations().empty()) << name << ", " << num_copies << " copies";
      EXPECT_LE(placement.max_replicas(), 2);
    }
  }
}

TEST(PlaceAlongTopology, OddNodesAreOneNode) {
  const Placement placement = place_along_topology(
      Topology::ring(12), {.num_logical = 12, .num_physical = 24, .num_ranks = 12}, std::vector<std::int64_t>(12, 1));
  EXPECT_EQ(placement.num_nodes(), 1);
  EXPECT_THAT(placement.logcnt(), Each(2));
}

TEST(PlaceAlongTopology, Messages) {
  const TopologyPlacementArgs good{.num_logical = 64, .num_physical = 80, .num_ranks = 8};
  const auto message = [&](auto change, std::vector<std::int64_t> workload = {}) {
    TopologyPlacementArgs args = good;
    change(args);
    return invalid_argument_of([&] { place_along_topology(Topology::cube(), args, workload); });
  };
  EXPECT_EQ(message([](TopologyPlacementArgs& a) { a.num_ranks = 12; }),
            "[place_along_topology] num_ranks (12) must be a multiple of the topology's group_size (8)");
  EXPECT_EQ(message([](TopologyPlacementArgs& a) { a.num_ranks = 0; }),
            "[place_along_topology] num_ranks (0) must be a multiple of the topology's group_size (8)");
  EXPECT_EQ(message([](TopologyPlacementArgs& a) { a.num_logical = 60; }),
            "[place_along_topology] num_logical (60) must be a multiple of num_ranks (8)");
  const std::string slots = " must be num_ranks (8) times 9..16: 1 to 8 redundant slots a rank beside its 8 experts";
  EXPECT_EQ(message([](TopologyPlacementArgs& a) { a.num_physical = 64; }),
            "[place_along_topology] num_physical (64)" + slots);
  EXPECT_EQ(message([](TopologyPlacementArgs& a) { a.num_physical = 81; }),
            "[place_along_topology] num_physical (81)" + slots);
  EXPECT_EQ(message([](TopologyPlacementArgs& a) { a.num_physical = 136; }),
            "[place_along_topology] num_physical (136)" + slots);
  EXPECT_EQ(message([](TopologyPlacementArgs& a) { a.ranks_per_node = 0; }),
            "[place_along_topology] ranks_per_node (0) must be at least 1");
  EXPECT_EQ(message([](TopologyPlacementArgs&) {}, {1, 2}),
            "[place_along_topology] workload has 2 entries; it must have none, or one for each of the 64 experts");
  std::vector<std::int64_t> negative(64, 1);
  negative[9] = -3;
  EXPECT_EQ(message([](TopologyPlacementArgs&) {}, negative),
            "[place_along_topology] workload[9] (-3) must not be negative");
}

TEST(OriginalFirstLog2phy, Messages) {
  const Placement placement({0, 1, 0, 1}, 2, 2);
  EXPECT_EQ(invalid_argument_of([&] { original_first_log2phy(placement, 3); }),
            "[original_first_log2phy] num_local (3) must be in 1..slots_per_rank (2)");
  EXPECT_EQ(invalid_argument_of([&] { original_first_log2phy(placement, 2); }),
            "[original_first_log2phy] expert 0 has two originals, in slots 0 and 2");
  const Placement copied({0, 1, 1, 2, 1, 1}, 3, 2);
  EXPECT_EQ(invalid_argument_of([&] { original_first_log2phy(copied, 1); }),
            "[original_first_log2phy] expert 1 has two redundant copies, in slots 1 and 2");
}

}  // namespace
}  // namespace lplb
