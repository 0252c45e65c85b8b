// What is recommended for common deployments, and that every recommendation fits and joins all ranks.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lplb/topology.h"
#include "support/expect_throw.h"

namespace lplb {
namespace {

using ::testing::HasSubstr;
using testing::invalid_argument_of;

std::string recommended(int num_ranks, int num_nodes, int num_redundants) {
  return recommend_topology(num_ranks, num_nodes, num_redundants).topology.name();
}

TEST(RecommendTopology, CommonDeployments) {
  EXPECT_EQ(recommended(8, 1, 1), "ring:8");
  EXPECT_EQ(recommended(8, 1, 2), "cube");
  EXPECT_EQ(recommended(16, 2, 2), "hypercube:16");
  EXPECT_EQ(recommended(32, 4, 2), "torus:8x4");  // as short as 4x8, with half its edges across nodes
  EXPECT_EQ(recommended(32, 4, 3), "hypercube:32");
  EXPECT_EQ(recommended(64, 8, 2), "torus:8x8");
  EXPECT_EQ(recommended(72, 18, 2), "torus:9x8");
  EXPECT_EQ(recommended(12, 3, 2), "torus:3x4");  // 12 edges across nodes; 4x3 has 13
  EXPECT_EQ(recommended(7, 1, 3), "ring:7");      // a prime number of ranks
  EXPECT_EQ(recommended(2, 2, 4), "ring:2");
}

TEST(RecommendTopology, ReasonGivesTheNumbers) {
  EXPECT_EQ(recommend_topology(32, 4, 2).reason,
            "torus:8x4 (diameter 6, 4 neighbours a rank, 16 of 64 edges across nodes) has the shortest paths, then the "
            "fewest edges across nodes, of the 5 topologies that fit 32 ranks with 2 redundant slots a rank; next is "
            "torus:4x8 (diameter 6, 4 neighbours a rank, 32 of 64 edges across nodes).");
  EXPECT_EQ(recommend_topology(2, 1, 1).reason,
            "ring:2 (diameter 1, 1 neighbour a rank, 0 of 2 edges across nodes) is the only topology that fits 2 ranks "
            "with 1 redundant slot a rank.");
  EXPECT_THAT(recommend_topology(8, 1, 5).reason, HasSubstr("An edge carries up to 3 experts."));
}

TEST(RecommendTopology, AlwaysFitsAndJoinsAllRanks) {
  for (int num_ranks = 2; num_ranks <= 32; ++num_ranks) {
    for (int num_nodes = 1; num_nodes <= num_ranks; ++num_nodes) {
      if (num_ranks % num_nodes != 0) {
        continue;
      }
      for (const int num_redundants : {1, 2, 3}) {
        const TopologyRecommendation found = recommend_topology(num_ranks, num_nodes, num_redundants);
        EXPECT_EQ(found.num_groups * found.topology.group_size(), num_ranks);
        EXPECT_LE(found.topology.num_redundants(), num_redundants);
        EXPECT_TRUE(found.topology.connected());
      }
    }
  }
}

TEST(RecommendTopology, Messages) {
  EXPECT_EQ(invalid_argument_of([] { recommend_topology(1, 1, 2); }),
            "[recommend_topology] num_ranks (1) must be in 2..1024");
  EXPECT_EQ(invalid_argument_of([] { recommend_topology(2000, 1, 2); }),
            "[recommend_topology] num_ranks (2000) must be in 2..1024");
  EXPECT_EQ(invalid_argument_of([] { recommend_topology(8, 3, 2); }),
            "[recommend_topology] num_nodes (3) must divide num_ranks (8)");
  EXPECT_EQ(invalid_argument_of([] { recommend_topology(8, 0, 2); }),
            "[recommend_topology] num_nodes (0) must divide num_ranks (8)");
  EXPECT_EQ(invalid_argument_of([] { recommend_topology(8, 1, 0); }),
            "[recommend_topology] num_redundants (0) must be at least 1");
}

}  // namespace
}  // namespace lplb
