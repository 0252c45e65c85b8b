// Synthetic traces: exact sums, the same numbers everywhere, and the statistics that their arguments promise.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/rng.h"
#include "lplb/trace_io.h"
#include "temp_folder.h"

namespace lplb {
namespace {

/// Correlation of the counts of two steps of layer 0, source 0.
double correlation(const Trace& trace, int step_a, int step_b) {
  const auto a = trace.at(step_a, 0);
  const auto b = trace.at(step_b, 0);
  const double n = trace.num_experts;
  double sum_a = 0, sum_b = 0, sum_aa = 0, sum_bb = 0, sum_ab = 0;
  for (int e = 0; e < trace.num_experts; ++e) {
    const double x = a[e];
    const double y = b[e];
    sum_a += x;
    sum_b += y;
    sum_aa += x * x;
    sum_bb += y * y;
    sum_ab += x * y;
  }
  return (n * sum_ab - sum_a * sum_b) / std::sqrt((n * sum_aa - sum_a * sum_a) * (n * sum_bb - sum_b * sum_b));
}

RC_GTEST_PROP(SynthesizeTraceTest, EverySourceSendsItsTokens, ()) {
  const SynthArgs args{.num_steps = *rc::gen::inRange(1, 4),
                       .num_layers = *rc::gen::inRange(1, 4),
                       .num_sources = *rc::gen::inRange(1, 4),
                       .num_experts = *rc::gen::inRange(1, 40),
                       .tokens_per_source = *rc::gen::inRange(0, 10000),
                       .skew = *rc::gen::inRange(0, 41) / 10.0,
                       .drift = *rc::gen::inRange(0, 11) / 10.0,
                       .seed = *rc::gen::arbitrary<std::uint64_t>()};
  const Trace trace = synthesize_trace(args);
  const std::size_t num_experts = args.num_experts;
  RC_ASSERT(trace.counts.size() == num_experts * args.num_sources * args.num_layers * args.num_steps);
  for (std::size_t row = 0; row < trace.counts.size(); row += num_experts) {
    const auto counts = std::span(trace.counts).subspan(row, num_experts);
    RC_ASSERT(std::ranges::all_of(counts, [](Tokens count) { return count >= 0; }));
    RC_ASSERT(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}) == args.tokens_per_source);
  }
}

TEST(SynthesizeTraceTest, IsTheSameEverywhere) {
  // Recorded once; a machine or compiler that gives other numbers breaks the promise of the header.
  const SynthArgs args{.num_steps = 3, .num_layers = 2, .num_sources = 2, .num_experts = 64, .drift = 0.25, .seed = 7};
  std::uint64_t digest = 0;
  for (const Tokens count : synthesize_trace(args).counts) {
    digest = mix64(digest + static_cast<std::uint64_t>(count) + 1);
  }
  EXPECT_EQ(digest, 2607538128630357271U);
}

/// Standard deviation of the logarithms of the counts; half a token keeps the logarithm of none finite.
double sigma_of_logarithms(std::span<const Tokens> counts) {
  double sum = 0;
  double sum_of_squares = 0;
  for (const Tokens count : counts) {
    const double logarithm = std::log(static_cast<double>(count) + 0.5);
    sum += logarithm;
    sum_of_squares += logarithm * logarithm;
  }
  const double mean = sum / static_cast<double>(counts.size());
  return std::sqrt(sum_of_squares / static_cast<double>(counts.size()) - mean * mean);
}

TEST(SynthesizeTraceTest, SkewIsTheSigmaOfTheLogarithm) {
  // Of 4096 drawn values the standard deviation is off by 1.1% itself, so the mean over several layers is judged.
  for (const double skew : {0.0, 0.5, 1.0, 2.0}) {
    const int num_layers = 4;
    const Trace trace = synthesize_trace({.num_steps = 1,
                                          .num_layers = num_layers,
                                          .num_sources = 1,
                                          .num_experts = 4096,
                                          .tokens_per_source = 1 << 30,
                                          .skew = skew});
    double sigma = 0;
    for (int layer = 0; layer < num_layers; ++layer) {
      sigma += sigma_of_logarithms(trace.at(0, layer)) / num_layers;
    }
    EXPECT_NEAR(sigma, skew, 0.05);
  }
}

TEST(SynthesizeTraceTest, CountsScatterLikeDrawnTokens) {
  // Flat popularity: each count has mean and, nearly, variance 1000.
  const Trace trace = synthesize_trace({.num_steps = 1,
                                        .num_layers = 1,
                                        .num_sources = 1,
                                        .num_experts = 4096,
                                        .tokens_per_source = 4096000,
                                        .skew = 0.0});
  double sum_of_squares = 0;
  for (const Tokens count : trace.counts) {
    sum_of_squares += (count - 1000.0) * (count - 1000.0);
  }
  EXPECT_NEAR(sum_of_squares / 4096, 1000, 100);
}

TEST(SynthesizeTraceTest, DriftChangesThePopularity) {
  SynthArgs args{.num_steps = 9, .num_layers = 1, .num_sources = 1, .num_experts = 1024, .tokens_per_source = 1 << 24};
  args.skew = 0.5;
  EXPECT_GT(correlation(synthesize_trace(args), 0, 8), 0.99);
  args.drift = 0.1;
  const Trace slow = synthesize_trace(args);
  EXPECT_NEAR(correlation(slow, 0, 1), 0.9, 0.05);
  EXPECT_NEAR(correlation(slow, 0, 8), 0.43, 0.12);
  args.drift = 1.0;
  EXPECT_NEAR(correlation(synthesize_trace(args), 0, 1), 0.0, 0.12);
}

TEST(SynthesizeTraceTest, SeedsAndLayersDiffer) {
  const Trace trace = synthesize_trace({.num_steps = 1, .num_layers = 2, .seed = 1});
  EXPECT_FALSE(std::ranges::equal(trace.at(0, 0), trace.at(0, 1)));
  EXPECT_NE(trace.counts, synthesize_trace({.num_steps = 1, .num_layers = 2, .seed = 2}).counts);
}

TEST(SynthesizeTraceTest, RefusesArgumentsOutOfRange) {
  const auto refusal = [](const SynthArgs& args) {
    return message_of<InvalidArgument>([&] { synthesize_trace(args); });
  };
  EXPECT_EQ(refusal({.num_steps = 0}), "[synthesize_trace] num_steps (0) must be in 1..16777216");
  EXPECT_EQ(refusal({.num_layers = 0}), "[synthesize_trace] num_layers (0) must be in 1..65536");
  EXPECT_EQ(refusal({.num_sources = 1025}), "[synthesize_trace] num_sources (1025) must be in 1..1024");
  EXPECT_EQ(refusal({.num_experts = 4097}), "[synthesize_trace] num_experts (4097) must be in 1..4096");
  EXPECT_EQ(
      refusal({.num_sources = 2, .tokens_per_source = 1 << 30}),
      "[synthesize_trace] tokens_per_source (1073741824) must not be negative, and with num_sources (2) stay below "
      "2^31");
  EXPECT_EQ(refusal({.tokens_per_source = -1}).substr(0, 42), "[synthesize_trace] tokens_per_source (-1) ");
  EXPECT_EQ(refusal({.skew = -0.5}), "[synthesize_trace] skew (-0.5) must be in 0..4");
  EXPECT_EQ(refusal({.skew = std::nan("")}), "[synthesize_trace] skew (nan) must be in 0..4");
  EXPECT_EQ(refusal({.drift = 1.5}), "[synthesize_trace] drift (1.5) must be in 0..1");
  EXPECT_EQ(refusal({.num_steps = 1 << 24, .num_layers = 1 << 16}),
            "[synthesize_trace] a trace of 16777216 x 65536 x 1 x 256 counts must stay below 2^32");
}

}  // namespace
}  // namespace lplb
