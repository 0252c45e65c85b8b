// Apportioning: by hand, and its three promises on random instances: sums exact, no more tokens across nodes than the
// quotas force, no fewer tokens kept on their rank than could be.

#include "lplb/apportion.h"

#include <gtest/gtest.h>

#include <numeric>

#include "lplb/solve.h"
#include "support/plans.h"
#include "support/random_instance.h"
#include "support/rapid_instance.h"

namespace lplb {
namespace {

using namespace lplb::testing;

using Loads = std::vector<Tokens>;

/// An instance split and apportioned, with the definitions to judge it by.
struct Apportioned {
  const Instance& instance;
  Loads sources;  // [S, E]
  Loads quota;    // [P]
  Loads table;    // [S, P]

  Apportioned(const Instance& the_instance, Rng& rng)
      : instance(the_instance),
        sources(random_sources(rng, instance)),
        quota(split(instance.placement, instance.counts, instance.base_load, instance.live).quota),
        table(static_cast<std::size_t>(num_ranks()) * num_physical(), -1) {
    apportion(instance.placement, sources, quota, table);
  }

  int num_ranks() const { return instance.placement.num_ranks(); }
  int num_physical() const { return instance.placement.num_physical(); }
  int num_logical() const { return instance.placement.num_logical(); }
  Tokens count(int source, int expert) const {
    return sources[static_cast<std::size_t>(source) * num_logical() + expert];
  }
  Tokens sent(int source, int slot) const { return table[static_cast<std::size_t>(source) * num_physical() + slot]; }

  bool row_sums_are_counts() const {
    for (int source = 0; source < num_ranks(); ++source) {
      for (int expert = 0; expert < num_logical(); ++expert) {
        std::int64_t sum = 0;
        for (const std::int32_t slot : instance.placement.replicas(expert)) {
          sum += sent(source, slot);
        }
        if (sum != count(source, expert)) {
          return false;
        }
      }
    }
    return std::ranges::all_of(table, [](Tokens tokens) { return tokens >= 0; });
  }

  bool column_sums_are_quotas() const {
    for (int slot = 0; slot < num_physical(); ++slot) {
      std::int64_t sum = 0;
      for (int source = 0; source < num_ranks(); ++source) {
        sum += sent(source, slot);
      }
      if (sum != quota[slot]) {
        return false;
      }
    }
    return true;
  }

  /// Tokens that leave their unit, where a unit is `ranks_per_unit` ranks: a rank or a node.
  std::int64_t tokens_leaving(int ranks_per_unit) const {
    std::int64_t leaving = 0;
    for (int source = 0; source < num_ranks(); ++source) {
      for (int slot = 0; slot < num_physical(); ++slot) {
        if (source / ranks_per_unit != instance.placement.rank_of(slot) / ranks_per_unit) {
          leaving += sent(source, slot);
        }
      }
    }
    return leaving;
  }

  /// The least that can: what a unit supplies of an expert beyond the quotas that the expert has there.
  std::int64_t least_tokens_leaving(int ranks_per_unit) const {
    std::int64_t leaving = 0;
    for (int expert = 0; expert < num_logical(); ++expert) {
      std::vector<std::int64_t> surplus(num_ranks() / ranks_per_unit);
      for (int source = 0; source < num_ranks(); ++source) {
        surplus[source / ranks_per_unit] += count(source, expert);
      }
      for (const std::int32_t slot : instance.placement.replicas(expert)) {
        surplus[instance.placement.rank_of(slot) / ranks_per_unit] -= quota[slot];
      }
      for (const std::int64_t tokens : surplus) {
        leaving += std::max<std::int64_t>(0, tokens);
      }
    }
    return leaving;
  }

  std::string judge() const {
    if (!row_sums_are_counts()) {
      return "a row does not sum to the source's counts";
    }
    if (!column_sums_are_quotas()) {
      return "a column does not sum to the quota";
    }
    const int node = instance.placement.ranks_per_node();
    if (tokens_leaving(node) != least_tokens_leaving(node)) {
      return "more tokens cross nodes than need to";
    }
    if (tokens_leaving(1) != least_tokens_leaving(1)) {
      return "more tokens leave their rank than need to";
    }
    for (int source = 0; source < num_ranks(); ++source) {
      const SourceTable row = apportion_source(instance.placement, sources, quota, source);
      const auto expected =
          std::span<const Tokens>(table).subspan(static_cast<std::size_t>(source) * num_physical(), num_physical());
      if (!std::ranges::equal(row.tokens, expected) || row.source_rank != source || row.proportional) {
        return "apportion_source differs from the row of apportion";
      }
    }
    return "";
  }
};

TEST(Apportion, OwnRankThenOwnNodeThenTheRest) {
  // Expert 0 on ranks 0, 1 (node 0) and 2 (node 1).
  const Placement placement({0, 0, 0, kNone}, 1, 4, 2);
  Loads table(16);
  apportion(placement, Loads{8, 1, 2, 1}, Loads{5, 3, 4, 0}, table);
  EXPECT_EQ(table, (Loads{5, 2, 1, 0,  //
                          0, 1, 0, 0,  //
                          0, 0, 2, 0,  //
                          0, 0, 1, 0}));
}

TEST(Apportion, KeepsEveryPromiseOnRandomInstances) {
  for (int index = 0; index < 5'000; ++index) {
    Rng rng = seeded(201, index);
    const Instance instance = random_instance(rng, {.max_ranks = 12, .max_slots_per_rank = 4});
    ASSERT_EQ(Apportioned(instance, rng).judge(), "") << "seed 201, index " << index << ": " << instance;
  }
}

TEST(Apportion, KeepsEveryPromiseOnManyRanks) {
  for (int index = 0; index < 40; ++index) {
    Rng rng = seeded(202, index);
    const Instance instance = random_instance(rng, {.max_ranks = 64, .max_slots_per_rank = 6});
    ASSERT_EQ(Apportioned(instance, rng).judge(), "") << "seed 202, index " << index << ": " << instance;
  }
}

TEST(Apportion, KeepsEveryPromiseOnShrinkableInstances) {
  check_property(300, [](const Instance& instance, std::uint64_t seed) {
    Rng rng(seed);
    RC_ASSERT(Apportioned(instance, rng).judge() == "");
  });
}

/// Proportional shares: whole tokens, conserved, less than one away from the exact share, none where the quota is zero.
std::string judge_proportional(const Instance& instance, const Loads& own, const Loads& quota, const Loads& tokens) {
  for (int expert = 0; expert < instance.placement.num_logical(); ++expert) {
    const auto slots = instance.placement.replicas(expert);
    std::int64_t total_quota = 0;
    std::int64_t total_tokens = 0;
    for (const std::int32_t slot : slots) {
      total_quota += quota[slot];
      total_tokens += tokens[slot];
    }
    if (total_tokens != own[expert]) {
      return "expert " + std::to_string(expert) + " is not conserved";
    }
    for (const std::int32_t slot : slots) {
      // |tokens - own * quota / total| < 1, in whole numbers
      const std::int64_t apart = tokens[slot] * total_quota - std::int64_t{own[expert]} * quota[slot];
      if (total_quota > 0 && std::abs(apart) >= total_quota) {
        return "slot " + std::to_string(slot) + " is a token or more away from its share";
      }
      if (total_quota > 0 && quota[slot] == 0 && tokens[slot] != 0) {
        return "slot " + std::to_string(slot) + " has no quota but gets tokens";
      }
      if (tokens[slot] != 0 && !instance.is_live(instance.placement.rank_of(slot))) {
        return "slot " + std::to_string(slot) + " is on a dead rank but gets tokens";
      }
    }
  }
  return "";
}

TEST(ApportionProportional, IsWithinOneTokenOfTheExactShare) {
  for (int index = 0; index < 5'000; ++index) {
    Rng rng = seeded(203, index);
    const Instance instance = random_instance(rng, {.max_ranks = 12, .max_slots_per_rank = 4});
    const Loads quota = split(instance.placement, instance.counts, instance.base_load, instance.live).quota;
    Loads own(instance.counts.size());
    for (std::size_t e = 0; e < own.size(); ++e) {
      own[e] = instance.counts[e] == 0 ? static_cast<Tokens>(rng.below(5))  // seen by this source alone
                                       : static_cast<Tokens>(rng.below(instance.counts[e] + std::uint64_t{1}));
    }
    const int source = static_cast<int>(rng.below(instance.placement.num_ranks()));
    const SourceTable row = apportion_proportional(instance.placement, own, quota, source, instance.live);
    ASSERT_TRUE(row.proportional);
    ASSERT_EQ(row.source_rank, source);
    ASSERT_EQ(judge_proportional(instance, own, quota, row.tokens), "")
        << "seed 203, index " << index << ": " << instance << ", own counts " << braced(own);
  }
}

TEST(ApportionProportional, LargestRemainderWithTiesToTheLowestSlot) {
  const Placement placement({0, 0, 0, 1}, 2, 4);
  EXPECT_EQ(apportion_proportional(placement, Loads{4, 0}, Loads{10, 10, 10, 0}, 0).tokens, (Loads{2, 1, 1, 0}));
  EXPECT_EQ(apportion_proportional(placement, Loads{5, 0}, Loads{10, 20, 30, 0}, 0).tokens, (Loads{1, 2, 2, 0}));
}

TEST(ApportionProportional, WithoutQuotasDividesEvenlyOverLiveCopies) {
  const Placement placement({0, 0, 0, 1}, 2, 4);
  const std::vector<std::uint8_t> live = {1, 0, 1, 1};
  EXPECT_EQ(apportion_proportional(placement, Loads{5, 2}, Loads{0, 0, 0, 0}, 1, live).tokens, (Loads{3, 0, 2, 2}));
}

TEST(ApportionErrors, NameTheArgument) {
  const Placement placement({0, 1, 1, kNone}, 2, 2);
  const Loads counts = {1, 2, 3, 4};
  const Loads quota = {4, 2, 4, 0};
  Loads table(8);
  EXPECT_EQ(message_of([&] { apportion(placement, counts, quota, table); }), "no error");
  EXPECT_EQ(message_of([&] {
              apportion(placement, Loads{1, 2}, quota, table);
            }),
            "[apportion] counts has 2 entries; it must be [2 source ranks, 2 experts]");
  EXPECT_EQ(message_of([&] {
              apportion(placement, Loads{1, 2, 3, -4}, quota, table);
            }),
            "[apportion] counts[1, 1] is -4; it must not be negative");
  EXPECT_EQ(message_of([&] { apportion(placement, counts, Loads{1}, table); }),
            "[apportion] quota has 1 entries; it must have one for each of the 4 physical experts");
  EXPECT_EQ(message_of([&] {
              apportion(placement, counts, Loads{4, 3, 4, 0}, table);
            }),
            "[apportion] expert 1: counts add up to 6 tokens, quotas to 7");
  EXPECT_EQ(message_of([&] {
              apportion(placement, counts, Loads{4, 7, -1, 0}, table);
            }),
            "[apportion] quota[2] is -1; it must not be negative");
  EXPECT_EQ(message_of([&] { apportion(placement, counts, quota, std::span<Tokens>(table).first(7)); }),
            "[apportion] tokens has 7 entries; it must be [2 source ranks, 4 physical experts]");
  EXPECT_EQ(message_of([&] { apportion_source(placement, counts, quota, 2); }),
            "[apportion_source] source_rank (2) must be in 0..1");
  EXPECT_EQ(message_of([&] { apportion_source(placement, counts, quota, -1); }),
            "[apportion_source] source_rank (-1) must be in 0..1");
  EXPECT_EQ(message_of([&] {
              apportion_source(placement, Loads{1, 2}, quota, 0);
            }),
            "[apportion_source] counts has 2 entries; it must be [2 source ranks, 2 experts]");
  EXPECT_EQ(message_of([&] { apportion_proportional(placement, counts, quota, 0); }),
            "[apportion_proportional] own_counts has 4 entries; it must have one for each of the 2 experts");
  EXPECT_EQ(message_of([&] {
              apportion_proportional(placement, Loads{1, -2}, quota, 0);
            }),
            "[apportion_proportional] own_counts[1] is -2; it must not be negative");
  EXPECT_EQ(message_of([&] {
              apportion_proportional(placement, Loads{1, 2}, Loads{1}, 0);
            }),
            "[apportion_proportional] quota has 1 entries; it must have one for each of the 4 physical experts");
  EXPECT_EQ(message_of([&] {
              apportion_proportional(placement, Loads{1, 2}, quota, 2);
            }),
            "[apportion_proportional] source_rank (2) must be in 0..1");
  EXPECT_EQ(message_of([&] {
              apportion_proportional(placement, Loads{1, 2}, quota, 0, std::vector<std::uint8_t>(3));
            }),
            "[apportion_proportional] live has 3 entries; it must have none, or one for each of the 2 ranks");
  EXPECT_EQ(message_of([&] {
              apportion_proportional(placement, Loads{1, 2}, Loads{0, 0, 0, 0}, 0, std::vector<std::uint8_t>{0, 1});
            }),
            "[apportion_proportional] expert 0 has no copy on a live rank");
}

}  // namespace
}  // namespace lplb
