// Batches drawn from an aggregate: exact sums, the statistics that the arguments promise, and what is refused.

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "lplb/error.h"
#include "lplb/trace_io.h"

namespace lplb {
namespace {

Trace aggregate(std::vector<Tokens> counts, int num_layers) {
  const int num_experts = static_cast<int>(counts.size()) / num_layers;
  return {.name = "all",
          .num_steps = 1,
          .num_layers = num_layers,
          .num_sources = 1,
          .num_experts = num_experts,
          .counts = std::move(counts)};
}

std::string refusal(const Trace& trace, const DrawArgs& args) {
  try {
    draw_trace(trace, args);
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "no error";
}

TEST(DrawTrace, EveryStepHasItsTokens) {
  const Trace trace = draw_trace(aggregate({5, 0, 3, 0, 0, 0}, 2), {.num_steps = 3, .tokens_per_step = 1000});
  EXPECT_EQ(trace.num_steps, 3);
  EXPECT_EQ(trace.num_layers, 2);
  EXPECT_EQ(trace.num_experts, 3);
  for (int step = 0; step < 3; ++step) {
    const auto counts = trace.at(step, 0);
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), 1000);
    EXPECT_EQ(counts[1], 0);  // had none
    const auto idle = trace.at(step, 1);
    EXPECT_EQ(std::accumulate(idle.begin(), idle.end(), 0), 0);
  }
}

TEST(DrawTrace, WithoutDriftCountsScatterAsDrawnTokensDo) {
  constexpr int kSteps = 400;
  const Trace trace = draw_trace(aggregate({30, 10}, 1), {.num_steps = kSteps, .tokens_per_step = 1000, .seed = 3});
  double sum = 0;
  double squares = 0;
  for (int step = 0; step < kSteps; ++step) {
    const double count = trace.at(step, 0)[0];
    sum += count;
    squares += count * count;
  }
  const double mean = sum / kSteps;
  EXPECT_NEAR(mean, 750, 3);  // its standard deviation is 0.7
  EXPECT_NEAR(squares / kSteps - mean * mean, 1000 * 0.75 * 0.25, 40);
}

TEST(DrawTrace, DriftIsARandomWalkOfTheLogarithms) {
  const std::vector<Tokens> flat(200, 1);
  const Trace trace = draw_trace(aggregate(flat, 1), {.num_steps = 17, .tokens_per_step = 200'000, .drift = 0.05});
  const auto spread = [&](int step) {
    double squares = 0;
    for (const Tokens count : trace.at(step, 0)) {
      squares += std::pow(std::log(count / 1000.0), 2);
    }
    return std::sqrt(squares / 200);
  };
  EXPECT_NEAR(spread(0), 0.032, 0.006);  // the draw alone
  EXPECT_NEAR(spread(16), 4 * 0.05, 0.03);
}

TEST(DrawTrace, TheSeedDecides) {
  const Trace from = aggregate({3, 2, 1, 4}, 1);
  EXPECT_EQ(draw_trace(from, {.num_steps = 2, .tokens_per_step = 1000, .seed = 1}).counts,
            draw_trace(from, {.num_steps = 2, .tokens_per_step = 1000, .seed = 1}).counts);
  EXPECT_NE(draw_trace(from, {.num_steps = 2, .tokens_per_step = 1000, .seed = 1}).counts,
            draw_trace(from, {.num_steps = 2, .tokens_per_step = 1000, .seed = 2}).counts);
}

TEST(DrawTrace, Refuses) {
  Trace two = aggregate({1, 1}, 1);
  two.num_steps = 2;
  EXPECT_EQ(refusal(two, {}), "[draw_trace] aggregate has 2 steps and 1 sources; it must have one of each");
  const Trace from = aggregate({1, 1}, 1);
  EXPECT_EQ(refusal(from, {.num_steps = 0}), "[draw_trace] num_steps (0) must be at least 1");
  EXPECT_EQ(refusal(from, {.tokens_per_step = 0}), "[draw_trace] tokens_per_step (0) must be at least 1");
  EXPECT_EQ(refusal(from, {.drift = -0.5}), "[draw_trace] drift (-0.5) must be in 0..1");
  EXPECT_EQ(refusal(from, {.num_steps = 1 << 30}), "[draw_trace] 2147483648 counts are too many; at most 268435456");
}

}  // namespace
}  // namespace lplb
