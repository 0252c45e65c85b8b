#pragma once

// Recorded expert loads: a dense array of token counts.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lplb/types.h"

namespace lplb {

/// counts [num_steps, num_layers, num_sources, num_experts], row-major. num_sources is 1 when the trace does not say
/// which rank a token came from.
struct Trace {
  std::string name;
  int num_steps = 0;
  int num_layers = 0;
  int num_sources = 1;
  int num_experts = 0;
  std::vector<Tokens> counts;

  bool has_sources() const { return num_sources > 1; }
  /// [num_sources, num_experts] of one step and layer.
  std::span<const Tokens> at(int step, int layer) const {
    const std::size_t block = static_cast<std::size_t>(num_sources) * num_experts;
    return std::span<const Tokens>(counts).subspan((static_cast<std::size_t>(step) * num_layers + layer) * block,
                                                   block);
  }
};

/// Counts per expert of one step and layer, summed over sources, added into `total` [E].
void add_counts(const Trace& trace, int step, int layer, std::span<Tokens> total);

/// The same trace seen by num_ranks source ranks: consecutive sources are summed. Throws InvalidArgument when
/// num_sources is not a multiple of num_ranks.
Trace regroup_sources(const Trace& trace, int num_ranks);

/// Layers by index, in the given order. Throws InvalidArgument on an index outside the trace.
Trace select_layers(const Trace& trace, std::span<const int> layers);

}  // namespace lplb
