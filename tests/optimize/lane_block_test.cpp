// The levelled lanes: tokens conserved, loads the sums of flows, everything taken back to the bit, the same numbers at
// both vector widths, and a largest load close to the exact solver's.

#include "optimize/lane_block.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "lplb/solve.h"
#include "optimize/levelling.h"
#include "support/random_arrangement.h"

namespace lplb {
namespace {

using namespace lplb::testing;

constexpr ArrangementLimits kManyCopies{.max_ranks = 12, .max_slots = 6, .many_copies = 0.4};

LaneBlock block_for(const Arrangement& arrangement) {
  return LaneBlock(arrangement.num_logical(), arrangement.num_ranks(), static_cast<int>(arrangement.phy2log().size()));
}

/// Loads of every lane in units of the mean rank load. Returns the same in whole tokens. [kLanes][E]
std::vector<std::vector<Tokens>> draw_weights(Rng& rng, const Arrangement& arrangement, LaneBlock& block) {
  std::vector<std::vector<Tokens>> counts(kLanes);
  for (int lane = 0; lane < kLanes; ++lane) {
    const int style = static_cast<int>(rng.below(7));
    double total = 0;
    for (int e = 0; e < arrangement.num_logical(); ++e) {
      const double count = std::min(random_detail::random_count(rng, style, 30'000.0), 3'000'000.0);
      counts[lane].push_back(static_cast<Tokens>(count));
      total += counts[lane].back();
    }
    counts[lane][0] += total == 0 ? 1000 : 0;
    total += total == 0 ? 1000 : 0;
    for (int e = 0; e < arrangement.num_logical(); ++e) {
      block.weights()[e][lane] = static_cast<float>(counts[lane][e] / total * arrangement.num_ranks());
    }
  }
  return counts;
}

/// What is wrong with the division, in words: tokens lost, negative, or loads that are not the sums of flows.
std::string check_division(const Arrangement& arrangement, LaneBlock& block) {
  const float tolerance = 1e-5F * static_cast<float>(arrangement.num_ranks());
  for (int lane = 0; lane < kLanes; ++lane) {
    std::vector<float> load(arrangement.num_ranks(), 0.0F);
    for (int e = 0; e < arrangement.num_logical(); ++e) {
      float sum = 0;
      for (const int slot : arrangement.copies(e)) {
        const float flow = block.flow()[slot][lane];
        if (flow < 0) {
          return "a flow is negative";
        }
        sum += flow;
        load[arrangement.rank_of(slot)] += flow;
      }
      if (std::abs(sum - block.weights()[e][lane]) > tolerance) {
        return "tokens of an expert are lost or gained";
      }
    }
    for (int rank = 0; rank < arrangement.num_ranks(); ++rank) {
      if (std::abs(load[rank] - block.rank_load()[rank][lane]) > tolerance) {
        return "a rank's load is not the sum of its flows";
      }
    }
  }
  for (std::size_t slot = 0; slot < block.flow().size(); ++slot) {
    const bool is_idle = std::ranges::all_of(block.flow()[slot], [](float flow) { return flow == 0; });
    if (arrangement.expert_at(static_cast<int>(slot)) == kNone && !is_idle) {
      return "an empty slot has tokens";
    }
  }
  return "";
}

std::vector<LaneValues> state_of(const LaneBlock& block) {
  std::vector<LaneValues> state(block.flow().begin(), block.flow().end());
  state.insert(state.end(), block.rank_load().begin(), block.rank_load().end());
  return state;
}

bool same_bits(const std::vector<LaneValues>& a, const std::vector<LaneValues>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(LaneValues)) == 0;
}

TEST(LaneBlock, RestartAndMovesKeepEveryToken) {
  for (int index = 0; index < 60; ++index) {
    Rng rng = seeded(511, index);
    Arrangement arrangement = random_arrangement(rng, kManyCopies);
    LaneBlock block = block_for(arrangement);
    DirtyRanks dirty(arrangement.num_ranks());
    draw_weights(rng, arrangement, block);
    block.restart(arrangement, static_cast<int>(rng.below(10)));
    ASSERT_EQ(check_division(arrangement, block), "") << "seed 511, index " << index;
    for (int i = 0; i < 40; ++i) {
      Move move;
      if (random_move(rng, arrangement, move)) {
        arrangement.apply(move);
        block.follow(arrangement, move, dirty, {});
        block.keep();
        ASSERT_TRUE(dirty.empty());
        ASSERT_EQ(check_division(arrangement, block), "") << "seed 511, index " << index << ", move " << i;
      }
    }
    block.sweep(arrangement);
    ASSERT_EQ(check_division(arrangement, block), "") << "seed 511, index " << index;
  }
}

TEST(LaneBlock, TakeBackRestoresEveryBit) {
  for (int index = 0; index < 60; ++index) {
    Rng rng = seeded(512, index);
    Arrangement arrangement = random_arrangement(rng, kManyCopies);
    LaneBlock block = block_for(arrangement);
    DirtyRanks dirty(arrangement.num_ranks());
    draw_weights(rng, arrangement, block);
    block.restart(arrangement, 3);
    const RelaxLimits limits{.tolerance = 1e-4F, .max_experts = static_cast<int>(rng.below(200)) + 1};
    for (int i = 0; i < 30; ++i) {
      const std::vector<LaneValues> before = state_of(block);
      Move move;
      if (random_move(rng, arrangement, move)) {
        arrangement.apply(move);
        block.follow(arrangement, move, dirty, limits);
        if (random_detail::chance(rng, 0.5)) {
          block.keep();
        } else {
          arrangement.revert(move);
          block.take_back();
          ASSERT_TRUE(same_bits(state_of(block), before)) << "seed 512, index " << index << ", move " << i;
        }
      }
    }
  }
}

TEST(LaneBlock, TwoMovesBeforeKeepAreTakenBackTogether) {
  for (int index = 0; index < 60; ++index) {
    Rng rng = seeded(513, index);
    Arrangement arrangement = random_arrangement(rng, kManyCopies);
    LaneBlock block = block_for(arrangement);
    DirtyRanks dirty(arrangement.num_ranks());
    draw_weights(rng, arrangement, block);
    block.restart(arrangement, 3);
    const std::vector<LaneValues> before = state_of(block);
    for (int i = 0; i < 4; ++i) {
      Move move;
      if (random_move(rng, arrangement, move)) {
        arrangement.apply(move);
        block.follow(arrangement, move, dirty, {});
      }
    }
    block.take_back();
    ASSERT_TRUE(same_bits(state_of(block), before)) << "seed 513, index " << index;
  }
}

TEST(LaneBlock, BothVectorWidthsGiveTheSameBits) {
  for (int index = 0; index < 200; ++index) {
    Rng rng = seeded(514, index);
    const Arrangement arrangement = random_arrangement(rng, kManyCopies);
    LaneBlock narrow = block_for(arrangement);
    draw_weights(rng, arrangement, narrow);
    narrow.restart(arrangement, 0);
    LaneBlock wide = narrow;
    for (int i = 0; i < 6; ++i) {
      Levelling::sweep<4>(narrow, arrangement);
      Levelling::sweep<8>(wide, arrangement);
      ASSERT_TRUE(same_bits(state_of(narrow), state_of(wide))) << "seed 514, index " << index << ", sweep " << i;
    }
    DirtyRanks dirty_narrow(arrangement.num_ranks());
    DirtyRanks dirty_wide(arrangement.num_ranks());
    const RelaxLimits limits{.tolerance = 1e-6F, .max_experts = 100};
    for (int rank = 0; rank < arrangement.num_ranks(); rank += 2) {
      dirty_narrow.push(rank);
      dirty_wide.push(rank);
    }
    Levelling::relax<4>(narrow, arrangement, dirty_narrow, limits);
    Levelling::relax<8>(wide, arrangement, dirty_wide, limits);
    ASSERT_TRUE(same_bits(state_of(narrow), state_of(wide))) << "seed 514, index " << index << ", relaxed";
    std::vector<LaneValues> measured(4);
    Levelling::measure<4>(narrow, measured[0], measured[1]);
    Levelling::measure<8>(wide, measured[2], measured[3]);
    ASSERT_TRUE(same_bits({measured[0], measured[1]}, {measured[2], measured[3]})) << "seed 514, index " << index;
  }
}

TEST(LaneBlock, MeasuresTheLargestLoadAndTheSquaresAboveTheMean) {
  Arrangement arrangement(std::vector<std::int32_t>{1, 1, 1}, {0, 1, 2}, 3);
  LaneBlock block = block_for(arrangement);
  for (int lane = 0; lane < kLanes; ++lane) {
    block.weights()[0][lane] = 1.5F;
    block.weights()[1][lane] = 1.25F;
    block.weights()[2][lane] = 0.25F;
  }
  block.weights()[2][5] = 3;
  block.restart(arrangement, 2);
  LaneValues max_load;
  LaneValues excess;
  block.measure(max_load, excess);
  EXPECT_EQ(max_load[0], 1.5F);
  EXPECT_EQ(excess[0], 0.25F + 0.0625F);
  EXPECT_EQ(max_load[5], 3.0F);
  EXPECT_EQ(excess[5], 4.0F + 0.25F + 0.0625F);
}

// Expert 0 is on three ranks whose other loads are 4, 1 and 2: three tokens fill the two lower ones to 3.
TEST(LaneBlock, FillsThreeCopiesLikeWater) {
  Arrangement arrangement(std::vector<std::int32_t>{2, 2, 2}, {0, 1, 0, 2, 0, 3}, 4);
  LaneBlock block = block_for(arrangement);
  const float weights[] = {3, 4, 1, 2};
  for (int e = 0; e < 4; ++e) {
    block.weights()[e].fill(weights[e]);
  }
  block.restart(arrangement, 1);
  for (int lane = 0; lane < kLanes; ++lane) {
    EXPECT_EQ(block.rank_load()[0][lane], 4.0F);
    EXPECT_EQ(block.rank_load()[1][lane], 3.0F);
    EXPECT_EQ(block.rank_load()[2][lane], 3.0F);
    EXPECT_EQ(block.flow()[0][lane], 0.0F);
    EXPECT_EQ(block.flow()[2][lane], 2.0F);
  }
}

// Within 1 % after 200 sweeps: single precision, and chains of copies that level geometrically.
TEST(LaneBlock, ManySweepsReachTheExactOptimum) {
  for (int index = 0; index < 60; ++index) {
    Rng rng = seeded(515, index);
    const Arrangement arrangement = random_arrangement(rng, kManyCopies);
    const Placement placement(arrangement.phy2log(), arrangement.num_logical(), arrangement.num_ranks());
    LaneBlock block = block_for(arrangement);
    const auto counts = draw_weights(rng, arrangement, block);
    block.restart(arrangement, 200);
    LaneValues max_load;
    LaneValues excess;
    block.measure(max_load, excess);
    for (int lane = 0; lane < kLanes; ++lane) {
      const Plan plan = split(placement, counts[lane]);
      const double total = std::accumulate(counts[lane].begin(), counts[lane].end(), 0.0);
      const double unit = arrangement.num_ranks() / total;
      // Whole tokens: the optimum is at most one token above what may be divided.
      ASSERT_GE(max_load[lane], (plan.max_load - 1) * unit * (1 - 1e-4)) << "seed 515, index " << index;
      ASSERT_LE(max_load[lane], plan.max_load * unit * 1.01) << "seed 515, index " << index << ", lane " << lane;
    }
  }
}

}  // namespace
}  // namespace lplb
