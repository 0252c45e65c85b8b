#pragma once

// Reading and writing traces and placements as files. No file is trusted: a malformed one raises DataError with one
// clear sentence, and memory stays within a small multiple of the file's size.

#include <cstdint>
#include <string>
#include <vector>

#include "lplb/placement.h"
#include "lplb/trace.h"

namespace lplb {

struct ReadTraceOptions {
  /// Token-level files ([tokens, layers, k], or one [tokens, k] array a layer): tokens per step.
  int tokens_per_step = 1024;
  /// Token-level files: number of experts; 0 = largest id + 1.
  int num_experts = 0;
  /// Array inside an .npz; empty = "counts", else "topk", else "layer0".."layerN", else the only array.
  std::string array;
};

/// Reads by extension: .npy, .npz, .csv, .json, .safetensors, or a directory with TensorRT-LLM's meta_info.json and
/// rank*.safetensors. Shapes [steps, layers, experts], [steps, layers, sources, experts], [layers, experts] (one step),
/// token level [tokens, layers, k]. Throws DataError.
Trace read_trace(const std::string& path, const ReadTraceOptions& options = {});

/// Writes by extension: .npz (deflated, int32, array "counts"), .npy, .csv, .json.
void write_trace(const Trace& trace, const std::string& path);

/// One array of loads [L, E] or [E] (float or int) for `place`; a trace file gives the sum over its steps.
struct Loads {
  int num_layers = 0;
  int num_experts = 0;
  std::vector<float> values;  // [L, E]
};
Loads read_loads(const std::string& path, const ReadTraceOptions& options = {});

/// Placements of all layers as JSON. "physical_to_logical_map" [L, P] is what SGLang's --init-expert-location takes;
/// "num_logical_experts", "num_ranks", "num_nodes" complete it.
std::string placements_to_json(const std::vector<Placement>& layers);
/// Throws DataError. A map with -1 (empty slots) is read too.
std::vector<Placement> placements_from_json(const std::string& text, const std::string& source_name);
std::vector<Placement> read_placements(const std::string& path);
void write_placements(const std::vector<Placement>& layers, const std::string& path);

/// Synthetic loads for trials: seeded, the same on every machine.
struct SynthArgs {
  int num_steps = 32;
  int num_layers = 1;
  int num_sources = 1;
  int num_experts = 256;
  int tokens_per_source = 4096;  // token-expert pairs per step, layer and source
  double skew = 1.0;             // sigma of the log-normal expert popularity; 0 = flat
  double drift = 0.0;            // share of the popularity that changes from one step to the next, 0..1
  std::uint64_t seed = 0;
};
Trace synthesize_trace(const SynthArgs& args);

}  // namespace lplb
