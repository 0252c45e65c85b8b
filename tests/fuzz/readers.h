#pragma once

// The readers under test, each on bytes that nobody has checked. A reader may refuse with DataError, or give something
// valid; anything else that it throws leaves here and counts as a failure.

#include <array>
#include <cstdlib>
#include <numeric>
#include <string>
#include <string_view>

#include "lplb/error.h"
#include "trace/trace_parsers.h"

namespace lplb::fuzz {

/// Ends the process; unlike assert in every build, and seen by libFuzzer.
inline void require(bool ok) {
  if (!ok) {
    std::abort();
  }
}

inline void require_valid(const Trace& trace) {
  require(trace.num_steps >= 1 && trace.num_layers >= 1 && trace.num_sources >= 1 && trace.num_experts >= 1);
  require(trace.num_sources <= kMaxRanks && trace.num_experts <= kMaxLogical);
  const std::size_t block = static_cast<std::size_t>(trace.num_sources) * trace.num_experts;
  require(trace.counts.size() == block * trace.num_layers * trace.num_steps);
  for (int step = 0; step < trace.num_steps; ++step) {
    for (int layer = 0; layer < trace.num_layers; ++layer) {
      std::int64_t sum = 0;
      for (const Tokens count : trace.at(step, layer)) {
        require(count >= 0);
        sum += count;
      }
      require(sum < std::int64_t{1} << 31);
    }
  }
}

inline void require_valid(const Loads& loads) {
  require(loads.num_layers >= 1 && loads.num_experts >= 1 && loads.num_experts <= kMaxLogical);
  require(loads.values.size() == static_cast<std::size_t>(loads.num_layers) * loads.num_experts);
  for (const float value : loads.values) {
    require(value >= 0.0F && value < std::numeric_limits<float>::infinity());
  }
}

template <class Read>
void read_or_refuse(Read&& read) {
  constexpr std::string_view kSource = "input: ";
  try {
    read();
  } catch (const DataError& error) {
    require(std::string_view(error.what()).starts_with(kSource));
    require(std::string_view(error.what()).find('\n') == std::string_view::npos);
  }
}

inline void read_trace_file(std::string_view extension, std::string_view text) {
  const ByteSpan bytes = as_byte_span(text);
  const ReadTraceOptions topk{.tokens_per_step = 1, .num_experts = 0, .array = "", .token_level = true};
  read_or_refuse([&] { require_valid(parse_trace(bytes, extension, "input")); });
  read_or_refuse([&] { require_valid(parse_trace(bytes, extension, "input", topk)); });
  read_or_refuse([&] { require_valid(parse_loads(bytes, extension, "input")); });
}

inline void read_npy(std::string_view text) { read_trace_file(".npy", text); }
inline void read_npz(std::string_view text) {
  read_trace_file(".npz", text);
  read_or_refuse([&] { parse_npz(as_byte_span(text), "input"); });
}
inline void read_csv(std::string_view text) { read_trace_file(".csv", text); }
inline void read_json(std::string_view text) { read_trace_file(".json", text); }
inline void read_safetensors(std::string_view text) { read_trace_file(".safetensors", text); }
inline void read_placement(std::string_view text) {
  for (const int num_ranks : {0, 2}) {
    read_or_refuse([&] {
      const ReadPlacementOptions options{.num_ranks = num_ranks, .num_nodes = 0, .num_logical = 0};
      const std::vector<Placement> layers = placements_from_json(std::string(text), "input", options);
      require(placements_from_json(placements_to_json(layers), "again") == layers);
    });
  }
}

struct Reader {
  const char* name;  // of its folder in corpus/
  void (*read)(std::string_view);
};
inline constexpr std::array kReaders = {Reader{"npy", read_npy},
                                        Reader{"npz", read_npz},
                                        Reader{"csv", read_csv},
                                        Reader{"json", read_json},
                                        Reader{"safetensors", read_safetensors},
                                        Reader{"placement", read_placement}};

}  // namespace lplb::fuzz
