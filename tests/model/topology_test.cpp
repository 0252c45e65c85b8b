// Topologies: the recorded matrices, what users ask of one, and every message that a caller can cause.

#include "lplb/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/expect_throw.h"
#include "support/golden.h"

namespace lplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using testing::find_shared;
using testing::GoldenFile;
using ::testing::HasSubstr;
using testing::invalid_argument_of;

std::vector<std::int32_t> column(const Topology& topology, int index) {
  std::vector<std::int32_t> result;
  for (int rank = 0; rank < topology.group_size(); ++rank) {
    result.push_back(topology.source(rank, index));
  }
  return result;
}

TEST(Topology, EqualsTheReferencesMatrices) {
  const auto path = find_shared("golden/lplb_mapping.npz");
  if (!path) {
    GTEST_SKIP() << "golden/lplb_mapping.npz, the reference's recorded outputs, is not on this machine";
  }
  const GoldenFile file(*path);
  const auto expect_matrix = [&](const Topology& topology, const std::string& name) {
    EXPECT_TRUE(std::ranges::equal(topology.r2o(), file.ints(name + "_r2o"))) << name;
    EXPECT_EQ(topology.o2r(), file.ints(name + "_o2r")) << name;
  };
  expect_matrix(Topology::cube(), "00_cube");
  expect_matrix(Topology::ring(8), "09_ring8");
  expect_matrix(Topology::hypercube(), "12_hypercube");
  expect_matrix(Topology::torus(8, 4), "15_torus8x4");
  expect_matrix(Topology::torus(4, 4), "27_torus4x4");
}

TEST(Topology, CubeByItsColumns) {
  EXPECT_THAT(column(Topology::cube(), 0), ElementsAre(3, 0, 1, 2, 7, 4, 5, 6));
  EXPECT_THAT(column(Topology::cube(), 1), ElementsAre(6, 7, 4, 5, 0, 1, 2, 3));
}

TEST(Topology, CubeAsAGraph) {
  const Topology cube = Topology::cube();
  EXPECT_EQ(cube.name(), "cube");
  EXPECT_THAT(cube.neighbours(0), ElementsAre(1, 3, 4, 6));
  EXPECT_THAT(cube.degrees(), Each(4));
  EXPECT_TRUE(cube.connected());
  EXPECT_EQ(cube.diameter(), 2);
  EXPECT_EQ(cube.num_cross_node_edges(8), 0);
  EXPECT_EQ(cube.num_cross_node_edges(4), 8);
  EXPECT_EQ(cube.num_cross_node_edges(1), 16);
}

TEST(Topology, RingAndTorusAsGraphs) {
  EXPECT_EQ(Topology::ring(8).diameter(), 4);
  EXPECT_THAT(Topology::ring(8).neighbours(0), ElementsAre(1, 7));
  EXPECT_THAT(Topology::ring(2).neighbours(0), ElementsAre(1));
  EXPECT_EQ(Topology::ring(2).diameter(), 1);
  const Topology torus = Topology::torus(8, 4);
  EXPECT_EQ(torus.name(), "torus:8x4");
  EXPECT_THAT(torus.neighbours(0), ElementsAre(1, 3, 4, 28));
  EXPECT_EQ(torus.diameter(), 6);
  EXPECT_EQ(torus.num_cross_node_edges(8), 16);
  EXPECT_EQ(Topology::torus(4, 8).num_cross_node_edges(8), 32);
}

TEST(Topology, HypercubesStayDenseAsTheyGrow) {
  EXPECT_EQ(Topology::hypercube(16).num_redundants(), 2);
  EXPECT_EQ(Topology::hypercube(32).num_redundants(), 3);
  EXPECT_EQ(Topology::hypercube(64).num_redundants(), 3);
  int log2 = 4;
  for (int num_ranks = 16; num_ranks <= kMaxRanks; num_ranks *= 2, ++log2) {
    const Topology cube = Topology::hypercube(num_ranks);
    EXPECT_EQ(cube.diameter(), log2) << num_ranks;
    EXPECT_THAT(cube.degrees(), Each(log2)) << num_ranks;
    EXPECT_EQ(Topology::parse(cube.name()).group_size(), num_ranks);
  }
}

TEST(Topology, SeparatePartsAreNotConnected) {
  const Topology pairs = Topology::from_r2o({1, 0, 3, 2}, 4, 1);
  EXPECT_EQ(pairs.name(), "custom");
  EXPECT_FALSE(pairs.connected());
  EXPECT_EQ(pairs.diameter(), -1);
  EXPECT_FALSE(Topology::cube().first_columns(1).connected());  // two squares
}

TEST(Topology, FirstColumns) {
  const Topology one = Topology::torus(4, 4).first_columns(1);
  EXPECT_EQ(one.num_redundants(), 1);
  EXPECT_EQ(column(one, 0), column(Topology::torus(4, 4), 0));
  EXPECT_EQ(invalid_argument_of([] { Topology::cube().first_columns(3); }),
            "[Topology::first_columns] num_columns (3) must be in 1..2");
  EXPECT_EQ(invalid_argument_of([] { Topology::cube().first_columns(0); }),
            "[Topology::first_columns] num_columns (0) must be in 1..2");
}

TEST(Topology, InverseByColumn) {
  for (const Topology& topology : {Topology::cube(), Topology::hypercube(32), Topology::torus(3, 5)}) {
    const std::vector<std::int32_t> o2r = topology.o2r();
    for (int rank = 0; rank < topology.group_size(); ++rank) {
      for (int i = 0; i < topology.num_redundants(); ++i) {
        EXPECT_EQ(o2r[topology.source(rank, i) * topology.num_redundants() + i], rank);
      }
    }
  }
}

TEST(Topology, Parse) {
  EXPECT_EQ(Topology::parse("cube").name(), "cube");
  EXPECT_EQ(Topology::parse("hypercube").name(), "hypercube:16");
  EXPECT_EQ(Topology::parse("hypercube:64").name(), "hypercube:64");
  EXPECT_EQ(Topology::parse("torus:8x4").name(), "torus:8x4");
  EXPECT_EQ(Topology::parse("ring:5").name(), "ring:5");
  for (const char* text :
       {"",        ":",        "x",        "cube:",       "cube:8",           "cubes", "hypercube:", "hypercube:a",
        "ring",    "ring:",    "ring:-3",  "ring:8 ",     "ring:99999999999", "torus", "torus:",     "torus:8",
        "torus:x", "torus:8x", "torus:x4", "torus:8x4x2", "torus:8X4",        "mesh:3"}) {
    EXPECT_EQ(invalid_argument_of([&] { Topology::parse(text); }),
              "[Topology::parse] text (\"" + std::string(text) +
                  "\") must be cube, hypercube, hypercube:32, torus:8x4 or ring:8 (any sizes)");
  }
}

TEST(Topology, SizesThatDoNotExist) {
  EXPECT_EQ(invalid_argument_of([] { Topology::parse("hypercube:24"); }),
            "[Topology::hypercube] num_ranks (24) must be a power of two in 16..1024");
  EXPECT_EQ(invalid_argument_of([] { Topology::hypercube(8); }),
            "[Topology::hypercube] num_ranks (8) must be a power of two in 16..1024");
  EXPECT_EQ(invalid_argument_of([] { Topology::hypercube(2048); }),
            "[Topology::hypercube] num_ranks (2048) must be a power of two in 16..1024");
  EXPECT_EQ(invalid_argument_of([] { Topology::torus(1, 8); }),
            "[Topology::torus] m x n (1 x 8) must be at least 2 x 2 and at most 1024 ranks");
  EXPECT_EQ(invalid_argument_of([] { Topology::torus(64, 32); }),
            "[Topology::torus] m x n (64 x 32) must be at least 2 x 2 and at most 1024 ranks");
  EXPECT_EQ(invalid_argument_of([] { Topology::torus(2000000000, 2000000000); }),
            "[Topology::torus] m x n (2000000000 x 2000000000) must be at least 2 x 2 and at most 1024 ranks");
  EXPECT_EQ(invalid_argument_of([] { Topology::ring(1); }), "[Topology::ring] n (1) must be in 2..1024");
  EXPECT_EQ(invalid_argument_of([] { Topology::ring(1025); }), "[Topology::ring] n (1025) must be in 2..1024");
}

TEST(Topology, MatricesThatAreRefused) {
  const auto message = [](std::vector<std::int32_t> r2o, int group_size, int num_redundants) {
    return invalid_argument_of([&] { Topology::from_r2o(std::move(r2o), group_size, num_redundants); });
  };
  EXPECT_EQ(message({0}, 1, 1), "[Topology::from_r2o] group_size (1) must be in 2..1024");
  EXPECT_EQ(message({}, 2000, 1), "[Topology::from_r2o] group_size (2000) must be in 2..1024");
  EXPECT_EQ(message({}, 2, 0), "[Topology::from_r2o] num_redundants (0) must be in 1..65535");
  EXPECT_EQ(message({1, 0, 1}, 2, 1), "[Topology::from_r2o] r2o has 3 entries; it must be [2, 1]");
  EXPECT_EQ(message({1, 2}, 2, 1), "[Topology::from_r2o] r2o[1][0] is 2; it must be in 0..1");
  EXPECT_EQ(message({-1, 0}, 2, 1), "[Topology::from_r2o] r2o[0][0] is -1; it must be in 0..1");
  EXPECT_EQ(message({1, 1, 2, 1, 0, 0}, 3, 2),
            "[Topology::from_r2o] r2o[1][1] is the rank itself; a rank cannot copy from itself");
  EXPECT_EQ(message({1, 1, 2, 2, 0, 1}, 3, 2),
            "[Topology::from_r2o] column 1 of r2o names rank 1 twice (for ranks 0 and 2); each column must be a "
            "permutation");
}

TEST(Topology, QuestionsWithBadArguments) {
  EXPECT_EQ(invalid_argument_of([] { Topology::cube().neighbours(8); }),
            "[Topology::neighbours] rank (8) must be in 0..7");
  EXPECT_EQ(invalid_argument_of([] { Topology::cube().num_cross_node_edges(0); }),
            "[Topology::num_cross_node_edges] ranks_per_node (0) must be at least 1");
}

}  // namespace
}  // namespace lplb
