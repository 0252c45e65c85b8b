// Reading one batch. The file may be a whole trace, [layers, experts], [source ranks, experts] or a single row.

#include "batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "lplb/error.h"
#include "text.h"

namespace lplb::cli {
namespace {

void check_index(const char* option, int index, int count, const std::string& what) {
  if (index < 0 || index >= count) {
    throw InvalidArgument(fmt::format("{} ({}) must be in 0..{}, the {}", option, index, count - 1, what));
  }
}

}  // namespace

Batch read_batch(const BatchOptions& options, const std::vector<Placement>& layers) {
  Trace trace = read_trace(options.counts_path, options.reading);
  if (options.rows_are_sources) {
    if (trace.num_steps != 1 || trace.num_sources != 1) {
      throw InvalidArgument(
          fmt::format("--rows sources is for a file [source ranks, experts]; {} has {} steps, {} layers and {} sources",
                      options.counts_path, trace.num_steps, trace.num_layers, trace.num_sources));
    }
    trace.num_sources = std::exchange(trace.num_layers, 1);
  }
  const int num_placed = static_cast<int>(layers.size());
  const int placement_layer = num_placed == 1 ? 0 : options.layer;
  const int counts_layer = trace.num_layers == 1 ? 0 : options.layer;
  check_index("--layer", placement_layer, num_placed, "layers of the placement");
  check_index("--layer", counts_layer, trace.num_layers, "layers of the counts");
  check_index("--step", options.step, trace.num_steps, "steps of the counts");
  const int num_logical = layers[placement_layer].num_logical();
  if (trace.num_experts != num_logical) {
    throw InvalidArgument(
        fmt::format("{} counts {} experts, the placement has {}", options.counts_path, trace.num_experts, num_logical));
  }
  Batch batch{.placement_layer = placement_layer, .num_sources = trace.num_sources, .source_counts = {}, .counts = {}};
  const auto source_counts = trace.at(options.step, counts_layer);
  batch.source_counts.assign(source_counts.begin(), source_counts.end());
  std::vector<std::int64_t> sums(num_logical, 0);
  for (std::size_t i = 0; i < source_counts.size(); ++i) {
    sums[i % sums.size()] += source_counts[i];
  }
  const auto total = std::accumulate(sums.begin(), sums.end(), std::int64_t{0});
  if (!std::in_range<Tokens>(total)) {
    throw DataError(fmt::format("{}: the batch has {} tokens; that must be below 2^31", options.counts_path, total));
  }
  batch.counts.assign(sums.begin(), sums.end());
  return batch;
}

std::vector<Tokens> read_row(const std::string& path, int expected) {
  const Trace trace = read_trace(path);
  if (static_cast<int>(trace.counts.size()) != expected) {
    throw DataError(fmt::format("{}: has {} numbers; it must have {}", path, trace.counts.size(), expected));
  }
  return trace.counts;
}

std::vector<std::uint8_t> parse_dead(const std::string& text, int num_ranks) {
  std::vector<std::uint8_t> live(num_ranks, 1);
  for (const int rank : parse_indices("--dead", text)) {
    if (rank >= num_ranks) {
      throw InvalidArgument(fmt::format("--dead ({}) must be ranks in 0..{}", rank, num_ranks - 1));
    }
    live[rank] = 0;
  }
  if (std::ranges::count(live, 1) == 0) {
    throw InvalidArgument("--dead names every rank; one must live");
  }
  return live;
}

}  // namespace lplb::cli
