#pragma once

// One batch for `lplb split`: which layer and step of which file.

#include <string>
#include <vector>

#include "lplb/placement.h"
#include "lplb/trace_io.h"

namespace lplb::cli {

struct BatchOptions {
  std::string counts_path;
  ReadTraceOptions reading;
  bool rows_are_sources = false;  // of a two-dimensional file
  int layer = 0;
  int step = 0;
};

struct Batch {
  int placement_layer = 0;
  int num_sources = 1;
  std::vector<Tokens> source_counts;  // [num_sources, E]
  std::vector<Tokens> counts;         // [E] summed over sources
};

/// The batch that the options name, for placements of some layers. A file or a placement with one layer serves every
/// --layer. Throws DataError, InvalidArgument.
Batch read_batch(const BatchOptions& options, const std::vector<Placement>& layers);

/// Which ranks live when those in `text` ("3,17") are dead. [G] Throws InvalidArgument.
std::vector<std::uint8_t> parse_dead(const std::string& text, int num_ranks);

/// One row of whole numbers, such as a base load per rank. Throws DataError.
std::vector<Tokens> read_row(const std::string& path, int expected);

}  // namespace lplb::cli
