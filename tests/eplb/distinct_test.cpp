// The option `distinct`: on random shapes and loads, copies of an expert never share a GPU where that is possible.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "eplb/pack.h"
#include "lplb/eplb.h"

namespace lplb {
namespace {

struct Case {
  EplbArgs args;
  std::vector<float> weight;
};

/// Loads of every kind that changes the packing: even, skewed, equal, zero, one expert with nearly everything.
float random_load(Rng& rng, int kind) {
  switch (kind) {
    case 0:
      return static_cast<float>(rng.uniform());
    case 1:
      return static_cast<float>(std::exp(2.0 * rng.normal()));
    case 2:
      return static_cast<float>(rng.below(3));
    case 3:
      return rng.below(10) == 0 ? 1000.0F : 0.0F;
    default:
      return 1.0F;
  }
}

Case random_case(std::uint64_t seed) {
  Rng rng(seed);
  const auto up_to = [&](std::uint64_t bound) { return static_cast<int>(rng.below(bound)) + 1; };
  Case result;
  EplbArgs& args = result.args;
  args.num_nodes = up_to(4);
  args.num_groups = rng.below(4) == 0 ? args.num_nodes + 1 : args.num_nodes * up_to(3);
  args.num_gpus = args.num_nodes * up_to(6);
  args.num_logical = args.num_groups * up_to(8);
  const int least_slots = (args.num_logical + args.num_gpus - 1) / args.num_gpus;
  args.num_replicas = args.num_gpus * (least_slots + static_cast<int>(rng.below(6)));
  args.num_layers = up_to(2);
  args.distinct = true;
  const int kind = static_cast<int>(rng.below(5));
  for (int i = 0; i < args.num_layers * args.num_logical; ++i) {
    result.weight.push_back(random_load(rng, kind));
  }
  return result;
}

int nodes_of_policy(const EplbArgs& args) { return args.num_groups % args.num_nodes == 0 ? args.num_nodes : 1; }

RC_GTEST_PROP(Distinct, CopiesKeepApartWhereverTheNodesAllow, (std::uint64_t seed)) {
  const Case c = random_case(seed);
  const EplbResult result = rebalance_experts(c.weight, c.args);
  const int num_nodes = nodes_of_policy(c.args);
  const int experts_per_node = c.args.num_logical / num_nodes;
  const bool is_possible = c.args.num_replicas / c.args.num_gpus <= experts_per_node;
  for (int layer = 0; layer < c.args.num_layers; ++layer) {
    const Placement placement = layer_placement(result, layer, c.args);  // throws on an expert without a slot
    RC_ASSERT(placement.colocations().empty() == is_possible);
  }
}

RC_GTEST_PROP(Distinct, ChangesNothingWhereThePlainResultKeepsCopiesApart, (std::uint64_t seed)) {
  Case c = random_case(seed);
  c.args.num_layers = 1;
  c.weight.resize(c.args.num_logical);
  const EplbResult distinct = rebalance_experts(c.weight, c.args);
  c.args.distinct = false;
  const EplbResult plain = rebalance_experts(c.weight, c.args);
  if (layer_placement(plain, 0, c.args).colocations().empty()) {
    RC_ASSERT(distinct.phy2log == plain.phy2log);
    RC_ASSERT(distinct.log2phy == plain.log2phy);
  }
}

RC_GTEST_PROP(Distinct, ArraysAreInverse, (std::uint64_t seed)) {
  const Case c = random_case(seed);
  const EplbResult result = rebalance_experts(c.weight, c.args);
  const std::size_t max_replicas = result.max_replicas;
  for (std::size_t expert = 0; expert < result.logcnt.size(); ++expert) {
    const std::size_t first_slot = expert / c.args.num_logical * c.args.num_replicas;
    for (std::size_t i = 0; i < max_replicas; ++i) {
      const std::int32_t slot = result.log2phy[expert * max_replicas + i];
      RC_ASSERT((slot >= 0) == (i < static_cast<std::size_t>(result.logcnt[expert])));
      if (slot >= 0) {
        RC_ASSERT(result.phy2log[first_slot + slot] == static_cast<int>(expert % c.args.num_logical));
      }
    }
  }
}

// Without loads every item goes to the first open GPU: {0, 1}, {2, 3}, {0}, and the last copy of expert 0 finds only
// the third one open. Expert 2 moves there and leaves its place.
TEST(Distinct, AnItemMakesRoom) {
  const std::vector<float> weight(4, 0.0F);
  const EplbArgs args{.num_logical = 4, .num_replicas = 6, .num_gpus = 3, .distinct = true};
  const EplbResult result = rebalance_experts(weight, args);
  EXPECT_EQ(result.phy2log, (std::vector<std::int32_t>{0, 1, 3, 0, 0, 2}));
  EXPECT_EQ(result.logcnt, (std::vector<std::int32_t>{3, 1, 1, 1}));
}

// Packs {10}, {9, 0.5}, {8, 1}: the last item of owner 0 is closest in weight to the 1, which moves to the first pack.
TEST(Distinct, TheItemClosestInWeightMakesRoom) {
  const std::vector<float> weight{10, 9, 8, 1, 0.5F, 0.2F};
  const std::vector<std::int32_t> owner{0, 1, 2, 3, 0, 0};
  std::vector<std::int32_t> pack_index(6);
  std::vector<std::int32_t> rank_in_pack(6);
  eplb::DistinctPacker().pack(weight, owner, 4, 3, pack_index, rank_in_pack);
  EXPECT_EQ(pack_index, (std::vector<std::int32_t>{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(rank_in_pack, (std::vector<std::int32_t>{0, 0, 0, 1, 1, 1}));
}

TEST(Distinct, MoreSlotsThanExpertsShareAsMuchAsTheyMust) {
  const std::vector<float> weight{3, 2};
  const EplbArgs args{.num_logical = 2, .num_replicas = 6, .num_gpus = 2, .distinct = true};
  const Placement placement = layer_placement(rebalance_experts(weight, args), 0, args);
  EXPECT_EQ(placement.logcnt()[0], 4);  // two copies each, then what the loads ask for
  EXPECT_EQ(placement.logcnt()[1], 2);
  EXPECT_FALSE(placement.colocations().empty());
}

}  // namespace
}  // namespace lplb
