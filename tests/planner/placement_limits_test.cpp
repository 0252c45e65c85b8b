// What limits a placement: certificates gathered by hand, and gains checked by adding the copy.

#include <gtest/gtest.h>

#include <numeric>

#include "lplb/optimize.h"
#include "lplb/solve.h"
#include "support/expect_throw.h"
#include "support/random_rules.h"

namespace lplb {
namespace {

using namespace lplb::testing;

using Window = std::vector<Tokens>;

/// Mean of largest load / mean load of the ranks that hold an expert.
double mean_imbalance(const Window& window, const Placement& placement, int num_holders) {
  double sum = 0;
  int num_batches = 0;
  for (std::size_t begin = 0; begin < window.size(); begin += placement.num_logical(), ++num_batches) {
    const auto counts = std::span(window).subspan(begin, placement.num_logical());
    sum += split(placement, counts).max_load * num_holders / std::accumulate(counts.begin(), counts.end(), 0.0);
  }
  return sum / num_batches;
}

Placement with_copy(const Placement& placement, int e, int rank) {
  std::vector<std::int32_t> phy2log;
  for (int g = 0; g < placement.num_ranks(); ++g) {
    for (int i = 0; i < placement.slots_per_rank(); ++i) {
      phy2log.push_back(placement.phy2log()[g * placement.slots_per_rank() + i]);
    }
    phy2log.push_back(g == rank ? e : kNone);
  }
  return Placement(std::move(phy2log), placement.num_logical(), placement.num_ranks());
}

// Rank 0 holds the 80 of 120 tokens of expert 0; a copy on any other rank brings 2.0 down to 1.0 (rank 2) or 1.25.
TEST(FindLimits, ByHand) {
  const Placement placement({0, 1, 2}, 3, 3);
  const Window window = {80, 30, 10, 80, 30, 10};
  const PlacementLimits limits = find_limits(window, placement);
  EXPECT_DOUBLE_EQ(limits.imbalance, 2.0);
  ASSERT_EQ(limits.ranks.size(), 1U);
  EXPECT_EQ(limits.ranks[0].rank, 0);
  EXPECT_DOUBLE_EQ(limits.ranks[0].frequency, 1.0);
  ASSERT_EQ(limits.experts.size(), 1U);
  EXPECT_EQ(limits.experts[0].expert, 0);
  EXPECT_DOUBLE_EQ(limits.experts[0].frequency, 1.0);
  EXPECT_DOUBLE_EQ(limits.experts[0].tokens, 1.0);
  EXPECT_EQ(limits.experts[0].copy_on, 2);
  EXPECT_NEAR(limits.experts[0].gain, 2.0 - 45.0 / 40.0, 1e-12);
}

// In one batch of two rank 0 binds, with expert 0 making three quarters of its load; in the other rank 1 does.
TEST(FindLimits, FrequenciesAreOfBatches) {
  const Placement placement({0, 1, 2, kNone}, 3, 2);
  const Window window = {60, 20, 40, 10, 10, 60};
  const PlacementLimits limits = find_limits(window, placement);
  EXPECT_DOUBLE_EQ(limits.imbalance, (80 / 60.0 + 60 / 40.0) / 2);
  ASSERT_EQ(limits.ranks.size(), 2U);
  EXPECT_DOUBLE_EQ(limits.ranks[0].frequency, 0.5);
  EXPECT_DOUBLE_EQ(limits.ranks[1].frequency, 0.5);
  ASSERT_EQ(limits.experts.size(), 3U);
  for (const ExpertLimit& limit : limits.experts) {
    EXPECT_DOUBLE_EQ(limit.frequency, 0.5);
    EXPECT_DOUBLE_EQ(limit.tokens, limit.expert == 0 ? 0.75 : limit.expert == 1 ? 0.25 : 1.0);
    EXPECT_EQ(limit.copy_on, limit.expert == 2 ? 0 : 1);
  }
  EXPECT_EQ(find_limits(window, placement, 1).ranks.size(), 1U);
  EXPECT_EQ(find_limits(window, placement, 1).experts.size(), 1U);
}

TEST(FindLimits, AnExpertOnAllRanksHasNowhereToGo) {
  const PlacementLimits limits = find_limits(Window{10}, Placement({0, 0}, 1, 2));
  ASSERT_EQ(limits.experts.size(), 1U);
  EXPECT_EQ(limits.experts[0].copy_on, kNone);
  EXPECT_EQ(limits.experts[0].gain, 0);
}

TEST(FindLimits, NoCopyOnARankThatHoldsNothing) {
  const PlacementLimits limits = find_limits(Window{80, 30, 10}, Placement({0, 1, 2, kNone}, 3, 4));
  EXPECT_DOUBLE_EQ(limits.imbalance, 2.0);
  ASSERT_EQ(limits.experts.size(), 1U);
  EXPECT_EQ(limits.experts[0].copy_on, 2);  // rank 3 is as dead
}

TEST(FindLimits, GainsAreWhatTheCopyGives) {
  for (int index = 0; index < 30; ++index) {
    Rng rng = seeded(541, index);
    const PlacementRules rules{.num_logical = 12, .num_ranks = 4, .slots_per_rank = 4};
    const Placement placement =
        optimize_placement(random_window(rng, 12, 2), {.rules = rules, .num_moves = 0}).placement;
    const Window window = random_window(rng, 12, 3);
    const PlacementLimits limits = find_limits(window, placement);
    ASSERT_NEAR(limits.imbalance, mean_imbalance(window, placement, 4), 1e-12);
    for (std::size_t i = 0; i < limits.experts.size(); ++i) {
      const ExpertLimit& limit = limits.experts[i];
      ASSERT_TRUE(i == 0 || limits.experts[i - 1].gain >= limit.gain);
      ASSERT_GE(limit.gain, -1e-12) << "a copy cannot hurt";
      if (limit.copy_on != kNone) {
        const double then = mean_imbalance(window, with_copy(placement, limit.expert, limit.copy_on), 4);
        ASSERT_NEAR(limits.imbalance - then, limit.gain, 1e-12) << "seed 541, index " << index;
      }
    }
  }
}

TEST(FindLimitsErrors, NameTheWindow) {
  EXPECT_EQ(invalid_argument_of([] {
              find_limits(Window{1, 2, 3}, Placement({0, 1}, 2, 2));
            }),
            "[find_limits] window has 3 entries; it must be [T, E] with E = 2 and at least one batch");
}

}  // namespace
}  // namespace lplb
