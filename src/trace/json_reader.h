#pragma once

// JSON files read event by event, so that a document costs no more memory than the numbers that are kept of it.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "trace/array_file.h"

namespace lplb {

/// What was kept of a document: of its top object, by key; of a top array, under the key "".
struct JsonFields {
  std::map<std::string, NdArray> arrays;  // rectangular, of numbers: int64, or double where one has a fraction
  std::map<std::string, std::int64_t> integers;
  std::map<std::string, std::string> texts;
};

/// Keeps the fields in `wanted` ("" = a top array) and passes over all others. Throws DataError on malformed JSON, on
/// a key given twice, and when a wanted array is ragged or holds something else than numbers.
JsonFields parse_json_fields(std::string_view text, const std::vector<std::string>& wanted, const std::string& source);

/// One tensor of a safetensors header.
struct TensorInfo {
  std::string name;
  std::string dtype;
  std::vector<std::size_t> shape;
  std::vector<std::size_t> data_offsets;  // begin and end, from the end of the header
};

/// The header of a safetensors file: {"name": {"dtype": "I64", "shape": [..], "data_offsets": [begin, end]}, ..}.
/// "__metadata__" is passed over. Throws DataError.
std::vector<TensorInfo> parse_tensor_infos(std::string_view text, const std::string& source);

}  // namespace lplb
