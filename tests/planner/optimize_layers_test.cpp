// Layers in parallel, and slots shared out over them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lplb/optimize.h"
#include "support/expect_throw.h"
#include "support/random_rules.h"

namespace lplb {
namespace {

using namespace lplb::testing;

using Window = std::vector<Tokens>;

constexpr PlacementRules rules_of(int slots_per_rank) {
  return {.num_logical = 8, .num_ranks = 4, .slots_per_rank = slots_per_rank};
}

/// Layer 1 is skewed, the others are even. [3, 2, 8]
Window one_skewed_layer() {
  Window window;
  for (int layer = 0; layer < 3; ++layer) {
    for (int batch = 0; batch < 2; ++batch) {
      for (int e = 0; e < 8; ++e) {
        window.push_back(layer == 1 ? static_cast<Tokens>(2000 * std::pow(0.5, e)) + batch : 300 + batch);
      }
    }
  }
  return window;
}

TEST(OptimizeLayers, EachIsPlacedAsAlone) {
  const Window windows = one_skewed_layer();
  OptimizeArgs args{.rules = rules_of(3), .num_moves = 200, .seed = 9, .num_threads = 3};
  const LayersResult result = optimize_layers(windows, 3, args);
  ASSERT_EQ(result.layers.size(), 3U);
  EXPECT_EQ(result.num_slots, (std::vector<int>{12, 12, 12}));
  for (int layer = 0; layer < 3; ++layer) {
    args.seed = 9 + layer;
    const auto window = std::span(windows).subspan(static_cast<std::size_t>(layer) * 16, 16);
    EXPECT_EQ(result.layers[layer].placement, optimize_placement(window, args).placement);
  }
}

TEST(OptimizeLayers, EachKeepsToItsCurrentPlacement) {
  const std::vector<Placement> current(3, contiguous_placement(8, 4));
  OptimizeArgs args{.rules = rules_of(2), .max_moved = 2, .num_moves = 200, .num_threads = 2};
  for (const OptimizeResult& layer : optimize_layers(one_skewed_layer(), 3, args, current).layers) {
    EXPECT_LE(layer.num_moved, 2);
  }
}

TEST(OptimizeLayers, SharesOutExactlyTheSlotsAndMostToTheSkewedLayer) {
  OptimizeArgs args{.rules = rules_of(0), .num_moves = 60, .num_threads = 2};
  for (const int total_slots : {24, 27, 28, 41}) {
    const LayersResult result = optimize_layers(one_skewed_layer(), 3, args, {}, total_slots);
    EXPECT_EQ(std::accumulate(result.num_slots.begin(), result.num_slots.end(), 0), total_slots);
    for (int layer = 0; layer < 3; ++layer) {
      EXPECT_GE(result.num_slots[layer], 8);
      const auto phy2log = result.layers[layer].placement.phy2log();
      EXPECT_LE(std::ranges::count_if(phy2log, [](int e) { return e != kNone; }), result.num_slots[layer]);
    }
    EXPECT_TRUE(total_slots == 24 || total_slots > 28 || result.num_slots[1] == total_slots - 16);
  }
}

TEST(OptimizeLayers, SharedSlotsAreOnLiveRanksAndDoNotDependOnTheThreads) {
  OptimizeArgs args{.rules = rules_of(0), .num_moves = 60, .num_threads = 1};
  args.rules.live = {1, 1, 0, 1};
  const LayersResult one = optimize_layers(one_skewed_layer(), 3, args, {}, 32);
  args.num_threads = 3;
  const LayersResult three = optimize_layers(one_skewed_layer(), 3, args, {}, 32);
  EXPECT_EQ(one.num_slots, three.num_slots);
  for (int layer = 0; layer < 3; ++layer) {
    EXPECT_EQ(one.layers[layer].placement, three.layers[layer].placement);
    PlacementRules rules = args.rules;
    rules.slots_per_rank = one.layers[layer].placement.slots_per_rank();
    EXPECT_EQ(broken_rule(rules, one.layers[layer].placement), "");
  }
}

TEST(OptimizeLayers, ProgressCountsLayers) {
  std::vector<std::int64_t> seen;
  OptimizeArgs args{.rules = rules_of(3), .num_moves = 50, .num_threads = 2};
  args.progress = [&](std::int64_t done, std::int64_t all) {
    EXPECT_EQ(all, 3);
    seen.push_back(done);
  };
  optimize_layers(one_skewed_layer(), 3, args);
  EXPECT_TRUE(std::ranges::is_sorted(seen));  // called within layers, too, so that it may end the search
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  EXPECT_EQ(seen, (std::vector<std::int64_t>{0, 1, 2, 3}));
}

TEST(OptimizeLayersErrors, NameTheArgument) {
  const OptimizeArgs args{.rules = rules_of(3), .num_moves = 0};
  const Window windows = one_skewed_layer();
  EXPECT_EQ(invalid_argument_of([&] { optimize_layers(windows, 0, args); }),
            "[optimize_layers] windows has 48 entries; it must be [L, T, E] with L = 0");
  EXPECT_EQ(invalid_argument_of([&] { optimize_layers(windows, 5, args); }),
            "[optimize_layers] windows has 48 entries; it must be [L, T, E] with L = 5");
  EXPECT_EQ(invalid_argument_of([&] { optimize_layers({}, 1, args); }),
            "[optimize_layers] windows has 0 entries; it must be [L, T, E] with L = 1");
  EXPECT_EQ(invalid_argument_of([&] { optimize_layers(windows, 4, args); }),
            "[optimize_layers] window has 12 entries; it must be [T, E] with E = 8 and at least one batch");
  const std::vector<Placement> current(2, contiguous_placement(8, 4));
  EXPECT_EQ(invalid_argument_of([&] { optimize_layers(windows, 3, args, current); }),
            "[optimize_layers] current has 2 placements for 3 layers");
  EXPECT_EQ(invalid_argument_of([&] { optimize_layers(windows, 3, args, {}, 23); }),
            "[optimize_layers] total_slots (23) must be at least 3 layers of 8 experts");
}

TEST(OptimizeLayersErrors, LiveRanksAreCheckedBeforeSlotsAreShared) {
  OptimizeArgs args{.rules = rules_of(0), .num_moves = 0};
  args.rules.num_ranks = 0;
  EXPECT_EQ(invalid_argument_of([&] { optimize_layers(one_skewed_layer(), 3, args, {}, 30); }),
            "[optimize_layers] num_ranks (0) must be in 1..1024");
  args.rules.num_ranks = 4;
  args.rules.live = {1, 1, 1, 1, 1};
  EXPECT_EQ(invalid_argument_of([&] { optimize_layers(one_skewed_layer(), 3, args, {}, 30); }),
            "[optimize_layers] live has 5 entries; it must have one for each of the 4 ranks");
  args.rules.live = {0, 0, 0, 0};
  EXPECT_EQ(invalid_argument_of([&] { optimize_layers(one_skewed_layer(), 3, args, {}, 30); }),
            "[optimize_layers] no rank is alive");
}

}  // namespace
}  // namespace lplb
