// Batches from an aggregate: popularities make a random walk in their logarithms, tokens are drawn one by one from the
// cumulated popularities.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/rng.h"
#include "lplb/trace_io.h"

namespace lplb {
namespace {

void check_args(const Trace& aggregate, const DrawArgs& args) {
  constexpr const char* kName = "[draw_trace] ";
  check(aggregate.num_steps == 1 && aggregate.num_sources == 1, kName, "aggregate has ", aggregate.num_steps,
        " steps and ", aggregate.num_sources, " sources; it must have one of each");
  check(args.num_steps >= 1, kName, "num_steps (", args.num_steps, ") must be at least 1");
  check(args.tokens_per_step >= 1, kName, "tokens_per_step (", args.tokens_per_step, ") must be at least 1");
  check(args.drift >= 0 && args.drift <= 1, kName, "drift (", args.drift, ") must be in 0..1");
  constexpr std::int64_t kMostCounts = std::int64_t{1} << 28;
  const std::int64_t num_counts =
      static_cast<std::int64_t>(args.num_steps) * aggregate.num_layers * aggregate.num_experts;
  check(num_counts <= kMostCounts, kName, num_counts, " counts are too many; at most ", kMostCounts);
}

/// One step of one layer.
void draw_step(std::span<const double> popularity, int num_tokens, Rng& rng, std::span<Tokens> counts) {
  std::vector<double> cumulated(popularity.size());
  double sum = 0;
  std::ranges::transform(popularity, cumulated.begin(), [&sum](double p) { return sum += p; });
  if (!(sum > 0)) {
    return;
  }
  for (int token = 0; token < num_tokens; ++token) {
    const auto chosen = std::ranges::upper_bound(cumulated, rng.uniform() * sum);
    ++counts[std::min<std::ptrdiff_t>(chosen - cumulated.begin(), static_cast<std::ptrdiff_t>(counts.size()) - 1)];
  }
}

}  // namespace

Trace draw_trace(const Trace& aggregate, const DrawArgs& args) {
  check_args(aggregate, args);
  Trace trace{.name = aggregate.name,
              .num_steps = args.num_steps,
              .num_layers = aggregate.num_layers,
              .num_sources = 1,
              .num_experts = aggregate.num_experts,
              .counts = {}};
  const auto num_experts = static_cast<std::size_t>(aggregate.num_experts);
  trace.counts.assign(args.num_steps * aggregate.counts.size(), 0);
  for (int layer = 0; layer < aggregate.num_layers; ++layer) {
    Rng rng(mix64(args.seed) + static_cast<std::uint64_t>(layer));
    const auto shown = aggregate.at(0, layer);
    std::vector<double> popularity(shown.begin(), shown.end());
    for (int step = 0; step < args.num_steps; ++step) {
      const std::size_t begin = (static_cast<std::size_t>(step) * aggregate.num_layers + layer) * num_experts;
      draw_step(popularity, args.tokens_per_step, rng, std::span(trace.counts).subspan(begin, num_experts));
      for (double& p : popularity) {
        p *= std::exp(args.drift * rng.normal());
      }
    }
  }
  return trace;
}

}  // namespace lplb
