#pragma once

// Loads as batches: what a placement that is chosen for the split needs of a trace.

#include <span>
#include <string>
#include <vector>

#include "lplb/trace_io.h"

namespace lplb::cli {

struct LayerWindows {
  int num_layers = 0;
  int num_batches = 0;
  int num_experts = 0;
  std::vector<Tokens> counts = {};  // [L, T, E]; every batch has a token

  std::span<const Tokens> layer(int l) const {
    const std::size_t size = static_cast<std::size_t>(num_batches) * num_experts;
    return std::span(counts).subspan(l * size, size);
  }
  /// Sums over the batches of a layer. [E]
  std::vector<double> load(int l) const;
};

/// The last `window` steps of a trace (0 = all), summed over sources; an array of loads without steps, whole or not, is
/// one batch. A batch without a token repeats the one before it; a layer without any has equal loads. Throws DataError.
LayerWindows read_windows(const std::string& path, const ReadTraceOptions& reading, int window);

/// Loads as tokens: as they are when they are whole and few enough, else scaled to 2^30 in total.
std::vector<Tokens> to_tokens(std::span<const double> load);

}  // namespace lplb::cli
