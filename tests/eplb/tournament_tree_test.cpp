// The tournament tree against a scan over all keys.

#include "eplb/tournament_tree.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/rng.h"

namespace lplb::eplb {
namespace {

TEST(TournamentTree, KeysOrderLikeWeightsThenIndices) {
  EXPECT_LT(lightest_first(1.0F, 7), lightest_first(1.5F, 0));
  EXPECT_LT(lightest_first(1.0F, 3), lightest_first(1.0F, 4));
  EXPECT_LT(heaviest_first(1.5F, 7), heaviest_first(1.0F, 0));
  EXPECT_LT(heaviest_first(1.0F, 3), heaviest_first(1.0F, 4));
  EXPECT_EQ(lightest_first(-0.0F, 2), lightest_first(0.0F, 2));
  EXPECT_EQ(heaviest_first(-0.0F, 2), heaviest_first(0.0F, 2));
  EXPECT_LT(heaviest_first(0.0F, 1 << 20), TournamentTree::kOut);
  EXPECT_EQ(index_of(heaviest_first(2.5F, 4095)), 4095);
}

RC_GTEST_PROP(TournamentTree, WinnerIsTheSmallestKey, (std::uint64_t seed)) {
  Rng rng(seed);
  std::vector<std::uint64_t> keys(rng.below(70) + 1);
  const auto random_key = [&] { return rng.below(5) == 0 ? TournamentTree::kOut : rng.below(50); };
  std::ranges::generate(keys, random_key);
  TournamentTree tree;
  const int num_leaves = static_cast<int>(keys.size());
  tree.build(num_leaves, [&](int leaf) { return keys[leaf]; });
  for (int step = 0; step < 100; ++step) {
    RC_ASSERT(tree.winner() == std::ranges::min(keys));
    const int leaf = static_cast<int>(rng.below(keys.size()));
    keys[leaf] = random_key();
    tree.update(leaf, keys[leaf]);
    RC_ASSERT(tree.key(leaf) == keys[leaf]);
  }
}

}  // namespace
}  // namespace lplb::eplb
