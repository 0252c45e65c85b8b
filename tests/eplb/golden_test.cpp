// rebalance_experts against 150 recorded outputs of DeepSeek's eplb.py, all three arrays.

#include <gtest/gtest.h>

#include "lplb/eplb.h"
#include "support/golden.h"

namespace lplb {
namespace {

using testing::find_shared;
using testing::GoldenFile;

EplbArgs read_args(const GoldenFile& file, const std::string& name) {
  const std::vector<std::int32_t> args = file.ints(name + "_args");
  return {.num_layers = file.dim(name + "_weight", 0),
          .num_logical = file.dim(name + "_weight", 1),
          .num_replicas = args.at(0),
          .num_groups = args.at(1),
          .num_nodes = args.at(2),
          .num_gpus = args.at(3)};
}

TEST(EplbGolden, AllCasesEqualTheReference) {
  const auto path = find_shared("golden/eplb.npz");
  if (!path) {
    GTEST_SKIP() << "golden/eplb.npz, the reference's recorded outputs, is not on this machine";
  }
  const GoldenFile file(*path);
  const std::vector<std::string> names = file.cases("args");
  EXPECT_EQ(names.size(), 150U);
  int num_hierarchical = 0;
  for (const std::string& name : names) {
    SCOPED_TRACE("case " + name);
    const EplbArgs args = read_args(file, name);
    num_hierarchical += args.num_groups % args.num_nodes == 0 ? 1 : 0;
    const EplbResult result = rebalance_experts(file.floats(name + "_weight"), args);
    EXPECT_EQ(result.phy2log, file.ints(name + "_phy2log"));
    EXPECT_EQ(result.logcnt, file.ints(name + "_logcnt"));
    EXPECT_EQ(result.max_replicas, file.dim(name + "_log2phy", 2));
    EXPECT_EQ(result.log2phy, file.ints(name + "_log2phy"));
  }
  EXPECT_EQ(num_hierarchical, 114);
}

/// The reference puts copies of one expert on one GPU in many of these cases; the option must not, where it can.
TEST(EplbGolden, DistinctKeepsCopiesApartOnTheSameShapes) {
  const auto path = find_shared("golden/eplb.npz");
  if (!path) {
    GTEST_SKIP() << "golden/eplb.npz, the reference's recorded outputs, is not on this machine";
  }
  const GoldenFile file(*path);
  int num_avoided = 0;
  for (const std::string& name : file.cases("args")) {
    SCOPED_TRACE("case " + name);
    EplbArgs args = read_args(file, name);
    const std::vector<float> weight = file.floats(name + "_weight");
    const EplbResult plain = rebalance_experts(weight, args);
    args.distinct = true;
    const EplbResult distinct = rebalance_experts(weight, args);
    const bool is_hierarchical = args.num_groups % args.num_nodes == 0;
    const int num_nodes = is_hierarchical ? args.num_nodes : 1;
    const bool is_possible =
        args.num_gpus / num_nodes > 1 && args.num_replicas / args.num_gpus <= args.num_logical / num_nodes;
    for (int layer = 0; layer < args.num_layers; ++layer) {
      const bool shares = !layer_placement(plain, layer, args).colocations().empty();
      const bool still_shares = !layer_placement(distinct, layer, args).colocations().empty();
      num_avoided += shares && !still_shares ? 1 : 0;
      EXPECT_FALSE(is_possible && still_shares) << "layer " << layer;
    }
  }
  EXPECT_GT(num_avoided, 97);
}

}  // namespace
}  // namespace lplb
