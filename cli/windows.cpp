// Batches of each layer from a file. Counts are a trace; loads that are not counts are tried as one batch of a layer.

#include "windows.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lplb/error.h"

namespace lplb::cli {
namespace {

bool has_token(std::span<const Tokens> batch) {
  return std::ranges::any_of(batch, [](Tokens tokens) { return tokens > 0; });
}

/// `layer` [T, E].
void fill_empty_batches(std::span<Tokens> layer, std::size_t num_experts) {
  std::span<const Tokens> last = {};
  for (std::size_t begin = 0; begin < layer.size() && last.empty(); begin += num_experts) {
    const auto batch = layer.subspan(begin, num_experts);
    last = has_token(batch) ? batch : last;
  }
  if (last.empty()) {
    std::ranges::fill(layer, 1);
    return;
  }
  for (std::size_t begin = 0; begin < layer.size(); begin += num_experts) {
    const auto batch = layer.subspan(begin, num_experts);
    if (!has_token(batch)) {
      std::ranges::copy(last, batch.begin());
    }
    last = batch;
  }
}

LayerWindows windows_of_trace(const Trace& trace, int window) {
  const int num_batches = window == 0 ? trace.num_steps : std::min(window, trace.num_steps);
  LayerWindows windows{.num_layers = trace.num_layers, .num_batches = num_batches, .num_experts = trace.num_experts};
  const auto num_experts = static_cast<std::size_t>(trace.num_experts);
  windows.counts.assign(static_cast<std::size_t>(trace.num_layers) * num_batches * num_experts, 0);
  std::span<Tokens> rest = windows.counts;
  for (int layer = 0; layer < trace.num_layers; ++layer) {
    for (int step = trace.num_steps - num_batches; step < trace.num_steps; ++step) {
      add_counts(trace, step, layer, rest.first(num_experts));
      rest = rest.subspan(num_experts);
    }
  }
  return windows;
}

LayerWindows windows_of_loads(const Loads& loads) {
  LayerWindows windows{.num_layers = loads.num_layers, .num_batches = 1, .num_experts = loads.num_experts};
  for (auto begin = loads.values.begin(); begin != loads.values.end(); begin += loads.num_experts) {
    const std::vector<Tokens> tokens = to_tokens(std::vector<double>(begin, begin + loads.num_experts));
    windows.counts.insert(windows.counts.end(), tokens.begin(), tokens.end());
  }
  return windows;
}

LayerWindows read_unfilled(const std::string& path, const ReadTraceOptions& reading, int window) {
  try {
    return windows_of_trace(read_trace(path, reading), window);
  } catch (const DataError&) {
    return windows_of_loads(read_loads(path, reading));  // fails with the better reason where there are no loads either
  }
}

}  // namespace

std::vector<double> LayerWindows::load(int l) const {
  std::vector<double> sums(num_experts, 0);
  const auto batches = layer(l);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    sums[i % sums.size()] += batches[i];
  }
  return sums;
}

LayerWindows read_windows(const std::string& path, const ReadTraceOptions& reading, int window) {
  LayerWindows windows = read_unfilled(path, reading, window);
  const std::size_t size = static_cast<std::size_t>(windows.num_batches) * windows.num_experts;
  for (std::size_t begin = 0; begin < windows.counts.size(); begin += size) {
    fill_empty_batches(std::span(windows.counts).subspan(begin, size), windows.num_experts);
  }
  return windows;
}

std::vector<Tokens> to_tokens(std::span<const double> load) {
  constexpr double kMost = 0x1p30;
  const double total = std::accumulate(load.begin(), load.end(), 0.0);
  const bool whole = total <= kMost && std::ranges::all_of(load, [](double w) { return w == std::floor(w); });
  const double scale = whole || total <= 0 ? 1.0 : kMost / total;
  std::vector<Tokens> tokens;
  std::ranges::transform(load, std::back_inserter(tokens),
                         [scale](double w) { return static_cast<Tokens>(std::llround(w * scale)); });
  return tokens;
}

}  // namespace lplb::cli
