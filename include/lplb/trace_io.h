#pragma once

// Reading and writing traces and placements as files. No file is trusted: a malformed one raises DataError with one
// clear sentence that starts with the path, and memory stays within a small multiple of the file's size.

#include <cstdint>
#include <string>
#include <vector>

#include "lplb/placement.h"
#include "lplb/trace.h"
#include "lplb/trace_suite.h"

namespace lplb {

struct ReadTraceOptions {
  /// Token-level files ([tokens, layers, k], or one [tokens, k] array a layer): tokens per step, at least 1.
  int tokens_per_step = 1024;
  /// Token-level files: number of experts; 0 = largest id + 1.
  int num_experts = 0;
  /// Array inside an .npz, .json or .safetensors; empty = "counts", else "topk", else "layer0".."layerN", else the only
  /// array.
  std::string array;
  /// Take the array as token level whatever its name is.
  bool token_level = false;
};

/// Reads by extension: .npy, .npz, .csv, .json, .safetensors, or a directory with TensorRT-LLM's meta_info.json and
/// rank*.safetensors (each rank is a source). Throws DataError.
///
/// Shapes: counts [steps, layers, experts], [steps, layers, sources, experts], [layers, experts] or [experts] (one
/// step); token level [tokens, layers, k], or [tokens, k] a layer, ids with -1 for "no expert". An array is token level
/// when `topk` stands in its name as a word ("topk", "topk_ids", "law_topk"), when it is called "layer" and a number,
/// or when the options say so; an .npy or .csv has the name of its file. Tokens are cut into steps in their order; a
/// last step of fewer tokens is left out, unless it is the only one.
///
/// CSV: a header with the columns step, layer, expert, count and perhaps source, in any order, then a line a count
/// (steps and layers in ascending order of their numbers, what is missing counts 0); or a matrix [layers, experts] with
/// a header of other names or none. JSON: nested arrays, or {"name": "...", "counts": nested arrays}.
///
/// Refused: counts that are negative, not whole or NaN, counts of a step and layer that sum to 2^31 or more, and what
/// passes a limit of types.h. An .npz may inflate to 64 MiB or to 128 times its size, whatever is more.
Trace read_trace(const std::string& path, const ReadTraceOptions& options = {});

/// Writes by extension: .npz (deflated, int32, array "counts"), .npy, .csv (long form), .json. Throws InvalidArgument
/// on another extension or a trace whose counts do not fit its shape, DataError when the file cannot be written.
void write_trace(const Trace& trace, const std::string& path);

/// One array of loads [L, E] or [E] (whole or not, finite, not negative) for `place`; a trace file gives the sum over
/// its steps and sources.
struct Loads {
  int num_layers = 0;
  int num_experts = 0;
  std::vector<float> values;  // [L, E]
};
/// Files and shapes as read_trace. Throws DataError.
Loads read_loads(const std::string& path, const ReadTraceOptions& options = {});

enum class PlacementForm {
  /// "physical_to_logical_map" [L, P], and "num_logical_experts", "num_ranks", "num_nodes" to complete it.
  kComplete,
  /// "physical_to_logical_map" alone: what SGLang's --init-expert-location takes (it refuses a file with other keys).
  kSglang,
};

/// What a placement file may leave out, as SGLang's do. 0 = as the file says; then num_ranks must stand there,
/// num_nodes is 1 and num_logical the largest id + 1. Where both say something they must agree.
struct ReadPlacementOptions {
  int num_ranks = 0;
  int num_nodes = 0;
  int num_logical = 0;
};

/// Placements of all layers as JSON. Throws InvalidArgument when there are none, when they differ in shape, or, for
/// SGLang, when a slot is empty.
std::string placements_to_json(const std::vector<Placement>& layers, PlacementForm form = PlacementForm::kComplete);
/// Throws DataError that starts with `source_name`. A map with -1 (empty slots), and one of a single layer without the
/// outer brackets, are read too.
std::vector<Placement> placements_from_json(const std::string& text, const std::string& source_name,
                                            const ReadPlacementOptions& options = {});
std::vector<Placement> read_placements(const std::string& path, const ReadPlacementOptions& options = {});
void write_placements(const std::vector<Placement>& layers, const std::string& path,
                      PlacementForm form = PlacementForm::kComplete);

/// Synthetic loads for trials. Each layer has its own popularity of experts, which all sources share; each source's
/// counts scatter about it as drawn tokens would, and sum to tokens_per_source exactly.
struct SynthArgs {
  int num_steps = 32;
  int num_layers = 1;
  int num_sources = 1;
  int num_experts = 256;
  int tokens_per_source = 4096;  // token-expert pairs per step, layer and source
  double skew = 1.0;             // sigma of the log-normal expert popularity, 0..4; 0 = flat
  double drift = 0.0;            // share of the popularity that changes from one step to the next, 0..1
  std::uint64_t seed = 0;
};
/// Integer arithmetic throughout, so that a seed gives the same trace on every machine. O(counts). Throws
/// InvalidArgument.
Trace synthesize_trace(const SynthArgs& args);

/// Batches drawn from the popularity that an aggregate shows.
struct DrawArgs {
  int num_steps = 32;
  int tokens_per_step = 65536;  // token-expert pairs of a step and layer
  double drift = 0.0;           // standard deviation of what is added to the logarithm of each popularity at each step
  std::uint64_t seed = 0;
};
/// `aggregate` has one step. Each step draws its tokens one by one (multinomial noise) from the popularities, which
/// make a random walk; an expert without a token in the aggregate never gets one. O(tokens log E). Throws
/// InvalidArgument.
Trace draw_trace(const Trace& aggregate, const DrawArgs& args);

/// Reads a suite of traces: {"traces": [entry, ..]}, where an entry has
///   "name"            how results call it
///   "file" | "files"  a path, or several whose steps follow each other; relative to `root`, or, where that is empty,
///                     to the suite's own folder
///   "array", "tokens_per_step", "experts", "token_level"   as ReadTraceOptions
///   "steps"           [first, end]: part of the steps; negative ones count from the end, null = to the end
///   "layers"          [0, 8, ..]: part of the layers
///   "draw"            {"steps", "tokens", "drift", "seed"}: batches drawn from the file's one step, as DrawArgs
///   "changes", "drifts"  true or false, as SuiteTrace
/// Throws DataError.
std::vector<SuiteTrace> read_trace_suite(const std::string& path, const std::string& root = {});

}  // namespace lplb
