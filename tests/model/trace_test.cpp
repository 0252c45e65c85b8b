#include "lplb/trace.h"

#include <gtest/gtest.h>

#include "lplb/error.h"

namespace lplb {
namespace {

/// counts[step, layer, source, expert] = 1000 step + 100 layer + 10 source + expert.
Trace numbered_trace(int num_steps, int num_layers, int num_sources, int num_experts) {
  Trace trace{.name = "numbered",
              .num_steps = num_steps,
              .num_layers = num_layers,
              .num_sources = num_sources,
              .num_experts = num_experts,
              .counts = {}};
  for (int step = 0; step < num_steps; ++step) {
    for (int layer = 0; layer < num_layers; ++layer) {
      for (int source = 0; source < num_sources; ++source) {
        for (int expert = 0; expert < num_experts; ++expert) {
          trace.counts.push_back(1000 * step + 100 * layer + 10 * source + expert);
        }
      }
    }
  }
  return trace;
}

template <class Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

TEST(TraceTest, AddsCountsOfAllSources) {
  const Trace trace = numbered_trace(2, 3, 4, 3);
  std::vector<Tokens> total = {1, 0, 0};
  add_counts(trace, 1, 2, total);
  EXPECT_EQ(total, (std::vector<Tokens>{4861, 4864, 4868}));
}

TEST(TraceTest, AddCountsRefusesWhatItCannotAdd) {
  const Trace trace = numbered_trace(2, 3, 1, 3);
  std::vector<Tokens> total(3);
  std::vector<Tokens> short_total(2);
  std::vector<Tokens> full_total(3, 2147483647);
  EXPECT_EQ(message_of([&] { add_counts(trace, 2, 0, total); }), "[add_counts] step (2) must be in 0..1");
  EXPECT_EQ(message_of([&] { add_counts(trace, 0, -1, total); }), "[add_counts] layer (-1) must be in 0..2");
  EXPECT_EQ(message_of([&] { add_counts(trace, 0, 0, short_total); }),
            "[add_counts] total has 2 experts; it must have num_experts (3)");
  EXPECT_EQ(message_of([&] { add_counts(trace, 0, 0, full_total); }),
            "[add_counts] the sum of expert 1 must stay below 2^31");
}

TEST(TraceTest, RegroupsConsecutiveSources) {
  const Trace trace = numbered_trace(2, 1, 4, 2);
  const Trace pairs = regroup_sources(trace, 2);
  EXPECT_EQ(pairs.num_sources, 2);
  EXPECT_TRUE(pairs.has_sources());
  EXPECT_EQ(pairs.name, "numbered");
  EXPECT_EQ(pairs.counts, (std::vector<Tokens>{10, 12, 50, 52, 2010, 2012, 2050, 2052}));
  EXPECT_EQ(regroup_sources(trace, 4).counts, trace.counts);
  EXPECT_FALSE(regroup_sources(trace, 1).has_sources());
  EXPECT_EQ(message_of([&] { regroup_sources(trace, 3); }),
            "[regroup_sources] num_ranks (3) must divide num_sources (4)");
  EXPECT_EQ(message_of([&] { regroup_sources(trace, 0); }),
            "[regroup_sources] num_ranks (0) must divide num_sources (4)");
}

TEST(TraceTest, RegroupRefusesSumsBeyondThirtyOneBits) {
  Trace trace = numbered_trace(1, 1, 2, 1);
  trace.counts = {2147483647, 1};
  EXPECT_EQ(message_of([&] { regroup_sources(trace, 1); }),
            "[regroup_sources] the sum of expert 0 must stay below 2^31");
}

TEST(TraceTest, SelectsLayersInTheGivenOrder) {
  const Trace trace = numbered_trace(2, 3, 1, 2);
  const std::vector<int> layers = {2, 0, 2};
  const Trace selected = select_layers(trace, layers);
  EXPECT_EQ(selected.num_layers, 3);
  EXPECT_EQ(selected.counts, (std::vector<Tokens>{200, 201, 0, 1, 200, 201, 1200, 1201, 1000, 1001, 1200, 1201}));
  const std::vector<int> outside = {0, 3};
  EXPECT_EQ(message_of([&] { select_layers(trace, outside); }), "[select_layers] layer (3) must be in 0..2");
}

}  // namespace
}  // namespace lplb
