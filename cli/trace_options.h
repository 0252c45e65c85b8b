#pragma once

// Options of every subcommand that reads a trace, loads or a placement.

#include <CLI/CLI.hpp>

#include "lplb/trace_io.h"

namespace lplb::cli {

/// Adds --array, --token-level, --tokens-per-step and --experts.
void add_trace_options(CLI::App& command, ReadTraceOptions& options);

/// Adds --ranks and --nodes, for placement files that do not say.
void add_placement_options(CLI::App& command, ReadPlacementOptions& options);

/// What the files may be, for the help.
inline constexpr const char* kTraceFormats =
    "FILES\n"
    "  .npy, .npz, .csv, .json, .safetensors, or a folder of TensorRT-LLM statistics.\n"
    "  Counts: [steps, layers, experts], [steps, layers, source ranks, experts] or [layers, experts].\n"
    "  Token level: [tokens, layers, k], cut into steps of --tokens-per-step tokens; an array with \"topk\" in its "
    "name.\n";

}  // namespace lplb::cli
