#include "lplb/policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "lplb/eplb.h"
#include "lplb/error.h"
#include "lplb/topology.h"

namespace lplb {
namespace {

std::vector<double> ramp(int num_logical) {
  std::vector<double> load(num_logical);
  for (int e = 0; e < num_logical; ++e) {
    load[e] = (e * 37) % 101 + 1;
  }
  return load;
}

std::string refusal(const std::string& policy, const PolicyArgs& args) {
  try {
    place_layer(policy, args, ramp(args.num_logical));
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "no error";
}

constexpr PolicyArgs k32{.num_logical = 64, .num_physical = 128, .num_ranks = 32, .num_nodes = 4};

TEST(PlaceLayer, EveryPolicyPlacesEveryExpert) {
  for (const std::string& policy : policy_names()) {
    SCOPED_TRACE(policy);
    const Placement placement = place_layer(policy, k32, ramp(64));
    EXPECT_EQ(placement.num_ranks(), 32);
    EXPECT_EQ(placement.num_nodes(), 4);
    EXPECT_EQ(placement.num_physical(), policy == "none" ? 64 : 128);
    EXPECT_FALSE(describe_policy(policy, k32).empty());
  }
}

TEST(PlaceLayer, EplbIsRebalanceExperts) {
  const auto load = ramp(64);
  const std::vector<float> weight(load.begin(), load.end());
  for (const bool distinct : {false, true}) {
    const EplbArgs args{
        .num_logical = 64, .num_replicas = 96, .num_groups = 8, .num_nodes = 4, .num_gpus = 16, .distinct = distinct};
    const PolicyArgs policy{.num_logical = 64, .num_physical = 96, .num_ranks = 16, .num_nodes = 4, .num_groups = 8};
    EXPECT_EQ(place_layer(distinct ? "eplb-distinct" : "eplb", policy, load),
              layer_placement(rebalance_experts(weight, args), 0, args));
  }
}

TEST(PlaceLayer, TopologiesAreLplbsPlacement) {
  const auto load = ramp(64);
  const std::vector<std::int64_t> workload(load.begin(), load.end());
  const TopologyPlacementArgs along{.num_logical = 64, .num_physical = 128, .num_ranks = 32, .ranks_per_node = 8};
  EXPECT_EQ(place_layer("cube", k32, load), place_along_topology(Topology::cube(), along, workload));
  EXPECT_EQ(place_layer("hypercube", k32, load), place_along_topology(Topology::hypercube(32), along, workload));
  EXPECT_EQ(place_layer("torus", k32, load), place_along_topology(Topology::torus(4, 8), along, workload));
  EXPECT_EQ(place_layer("ring", k32, load), place_along_topology(Topology::ring(32), along, workload));
  EXPECT_EQ(place_layer("ring:16", k32, load), place_along_topology(Topology::ring(16), along, workload));
}

TEST(PlaceLayer, TorusIsSquareWhereNodesGiveNoRectangle) {
  EXPECT_NE(describe_policy("torus", {.num_ranks = 32}).find("torus:8x4"), std::string::npos);
  EXPECT_NE(describe_policy("torus", {.num_ranks = 12, .num_nodes = 12}).find("torus:4x3"), std::string::npos);
  EXPECT_NE(describe_policy("torus", {.num_ranks = 12, .num_nodes = 6}).find("torus:6x2"), std::string::npos);
}

TEST(PlaceLayer, HypercubeTakesTheLargestPowerOfTwoThatDivides) {
  EXPECT_NE(describe_policy("hypercube", {.num_ranks = 48}).find("hypercube:16, in 3 groups"), std::string::npos);
  EXPECT_NE(describe_policy("hypercube", {.num_ranks = 64}).find("hypercube:64"), std::string::npos);
}

TEST(DescribePolicy, SaysWhenATopologyIsCut) {
  const PolicyArgs args{.num_logical = 64, .num_physical = 128, .num_ranks = 32};
  EXPECT_EQ(describe_policy("hypercube", args), "LPLB's placement, copies along hypercube:32 (2 of its 3 columns)");
  EXPECT_EQ(describe_policy("cube", args), "LPLB's placement, copies along cube, in 4 groups");
}

TEST(PlaceLayer, FractionalLoadsKeepTheirOrderAlongATopology) {
  auto load = ramp(64);
  const Placement whole = place_layer("cube", k32, load);
  for (double& w : load) {
    w /= 128 * 1024;  // all far below one token
  }
  EXPECT_EQ(place_layer("cube", k32, load), whole);
}

TEST(PlaceLayer, UniformIsSeededAndNeverColocates) {
  PolicyArgs args = k32;
  const Placement a = place_layer("uniform", args, ramp(64));
  EXPECT_EQ(a, place_layer("uniform", args, std::vector<double>(64, 1.0)));  // the load does not matter
  EXPECT_TRUE(a.colocations().empty());
  args.seed = 1;
  EXPECT_FALSE(a == place_layer("uniform", args, ramp(64)));
  const Placement full = place_layer("uniform", {.num_logical = 8, .num_physical = 32, .num_ranks = 4}, ramp(8));
  EXPECT_TRUE(full.colocations().empty());
  EXPECT_EQ(std::ranges::min(full.logcnt()), 4);
}

TEST(PlaceLayer, RefusalsSayWhy) {
  EXPECT_EQ(refusal("cube", {.num_logical = 24, .num_physical = 48, .num_ranks = 12}),
            "[place_layer] 12 ranks cannot be divided into cubes of 8");
  EXPECT_EQ(refusal("hypercube", {.num_logical = 24, .num_physical = 48, .num_ranks = 24}),
            "[place_layer] 24 ranks cannot be divided into hypercubes of 16 or a larger power of two");
  EXPECT_EQ(refusal("torus", {.num_logical = 14, .num_physical = 28, .num_ranks = 7}),
            "[place_layer] 7 ranks cannot form a torus; it needs two sides of 2 or more");
  EXPECT_EQ(refusal("ring", {.num_logical = 14, .num_physical = 28}), "[place_layer] a ring needs 2 ranks or more");
  EXPECT_EQ(refusal("torus:4x4", {.num_logical = 24, .num_physical = 48, .num_ranks = 24}),
            "[place_layer] 24 ranks cannot be divided into groups of 16 for torus:4x4");
  EXPECT_EQ(refusal("cube", {.num_logical = 16, .num_physical = 16, .num_ranks = 8}),
            "[place_layer] cube needs a redundant slot on every rank");
  EXPECT_EQ(refusal("eplb", {.num_logical = 10, .num_physical = 18, .num_ranks = 4}),
            "[place_layer] num_physical (18) must be a multiple of num_ranks (4)");
  EXPECT_EQ(refusal("eplb", {.num_logical = 10, .num_physical = 8, .num_ranks = 4}),
            "[place_layer] num_physical (8) must be in num_logical (10)..65536");
  EXPECT_EQ(refusal("uniform", {.num_logical = 10, .num_physical = 16, .num_ranks = 4}),
            "[place_layer] num_logical (10) must be a multiple of num_ranks (4)");
  EXPECT_EQ(refusal("uniform", {.num_logical = 4, .num_physical = 20, .num_ranks = 4}),
            "[place_layer] a rank has 5 slots for 4 different experts");
}

TEST(PlaceLayer, RefusesBadArguments) {
  EXPECT_EQ(refusal("best", k32),
            "[place_layer] policy (\"best\") must be none, eplb, eplb-distinct, cube, hypercube, torus, ring, uniform, "
            "or a topology like torus:8x4");
  EXPECT_EQ(refusal("none", {.num_logical = 4, .num_ranks = 0}), "[place_layer] num_ranks (0) must be in 1..1024");
  EXPECT_EQ(refusal("none", {.num_logical = 4, .num_ranks = 4, .num_nodes = 3}),
            "[place_layer] num_nodes (3) must divide num_ranks (4)");
  EXPECT_EQ(refusal("none", {.num_logical = 5000, .num_ranks = 4}),
            "[place_layer] num_logical (5000) must be in 1..4096");
  EXPECT_THROW(describe_policy("torus", {.num_ranks = 4, .num_nodes = 0}), InvalidArgument);
  EXPECT_THROW(place_layer("none", {.num_logical = 2}, std::vector<double>{1, -1}), InvalidArgument);
  EXPECT_THROW(place_layer("none", {.num_logical = 2}, std::vector<double>{1, 1, 1}), InvalidArgument);
}

}  // namespace
}  // namespace lplb
