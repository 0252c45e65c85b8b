// Views of a recorded trace: sums over sources, sources merged, layers picked.

#include "lplb/trace.h"

#include <limits>
#include <utility>

#include "base/check.h"

namespace lplb {

void add_counts(const Trace& trace, int step, int layer, std::span<Tokens> total) {
  check(step >= 0 && step < trace.num_steps, "[add_counts] step (", step, ") must be in 0..", trace.num_steps - 1);
  check(layer >= 0 && layer < trace.num_layers, "[add_counts] layer (", layer, ") must be in 0..",
        trace.num_layers - 1);
  check(std::cmp_equal(total.size(), trace.num_experts), "[add_counts] total has ", total.size(),
        " experts; it must have num_experts (", trace.num_experts, ")");
  const std::span<const Tokens> counts = trace.at(step, layer);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    Tokens& sum = total[i % total.size()];
    check(counts[i] <= std::numeric_limits<Tokens>::max() - sum, "[add_counts] the sum of expert ", i % total.size(),
          " must stay below 2^31");
    sum += counts[i];
  }
}

Trace regroup_sources(const Trace& trace, int num_ranks) {
  check(num_ranks >= 1 && trace.num_sources % num_ranks == 0, "[regroup_sources] num_ranks (", num_ranks,
        ") must divide num_sources (", trace.num_sources, ")");
  const std::size_t num_experts = trace.num_experts;
  const std::size_t merged = static_cast<std::size_t>(trace.num_sources / num_ranks) * num_experts;
  Trace result = trace;
  result.num_sources = num_ranks;
  if (merged == 0) {
    return result;
  }
  result.counts.assign(trace.counts.size() / merged * num_experts, 0);
  for (std::size_t i = 0; i < trace.counts.size(); ++i) {
    Tokens& sum = result.counts[i / merged * num_experts + i % num_experts];
    check(trace.counts[i] <= std::numeric_limits<Tokens>::max() - sum, "[regroup_sources] the sum of expert ",
          i % num_experts, " must stay below 2^31");
    sum += trace.counts[i];
  }
  return result;
}

Trace select_layers(const Trace& trace, std::span<const int> layers) {
  Trace result{.name = trace.name,
               .num_steps = trace.num_steps,
               .num_layers = static_cast<int>(layers.size()),
               .num_sources = trace.num_sources,
               .num_experts = trace.num_experts,
               .counts = {}};
  for (const int layer : layers) {
    check(layer >= 0 && layer < trace.num_layers, "[select_layers] layer (", layer, ") must be in 0..",
          trace.num_layers - 1);
  }
  for (int step = 0; step < trace.num_steps; ++step) {
    for (const int layer : layers) {
      const std::span<const Tokens> counts = trace.at(step, layer);
      result.counts.insert(result.counts.end(), counts.begin(), counts.end());
    }
  }
  return result;
}

}  // namespace lplb
