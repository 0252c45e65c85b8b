// The search with its chains on the device against the CPU's: the same placements, scores and counts of moves.

#include "lplb/cuda_optimize.h"

#include <algorithm>

#include "base/check.h"
#include "optimize/cuda_anneal.h"
#include "support/cuda_test.h"
#include "support/expect_throw.h"
#include "support/plans.h"
#include "support/random_rules.h"
#include "support/repetitions.h"

namespace lplb {
namespace {

using namespace lplb::testing;

class OptimizeCuda : public CudaTest {};

/// [L, T, E]
std::vector<Tokens> random_windows(Rng& rng, int num_layers, int num_logical, int num_batches) {
  std::vector<Tokens> windows;
  for (int layer = 0; layer < num_layers; ++layer) {
    const std::vector<Tokens> window = random_window(rng, num_logical, num_batches);
    windows.insert(windows.end(), window.begin(), window.end());
  }
  return windows;
}

/// First difference, in words.
std::string compare(const LayersResult& expected, const LayersResult& found) {
  if (expected.num_slots != found.num_slots) {
    return "slots of the layers";
  }
  for (std::size_t layer = 0; layer < expected.layers.size(); ++layer) {
    const OptimizeResult& a = expected.layers[layer];
    const OptimizeResult& b = found.layers[layer];
    if (a.num_accepted != b.num_accepted || a.num_moves != b.num_moves) {
      return concat("layer ", layer, ": accepted ", b.num_accepted, " of ", b.num_moves, " moves, not ", a.num_accepted,
                    " of ", a.num_moves);
    }
    if (!std::ranges::equal(a.placement.phy2log(), b.placement.phy2log()) || a.score.objective != b.score.objective ||
        a.start != b.start || a.num_moved != b.num_moved) {
      return concat("layer ", layer, ": another placement");
    }
  }
  return "";
}

TEST_F(OptimizeCuda, EqualsTheCpuForAWholeModel) {
  Rng rng = seeded(601, 0);
  const int num_logical = how_many({.of = "experts", .full = 256, .few = 32});
  const auto windows = random_windows(rng, 6, num_logical, 16);
  const OptimizeArgs args{.rules = {.num_logical = num_logical, .num_ranks = num_logical / 4, .slots_per_rank = 6},
                          .num_moves = how_many({.of = "moves", .full = 2500, .few = 5})};
  EXPECT_EQ(compare(optimize_layers(windows, 6, args), cuda::optimize_layers(windows, 6, args, {}, 0, 0)), "");
}

TEST_F(OptimizeCuda, EqualsTheCpuUnderRandomRules) {
  const int num_rules = how_many({.of = "rules", .full = 60, .few = 2});
  const int most_moves = how_many({.of = "moves at most", .full = 1500, .few = 12});
  for (int index = 0; index < num_rules; ++index) {
    Rng rng = seeded(602, index);
    const int num_batches = 1 + static_cast<int>(rng.below(20));
    OptimizeArgs args{.rules = random_rules(rng),
                      .num_moves = 1 + static_cast<std::int64_t>(rng.below(most_moves)),
                      .num_chains = 1 + static_cast<int>(rng.below(3)),
                      .seed = rng.next()};
    const auto windows = random_windows(rng, 2, args.rules.num_logical, num_batches);
    const LayersResult expected = optimize_layers(windows, 2, args);
    ASSERT_EQ(compare(expected, cuda::optimize_layers(windows, 2, args)), "") << "seed 602, index " << index;
    // And from there on, with few moves or a price on them.
    std::vector<Placement> current;
    for (const OptimizeResult& layer : expected.layers) {
      current.push_back(layer.placement);
    }
    const auto next = random_windows(rng, 2, args.rules.num_logical, num_batches);
    args.max_moved = index % 2 == 0 ? 4 : -1;
    args.objective.move_price = index % 3 == 0 ? 0.001 : 0;
    ASSERT_EQ(compare(optimize_layers(next, 2, args, current), cuda::optimize_layers(next, 2, args, current)), "")
        << "seed 602, index " << index << ", from a current placement";
  }
}

// Seventeen blocks of lanes; and flows that shared memory does not hold.
TEST_F(OptimizeCuda, EqualsTheCpuWithLongWindowsAndForLargeShapes) {
  Rng rng = seeded(606, 0);
  const auto windows = random_windows(rng, 2, 48, 30);
  const OptimizeArgs args{.rules = {.num_logical = 48, .num_ranks = 16, .slots_per_rank = 4},
                          .num_moves = how_many({.of = "moves", .full = 1500, .few = 5})};
  EXPECT_EQ(compare(optimize_layers(windows, 2, args), cuda::optimize_layers(windows, 2, args)), "");
  const auto large = random_windows(rng, 2, 512, 8);
  const int num_ranks = how_many({.of = "ranks", .full = 128, .few = 32});
  const int num_spare = how_many({.of = "spare slots a rank", .full = 2, .few = 1});
  const OptimizeArgs many{
      .rules = {.num_logical = 512, .num_ranks = num_ranks, .slots_per_rank = 512 / num_ranks + num_spare},
      .num_moves = how_many({.of = "moves", .full = 300, .few = 2})};
  EXPECT_EQ(compare(optimize_layers(large, 2, many), cuda::optimize_layers(large, 2, many)), "");
}

TEST_F(OptimizeCuda, SharesSlotsOutAsTheCpu) {
  Rng rng = seeded(603, 0);
  const auto windows = random_windows(rng, 3, 16, 4);
  const OptimizeArgs args{.rules = {.num_logical = 16, .num_ranks = 8},
                          .num_moves = how_many({.of = "moves", .full = 300, .few = 10})};
  EXPECT_EQ(compare(optimize_layers(windows, 3, args, {}, 70), cuda::optimize_layers(windows, 3, args, {}, 70)), "");
}

TEST_F(OptimizeCuda, TenRunsAreIdentical) {
  Rng rng = seeded(604, 0);
  const auto windows = random_windows(rng, 2, 64, 8);
  const OptimizeArgs args{.rules = {.num_logical = 64, .num_ranks = 16, .slots_per_rank = 5},
                          .num_moves = how_many({.of = "moves", .full = 1200, .few = 10})};
  const LayersResult first = cuda::optimize_layers(windows, 2, args);
  const int num_runs = how_many({.of = "runs", .full = 10, .few = 2});
  for (int i = 1; i < num_runs; ++i) {
    ASSERT_EQ(compare(first, cuda::optimize_layers(windows, 2, args)), "");
  }
}

TEST_F(OptimizeCuda, StopsWhereTheTimeIsUpAndWhereACallbackThrows) {
  Rng rng = seeded(605, 0);
  const int num_ranks = how_many({.of = "ranks", .full = 16, .few = 1});  // one: every launch has moves, none is made
  const auto windows = random_windows(rng, 2, 4 * num_ranks, 8);
  OptimizeArgs args{.rules = {.num_logical = 4 * num_ranks, .num_ranks = num_ranks, .slots_per_rank = 5},
                    .num_moves = 10'000'000,
                    .time_limit_s = 0.05};
  const LayersResult stopped = cuda::optimize_layers(windows, 2, args);
  for (const OptimizeResult& layer : stopped.layers) {
    EXPECT_LT(layer.num_moves, args.num_moves);
    EXPECT_LE(layer.score.objective, layer.best_start_objective);
  }
  args.progress = [](std::int64_t, std::int64_t) { throw InvalidArgument("enough"); };
  EXPECT_EQ(invalid_argument_of([&] { cuda::optimize_layers(windows, 2, args); }), "enough");
}

TEST_F(OptimizeCuda, RefusesWhatTheCpuRefuses) {
  const std::vector<Tokens> window(8, 1);
  EXPECT_EQ(invalid_argument_of([&] { cuda::optimize_layers(window, 1, {.rules = {.num_logical = 8}}); }),
            invalid_argument_of([&] { optimize_layers(window, 1, {.rules = {.num_logical = 8}}); }));
  EXPECT_TRUE(cuda::anneal({}).empty());
  const OptimizeArgs args{.rules = {.num_logical = 8, .slots_per_rank = 8}};
  const int num_devices = cuda::device_count();
  const auto on_no_device = [&] { cuda::optimize_layers(window, 1, args, {}, 0, num_devices); };
  EXPECT_THROW(on_no_device(), CudaError);
  EXPECT_EQ(message_of(on_no_device), concat("[cuda::optimize_layers] device (", num_devices, ") must be one of the ",
                                             num_devices, " devices from 0 on"));
}

}  // namespace
}  // namespace lplb
