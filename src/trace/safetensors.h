#pragma once

// safetensors files, and TensorRT-LLM's expert statistics, which are a folder of them.

#include <map>
#include <utility>

#include "lplb/trace.h"
#include "trace/array_file.h"
#include "trace/json_reader.h"

namespace lplb {

/// A safetensors file whose header is checked: tensors lie side by side and fill the data. Views `bytes`.
class SafetensorsFile {
 public:
  /// Throws DataError.
  SafetensorsFile(ByteSpan bytes, std::string source);

  const std::vector<TensorInfo>& tensors() const { return infos_; }
  /// Throws DataError on a type other than integers of 8 to 64 bits and floats of 32 or 64.
  NdArray read(const TensorInfo& info) const;

 private:
  std::string source_;
  ByteSpan data_;
  std::vector<TensorInfo> infos_;
};

/// Counts of one rank: [num_experts] by (iteration, layer).
using RankStatistics = std::map<std::pair<int, int>, NdArray>;

/// True when every tensor is named "{iteration}_{layer}".
bool is_rank_statistics(const SafetensorsFile& file);
RankStatistics read_rank_statistics(const SafetensorsFile& file, const std::string& source);

/// One trace from the statistics of ranks 0.. (one source rank each): iterations and layers in ascending order. A key
/// that a rank lacks counts as no tokens; one that all lack is refused. Throws DataError.
Trace merge_rank_statistics(const std::vector<RankStatistics>& ranks, std::size_t num_experts,
                            const std::string& source);

/// A folder with meta_info.json and rank0.safetensors, rank1.safetensors, ... Throws DataError.
Trace read_statistics_folder(const std::string& path);

}  // namespace lplb
