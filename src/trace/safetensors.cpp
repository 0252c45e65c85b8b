// safetensors: eight bytes of header length, a JSON header, then the tensors' bytes without gaps. Source: the README of
// the safetensors project, "Format". A file whose tensors overlap is refused, so that all of them together are never
// larger than the file.

#include "trace/safetensors.h"

#include <algorithm>

#include "trace/data_error.h"

namespace lplb {
namespace {

/// Kind and size of a type, or size 0 for one that holds no plain numbers.
std::pair<char, int> number_type(const std::string& dtype) {
  const std::string_view code = dtype;
  const std::string_view bits = code.substr(std::min<std::size_t>(1, code.size()));
  const int item_bytes = bits == "8" ? 1 : bits == "16" ? 2 : bits == "32" ? 4 : bits == "64" ? 8 : 0;
  switch (code.empty() ? '?' : code[0]) {
    case 'I':
      return {'i', item_bytes};
    case 'U':
      return {'u', item_bytes};
    case 'F':
      return {'f', item_bytes >= 4 ? item_bytes : 0};
    default:
      return {'?', 0};
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(ByteSpan bytes, std::string source) : source_(std::move(source)) {
  check_data(bytes.size() >= 8, source_, "it is too short for a safetensors file");
  const auto header_bytes = load_le<std::uint64_t>(bytes, 0);
  check_data(header_bytes <= bytes.size() - 8, source_, "its header of ", header_bytes,
             " bytes does not fit into the file");
  infos_ = parse_tensor_infos(as_text(bytes.subspan(8, header_bytes)), source_);
  data_ = bytes.subspan(8 + header_bytes);

  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  for (const TensorInfo& info : infos_) {
    ranges.emplace_back(info.data_offsets[0], info.data_offsets[1]);
  }
  std::ranges::sort(ranges);
  std::size_t end = 0;
  for (const auto& range : ranges) {
    check_data(range.first == end && range.second >= end, source_, "its tensors overlap or leave gaps");
    end = range.second;
  }
  check_data(end == data_.size(), source_, "its tensors take ", end, " bytes, but ", data_.size(),
             " follow the header");
}

NdArray SafetensorsFile::read(const TensorInfo& info) const {
  const auto [kind, item_bytes] = number_type(info.dtype);
  check_data(item_bytes > 0, source_, "tensor \"", printable(info.name), "\" has type \"", printable(info.dtype),
             "\"; integers of 8 to 64 bits and floats of 32 or 64 bits can be read");
  const std::size_t num_bytes = info.data_offsets[1] - info.data_offsets[0];
  check_data(std::cmp_equal(array_bytes(info.shape, item_bytes), num_bytes), source_, "tensor \"", printable(info.name),
             "\" has shape ", shape_text(info.shape), " of ", item_bytes, "-byte values, but ", num_bytes, " bytes");
  const ByteSpan values = data_.subspan(info.data_offsets[0], num_bytes);
  return {.name = info.name,
          .source = source_,
          .shape = info.shape,
          .kind = kind,
          .item_bytes = item_bytes,
          .bytes = {values.begin(), values.end()}};
}

}  // namespace lplb
