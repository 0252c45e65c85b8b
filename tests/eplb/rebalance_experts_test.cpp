// EPLB by hand-computed numbers, its edges, and every message that a caller can cause.

#include "lplb/eplb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "base/rng.h"
#include "support/expect_throw.h"

namespace lplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::invalid_argument_of;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_weight(std::uint64_t seed, std::size_t size) {
  Rng rng(seed);
  std::vector<float> weight(size);
  for (float& w : weight) {
    w = static_cast<float>(std::exp(rng.normal()));
  }
  return weight;
}

TEST(RebalanceExperts, ExampleOfTheReferencesReadme) {
  const std::vector<float> weight{90, 132, 40,  61, 104, 165, 39,  4,   73,  56, 183, 86,
                                  20, 107, 104, 64, 19,  197, 187, 157, 172, 86, 16,  27};
  const EplbResult result = rebalance_experts(
      weight, {.num_layers = 2, .num_logical = 12, .num_replicas = 16, .num_groups = 4, .num_nodes = 2, .num_gpus = 8});
  EXPECT_THAT(result.phy2log, ElementsAre(5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1,  //
                                          7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1));
  EXPECT_THAT(result.logcnt, ElementsAre(1, 2, 1, 1, 2, 2, 1, 1, 1, 1, 2, 1,  //
                                         1, 2, 1, 1, 1, 2, 2, 1, 2, 1, 1, 1));
  EXPECT_EQ(result.max_replicas, 2);
}

// Nodes take experts {0, 3} and {1, 2}. Node 0 copies expert 0 twice (200 / 3 > 50), node 1 both of its experts once.
TEST(RebalanceExperts, FourExpertsByHand) {
  const std::vector<float> weight{200, 150, 100, 50};
  const EplbResult result =
      rebalance_experts(weight, {.num_logical = 4, .num_replicas = 8, .num_groups = 4, .num_nodes = 2, .num_gpus = 4});
  EXPECT_THAT(result.phy2log, ElementsAre(0, 0, 0, 3, 1, 2, 1, 2));
  EXPECT_THAT(result.logcnt, ElementsAre(3, 2, 2, 1));
  EXPECT_EQ(result.max_replicas, 3);
  EXPECT_THAT(result.log2phy, ElementsAre(0, 2, 1, 4, 6, -1, 5, 7, -1, 3, -1, -1));
}

TEST(RebalanceExperts, FourExpertsDistinctByHand) {
  const std::vector<float> weight{200, 150, 100, 50};
  const EplbResult result = rebalance_experts(
      weight, {.num_logical = 4, .num_replicas = 8, .num_groups = 4, .num_nodes = 2, .num_gpus = 4, .distinct = true});
  EXPECT_THAT(result.phy2log, ElementsAre(0, 3, 0, 3, 1, 2, 1, 2));
  EXPECT_THAT(result.logcnt, ElementsAre(2, 2, 2, 2));
}

TEST(RebalanceExperts, GlobalWhenGroupsDoNotDivideOverNodes) {
  const std::vector<float> weight = random_weight(1, 12);
  EplbArgs args{.num_logical = 12, .num_replicas = 15, .num_groups = 5, .num_nodes = 2, .num_gpus = 3};
  const EplbResult fallback = rebalance_experts(weight, args);
  args.num_groups = 1;
  args.num_nodes = 1;
  const EplbResult global = rebalance_experts(weight, args);
  EXPECT_EQ(fallback.phy2log, global.phy2log);
  EXPECT_EQ(fallback.log2phy, global.log2phy);
}

TEST(RebalanceExperts, WithoutCopiesEveryExpertOnce) {
  const std::vector<float> weight = random_weight(2, 16);
  const EplbResult result = rebalance_experts(
      weight, {.num_logical = 16, .num_replicas = 16, .num_groups = 4, .num_nodes = 2, .num_gpus = 8});
  EXPECT_EQ(result.max_replicas, 1);
  EXPECT_THAT(result.logcnt, Each(1));
  for (int expert = 0; expert < 16; ++expert) {
    EXPECT_EQ(result.phy2log[result.log2phy[expert]], expert);
  }
}

TEST(RebalanceExperts, OneExpertPerSlotKeepsTheOrder) {
  const std::vector<float> weight{1, 4, 2, 3};
  const EplbResult result = rebalance_experts(weight, {.num_logical = 4, .num_replicas = 4, .num_gpus = 4});
  EXPECT_THAT(result.phy2log, ElementsAre(0, 1, 2, 3));
}

// All ties go to the lowest index: expert 0 gets every copy, as in the reference.
TEST(RebalanceExperts, AllZeroLoads) {
  const std::vector<float> weight(8, 0.0F);
  const EplbResult result = rebalance_experts(weight, {.num_logical = 8, .num_replicas = 12, .num_gpus = 4});
  EXPECT_THAT(result.logcnt, ElementsAre(5, 1, 1, 1, 1, 1, 1, 1));
  const EplbResult distinct =
      rebalance_experts(weight, {.num_logical = 8, .num_replicas = 12, .num_gpus = 4, .distinct = true});
  EXPECT_THAT(distinct.logcnt, ElementsAre(4, 2, 1, 1, 1, 1, 1, 1));
}

TEST(RebalanceExperts, NegativeZeroIsZero) {
  const std::vector<float> plus{0.0F, 0.0F, 3.0F, 0.0F};
  const std::vector<float> minus{-0.0F, 0.0F, 3.0F, -0.0F};
  const EplbArgs args{.num_logical = 4, .num_replicas = 6, .num_gpus = 2};
  EXPECT_EQ(rebalance_experts(plus, args).log2phy, rebalance_experts(minus, args).log2phy);
}

TEST(RebalanceExperts, SumsBeyondFloatStillGiveAPlacement) {
  const std::vector<float> weight(8, std::numeric_limits<float>::max());
  for (const bool distinct : {false, true}) {
    const EplbArgs args{.num_logical = 8, .num_replicas = 12, .num_gpus = 2, .distinct = distinct};
    const EplbResult result = rebalance_experts(weight, args);
    EXPECT_EQ(layer_placement(result, 0, args).num_physical(), 12);
  }
}

TEST(RebalanceExperts, ThreadsDoNotChangeTheResult) {
  const std::vector<float> weight = random_weight(3, 40 * 64);
  for (const bool distinct : {false, true}) {
    EplbArgs args{.num_layers = 40,
                  .num_logical = 64,
                  .num_replicas = 96,
                  .num_groups = 8,
                  .num_nodes = 4,
                  .num_gpus = 16,
                  .distinct = distinct};
    const EplbResult one = rebalance_experts(weight, args);
    for (const int num_threads : {0, 2, 7, 100}) {
      args.num_threads = num_threads;
      const EplbResult many = rebalance_experts(weight, args);
      EXPECT_EQ(many.phy2log, one.phy2log);
      EXPECT_EQ(many.log2phy, one.log2phy);
      EXPECT_EQ(many.logcnt, one.logcnt);
    }
  }
}

TEST(RebalanceExperts, LayersDoNotInfluenceOneAnother) {
  const std::vector<float> weight = random_weight(4, 3 * 24);
  EplbArgs args{.num_layers = 3, .num_logical = 24, .num_replicas = 32, .num_gpus = 8};
  const EplbResult all = rebalance_experts(weight, args);
  args.num_layers = 1;
  for (int layer = 0; layer < 3; ++layer) {
    const EplbResult single = rebalance_experts(std::span(weight).subspan(layer * 24, 24), args);
    EXPECT_TRUE(std::ranges::equal(single.phy2log, std::span(all.phy2log).subspan(layer * 32, 32)));
  }
}

TEST(RebalanceExperts, Messages) {
  const std::vector<float> weight(256, 1.0F);
  const EplbArgs good{.num_logical = 256, .num_replicas = 288, .num_groups = 8, .num_nodes = 4, .num_gpus = 32};
  const auto message = [&](auto change) {
    EplbArgs args = good;
    change(args);
    return invalid_argument_of([&] { rebalance_experts(weight, args); });
  };
  EXPECT_EQ(message([](EplbArgs& a) { a.num_replicas = 290; }),
            "[rebalance_experts] num_replicas (290) must be a multiple of num_gpus (32)");
  EXPECT_EQ(message([](EplbArgs& a) { a.num_replicas = 224; }),
            "[rebalance_experts] num_replicas (224) must be in num_logical (256)..65536");
  EXPECT_EQ(message([](EplbArgs& a) { a.num_replicas = 65568; }),
            "[rebalance_experts] num_replicas (65568) must be in num_logical (256)..65536");
  EXPECT_EQ(message([](EplbArgs& a) { a.num_logical = 0; }), "[rebalance_experts] num_logical (0) must be in 1..4096");
  EXPECT_EQ(message([](EplbArgs& a) { a.num_logical = 5000; }),
            "[rebalance_experts] num_logical (5000) must be in 1..4096");
  EXPECT_EQ(message([](EplbArgs& a) { a.num_layers = 0; }), "[rebalance_experts] num_layers (0) must be at least 1");
  EXPECT_EQ(message([](EplbArgs& a) { a.num_layers = 2; }),
            "[rebalance_experts] weight has 256 entries; it must be [2 layers, 256]");
  EXPECT_EQ(message([](EplbArgs& a) { a.num_gpus = 0; }), "[rebalance_experts] num_gpus (0) must be in 1..1024");
  EXPECT_EQ(message([](EplbArgs& a) { a.num_gpus = 2048; }), "[rebalance_experts] num_gpus (2048) must be in 1..1024");
  EXPECT_EQ(message([](EplbArgs& a) { a.num_nodes = 0; }), "[rebalance_experts] num_nodes (0) must be at least 1");
  EXPECT_EQ(message([](EplbArgs& a) { a.num_groups = -1; }), "[rebalance_experts] num_groups (-1) must be at least 1");
  EXPECT_EQ(message([](EplbArgs& a) { a.num_groups = 12; }),
            "[rebalance_experts] num_logical (256) must be a multiple of num_groups (12)");
  EXPECT_EQ(message([](EplbArgs& a) {
              a.num_groups = 64;
              a.num_nodes = 64;
            }),
            "[rebalance_experts] num_gpus (32) must be a multiple of num_nodes (64)");
}

TEST(RebalanceExperts, MessagesAboutLoads) {
  const EplbArgs args{.num_layers = 2, .num_logical = 4, .num_replicas = 4};
  const auto message = [&](float bad) {
    const std::vector<float> weight{1, 1, 1, 1, 1, 1, bad, 1};
    return invalid_argument_of([&] { rebalance_experts(weight, args); });
  };
  EXPECT_EQ(message(-1.5F), "[rebalance_experts] weight[1, 2] is -1.5; it must be finite and not negative");
  EXPECT_THAT(message(std::nanf("")), HasSubstr("weight[1, 2] is nan; it must be finite and not negative"));
  EXPECT_THAT(message(kInfinity), HasSubstr("weight[1, 2] is inf; it must be finite and not negative"));
  EXPECT_THAT(message(-kInfinity), HasSubstr("weight[1, 2] is -inf; it must be finite and not negative"));
}

TEST(RebalanceExperts, RefusesALog2phyBeyondMemory) {
  const std::vector<float> weight(2 * 4096, 0.0F);
  EXPECT_EQ(invalid_argument_of(
                [&] { rebalance_experts(weight, {.num_layers = 2, .num_logical = 4096, .num_replicas = 65536}); }),
            "[rebalance_experts] log2phy would have 2 x 4096 x 61441 entries; it must have at most 268435456");
}

TEST(BalancedPacking, ByHand) {
  const std::vector<float> weight{5, 4, 3, 3, 2, 1};
  const PackingResult result = balanced_packing(weight, 1, 6, 2);
  EXPECT_THAT(result.pack_index, ElementsAre(0, 1, 1, 0, 1, 0));
  EXPECT_THAT(result.rank_in_pack, ElementsAre(0, 0, 1, 1, 2, 2));
}

TEST(BalancedPacking, FullPacksTakeNoMore) {
  const std::vector<float> weight{9, 1, 1, 1, 0, 8, 0, 0};
  const PackingResult result = balanced_packing(weight, 2, 4, 2);
  EXPECT_THAT(result.pack_index, ElementsAre(0, 1, 1, 0, 1, 0, 1, 0));
  EXPECT_THAT(result.rank_in_pack, ElementsAre(0, 0, 1, 1, 0, 0, 1, 1));
}

TEST(BalancedPacking, Messages) {
  const std::vector<float> weight(6, 1.0F);
  EXPECT_EQ(invalid_argument_of([&] { balanced_packing(weight, 1, 6, 4); }),
            "[balanced_packing] num_packs (4) must divide the number of items (6)");
  EXPECT_EQ(invalid_argument_of([&] { balanced_packing(weight, 1, 6, 0); }),
            "[balanced_packing] num_packs (0) must divide the number of items (6)");
  EXPECT_EQ(invalid_argument_of([&] { balanced_packing(weight, 1, 0, 1); }),
            "[balanced_packing] weight has 0 columns; it must have 1..65536");
}

TEST(ReplicateExperts, ByHand) {
  const std::vector<float> weight{10, 4, 6};
  const ReplicationResult result = replicate_experts(weight, 1, 3, 7);
  EXPECT_THAT(result.phy2log, ElementsAre(0, 1, 2, 0, 2, 0, 1));  // 10; 6; 5; then 4 before 10 / 3
  EXPECT_THAT(result.rank, ElementsAre(0, 0, 0, 1, 1, 2, 1));
  EXPECT_THAT(result.logcnt, ElementsAre(3, 2, 2));
}

TEST(ReplicateExperts, Messages) {
  const std::vector<float> weight(6, 1.0F);
  EXPECT_EQ(invalid_argument_of([&] { replicate_experts(weight, 1, 6, 5); }),
            "[replicate_experts] num_physical (5) must be in num_logical (6)..65536");
}

TEST(LayerPlacement, TakesTheLayerAndItsNodes) {
  const std::vector<float> weight = random_weight(5, 2 * 8);
  const EplbArgs args{
      .num_layers = 2, .num_logical = 8, .num_replicas = 12, .num_groups = 2, .num_nodes = 2, .num_gpus = 4};
  const EplbResult result = rebalance_experts(weight, args);
  const Placement placement = layer_placement(result, 1, args);
  EXPECT_TRUE(std::ranges::equal(placement.phy2log(), std::span(result.phy2log).subspan(12)));
  EXPECT_EQ(placement.num_ranks(), 4);
  EXPECT_EQ(placement.num_nodes(), 2);
  EXPECT_EQ(invalid_argument_of([&] { layer_placement(result, 2, args); }),
            "[layer_placement] layer (2) must be in 0..1");
}

}  // namespace
}  // namespace lplb
