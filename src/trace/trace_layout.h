#pragma once

// From arrays to traces and loads: what the axes mean, and what the values may be.

#include <span>
#include <string>
#include <string_view>

#include "lplb/trace_io.h"
#include "trace/array_file.h"

namespace lplb {

/// True when an array of this name holds the router's choices: `topk` stands in it as a word of its own ("topk",
/// "topk_ids", "law_topk"), or it is "layer" and a number.
bool is_token_level_name(std::string_view name);

/// Counts [steps, layers, sources, experts], [steps, layers, experts], [layers, experts] or [experts]. Throws
/// DataError.
Trace counts_to_trace(const NdArray& counts);

/// The router's choices, cut into steps: one array [tokens, layers, k], or one array [tokens, k] a layer. Throws
/// DataError.
Trace topk_to_trace(std::span<const NdArray> layers, const ReadTraceOptions& options);

/// The same shapes as counts; whole or not. Summed over steps and sources. Throws DataError.
Loads values_to_loads(const NdArray& values);
Loads trace_to_loads(const Trace& trace);

/// Refuses an array so much larger than the `num_values` values that it is made of that a small file could take a large
/// memory: more than 64 times as many, and more than 2^24. Throws DataError.
void check_dense_size(const std::vector<std::size_t>& shape, std::size_t num_values, const std::string& source);

}  // namespace lplb
