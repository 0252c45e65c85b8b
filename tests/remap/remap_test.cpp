// Remapping: the counts come out exactly as the table says, each token goes to a copy of its expert, every prefix is
// spread over the copies, and 32-bit and 64-bit ids agree.

#include "lplb/remap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "lplb/apportion.h"
#include "lplb/solve.h"
#include "support/plans.h"
#include "support/random_instance.h"
#include "support/rapid_instance.h"

namespace lplb {
namespace {

using namespace lplb::testing;

using Loads = std::vector<Tokens>;
using Ids = std::vector<std::int32_t>;

/// A shuffled batch that holds counts[e] times e, and some -1.
Ids draw_topk(Rng& rng, const Loads& counts) {
  Ids topk;
  for (std::size_t e = 0; e < counts.size(); ++e) {
    topk.insert(topk.end(), counts[e], static_cast<std::int32_t>(e));
  }
  topk.insert(topk.end(), rng.below(5), kNone);
  random_detail::shuffle(rng, topk);
  return topk;
}

/// What is wrong with a remapped batch; empty when nothing is. The spread: after j of an expert's n tokens, a copy with
/// t of them has had j t / n, give or take less than the number of other copies.
std::string judge_remap(const Placement& placement, const SourceTable& table, const Ids& topk, const Ids& physical) {
  Loads had(placement.num_physical());
  Loads seen(placement.num_logical());
  Loads total(placement.num_logical());
  for (const std::int32_t e : topk) {
    if (e != kNone) {
      ++total[e];
    }
  }
  for (std::size_t i = 0; i < topk.size(); ++i) {
    if (topk[i] == kNone || physical[i] == kNone) {
      if (topk[i] != physical[i]) {
        return "-1 at " + std::to_string(i) + " was not kept";
      }
      continue;
    }
    const std::int32_t expert = topk[i];
    if (physical[i] < 0 || physical[i] >= placement.num_physical() || placement.phy2log()[physical[i]] != expert) {
      return "position " + std::to_string(i) + " went to a slot of another expert";
    }
    ++had[physical[i]];
    ++seen[expert];
    const double bound = std::max(placement.logcnt()[expert] - 1, 1);
    for (const std::int32_t slot : placement.replicas(expert)) {
      const double share = static_cast<double>(seen[expert]) * table.tokens[slot] / total[expert];
      if (std::abs(had[slot] - share) >= bound) {
        return "slot " + std::to_string(slot) + " has had " + std::to_string(had[slot]) + " of " +
               std::to_string(seen[expert]) + " tokens, its share is " + std::to_string(share);
      }
    }
  }
  return had == table.tokens ? "" : "the counts are not the table's";
}

/// Splits a small instance over one source that holds the whole batch, or apportions it, and judges the remap.
std::string remap_and_judge(const Instance& instance, Rng& rng) {
  const Placement& placement = instance.placement;
  const Loads quota = split(placement, instance.counts, instance.base_load, instance.live).quota;
  const Loads sources = random_sources(rng, instance);
  const int source = static_cast<int>(rng.below(placement.num_ranks()));
  const SourceTable table = apportion_source(placement, sources, quota, source);
  const auto own = std::span<const Tokens>(sources).subspan(source * instance.counts.size(), instance.counts.size());
  const Ids topk = draw_topk(rng, {own.begin(), own.end()});
  Ids physical(topk.size(), -7);
  remap(placement, table, topk, physical);
  const std::vector<std::int64_t> topk64(topk.begin(), topk.end());
  std::vector<std::int64_t> physical64 = topk64;
  remap(placement, table, physical64, physical64);  // in place
  if (!std::ranges::equal(physical, physical64)) {
    return "32-bit and 64-bit ids differ";
  }
  return judge_remap(placement, table, topk, physical);
}

/// Counts of at most a few hundred tokens in all, so that the batches stay small.
void make_small(Instance& instance) {
  for (Tokens& count : instance.counts) {
    count %= 60;
  }
}

TEST(Remap, KeepsEveryPromiseOnRandomInstances) {
  for (int index = 0; index < 3'000; ++index) {
    Rng rng = seeded(301, index);
    Instance instance = random_instance(rng, {.max_ranks = 12, .max_slots_per_rank = 4});
    make_small(instance);
    ASSERT_EQ(remap_and_judge(instance, rng), "") << "seed 301, index " << index << ": " << instance;
  }
}

TEST(Remap, KeepsEveryPromiseOnShrinkableInstances) {
  check_property(300, [](const Instance& instance, std::uint64_t seed) {
    Rng rng(seed);
    RC_ASSERT(remap_and_judge(instance, rng) == "");
  });
}

TEST(Remap, TwoCopiesAlternate) {
  const Placement placement({0, 0}, 1, 2);
  const SourceTable table{.source_rank = 0, .proportional = false, .tokens = {3, 3}};
  const Ids topk(6, 0);
  Ids physical(6);
  remap(placement, table, topk, physical);
  for (std::size_t i = 1; i < physical.size(); ++i) {
    EXPECT_NE(physical[i], physical[i - 1]);
  }
}

TEST(Remap, AnEmptyBatchAndAllPadding) {
  const Placement placement({0, 0}, 1, 2);
  const SourceTable none{.source_rank = 0, .proportional = false, .tokens = {0, 0}};
  remap(placement, none, Ids{}, std::span<std::int32_t>());
  Ids physical(3);
  remap(placement, none, Ids{-1, -1, -1}, physical);
  EXPECT_EQ(physical, (Ids{-1, -1, -1}));
}

TEST(Remap, ManyTokensOfManyCopies) {
  Rng rng(302);
  std::vector<std::int32_t> phy2log(64, 0);
  const Placement placement(phy2log, 1, 64);
  SourceTable table;
  for (int slot = 0; slot < 64; ++slot) {
    table.tokens.push_back(static_cast<Tokens>(rng.below(200)));
  }
  Tokens total = 0;
  for (const Tokens tokens : table.tokens) {
    total += tokens;
  }
  const Ids topk(total, 0);
  Ids physical(total);
  remap(placement, table, topk, physical);
  EXPECT_EQ(judge_remap(placement, table, topk, physical), "");
}

TEST(RemapErrors, NameTheArgument) {
  const Placement placement({0, 1, 1, kNone}, 2, 2);
  const SourceTable table{.source_rank = 0, .proportional = false, .tokens = {1, 1, 2, 0}};
  Ids physical(4);
  const auto error = [&](const SourceTable& with, const Ids& topk) {
    return message_of([&] { remap(placement, with, topk, physical); });
  };
  EXPECT_EQ(error(table, {1, 0, 1, 1}), "no error");
  EXPECT_EQ(error(table, {1, 0, 2, 1}), "[remap] topk_idx[2] is 2; it must be in -1..1");
  EXPECT_EQ(error(table, {1, 0, -2, 1}), "[remap] topk_idx[2] is -2; it must be in -1..1");
  EXPECT_EQ(error(table, {1, 0, 0, 1}), "[remap] topk_idx holds 2 tokens of expert 0; the table was made for 1");
  EXPECT_EQ(error(table, {1, 0, 1, -1}), "[remap] topk_idx holds 2 tokens of expert 1; the table was made for 3");
  EXPECT_EQ(error(table, {1, 0, 1}), "[remap] physical has 4 entries; topk_idx has 3");
  EXPECT_EQ(error({.source_rank = 0, .proportional = false, .tokens = {1, 1}}, {1, 0, 1, 1}),
            "[remap] table has 2 entries; it must have one for each of the 4 physical experts");
  EXPECT_EQ(error({.source_rank = 0, .proportional = false, .tokens = {1, 4, -1, 0}}, {1, 0, 1, 1}),
            "[remap] table[2] is -1; it must not be negative");
  const std::vector<std::int64_t> wide = {1, 0, (std::int64_t{1} << 32) + 1, 1};
  std::vector<std::int64_t> wide_physical(4);
  EXPECT_EQ(message_of([&] { remap(placement, table, wide, wide_physical); }),
            "[remap] topk_idx[2] is 4294967297; it must be in -1..1");
}

}  // namespace
}  // namespace lplb
