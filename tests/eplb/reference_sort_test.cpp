// The sort's order of equal weights: against libstdc++'s std::sort, which the reference calls, and one case by numbers.

#include "eplb/reference_sort.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"

namespace lplb::eplb {
namespace {

std::vector<WeightedItem> with_indices(const std::vector<float>& weight) {
  std::vector<WeightedItem> items;
  for (const float w : weight) {
    items.push_back({.weight = w, .index = static_cast<std::int32_t>(items.size())});
  }
  return items;
}

/// Sorted by sort_descending; checks that nothing was lost and that the order is right.
std::vector<WeightedItem> sorted(const std::vector<float>& weight) {
  std::vector<WeightedItem> items = with_indices(weight);
  sort_descending(items);
  EXPECT_TRUE(std::ranges::is_sorted(items, std::greater(), &WeightedItem::weight));
  std::vector<WeightedItem> by_index = items;
  std::ranges::sort(by_index, {}, &WeightedItem::index);
  EXPECT_TRUE(std::ranges::equal(by_index, with_indices(weight)));
  return items;
}

void expect_order_of_std_sort(const std::vector<float>& weight) {
  const std::vector<WeightedItem> items = sorted(weight);
#ifdef __GLIBCXX__
  std::vector<WeightedItem> expected = with_indices(weight);
  std::sort(expected.begin(), expected.end(),
            [](const WeightedItem& a, const WeightedItem& b) { return a.weight > b.weight; });
  EXPECT_TRUE(std::ranges::equal(items, expected)) << weight.size() << " items";
#endif
}

TEST(ReferenceSort, EmptyAndShort) {
  expect_order_of_std_sort({});
  expect_order_of_std_sort({1});
  expect_order_of_std_sort({1, 2});
}

TEST(ReferenceSort, UpToSixteenItemsItIsStable) {
  const std::vector<WeightedItem> items = sorted({1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2});
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(items[i].index, 2 * i + 1);
    EXPECT_EQ(items[8 + i].index, 2 * i);
  }
}

// Seventeen items are partitioned once: equal weights change places.
TEST(ReferenceSort, SeventeenEqualItems) {
  const std::vector<WeightedItem> items = sorted(std::vector<float>(17, 1.0F));
  std::vector<int> order;
  std::ranges::transform(items, std::back_inserter(order), &WeightedItem::index);
  EXPECT_EQ(order, (std::vector<int>{8, 16, 15, 14, 13, 12, 11, 10, 9, 0, 7, 6, 5, 4, 3, 2, 1}));
}

RC_GTEST_PROP(ReferenceSort, EqualsStdSortWithManyTies, (std::uint64_t seed)) {
  Rng rng(seed);
  std::vector<float> weight(rng.below(700));
  const std::uint64_t num_values = rng.below(100) + 1;
  for (float& w : weight) {
    w = static_cast<float>(rng.below(num_values));
  }
  expect_order_of_std_sort(weight);
}

/// Musser's sequence that makes the median of three a bad pivot again and again, so that heap sort takes over.
std::vector<float> median_of_three_killer(int half) {
  std::vector<float> weight(2 * static_cast<std::size_t>(half));
  for (int i = 1; i <= half; ++i) {
    if (i % 2 == 1) {
      weight[i - 1] = static_cast<float>(-i);
      weight[i] = static_cast<float>(-(half + i));
    }
    weight[half + i - 1] = static_cast<float>(-2 * i);
  }
  return weight;
}

TEST(ReferenceSort, EqualsStdSortWhereItTurnsToHeapSort) {
  for (const int half : {20, 100, 101, 500, 2000}) {
    std::vector<float> weight = median_of_three_killer(half);
    expect_order_of_std_sort(weight);
    for (float& w : weight) {
      w = static_cast<float>(static_cast<int>(w) / 4);  // the same shape with ties
    }
    expect_order_of_std_sort(weight);
  }
}

}  // namespace
}  // namespace lplb::eplb
