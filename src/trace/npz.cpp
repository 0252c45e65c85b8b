// NumPy's .npz: a ZIP file of .npy files, each named after its array. Entries of other kinds are passed over, as NumPy
// does not call them arrays either.

#include <algorithm>

#include "trace/array_file.h"
#include "trace/data_error.h"
#include "trace/zip.h"

namespace lplb {
namespace {

constexpr std::string_view kSuffix = ".npy";

bool is_array(const ZipEntry& entry) { return std::string_view(entry.name).ends_with(kSuffix); }

std::string array_name(const ZipEntry& entry) { return entry.name.substr(0, entry.name.size() - kSuffix.size()); }

NdArray extract_array(ByteSpan npz, const ZipEntry& entry, const std::string& source) {
  NdArray array = parse_npy(extract_zip(npz, entry, source), concat(source, ": \"", printable(entry.name), "\""));
  array.name = array_name(entry);
  array.source = source;
  return array;
}

}  // namespace

std::vector<std::string> list_npz(ByteSpan bytes, const std::string& source) {
  std::vector<std::string> names;
  for (const ZipEntry& entry : list_zip(bytes, source)) {
    if (is_array(entry)) {
      names.push_back(array_name(entry));
    }
  }
  return names;
}

NdArray parse_npz_array(ByteSpan bytes, const std::string& name, const std::string& source) {
  const std::vector<ZipEntry> entries = list_zip(bytes, source);
  const auto entry = std::ranges::find(entries, name + std::string(kSuffix), &ZipEntry::name);
  check_data(entry != entries.end(), source, "it holds no array \"", printable(name), "\"");
  return extract_array(bytes, *entry, source);
}

std::vector<NdArray> parse_npz(ByteSpan bytes, const std::string& source) {
  std::vector<NdArray> arrays;
  for (const ZipEntry& entry : list_zip(bytes, source)) {
    if (is_array(entry)) {
      arrays.push_back(extract_array(bytes, entry, source));
    }
  }
  return arrays;
}

std::vector<NdArray> read_npz(const std::string& path) {
  return with_data_errors(path, [&] { return parse_npz(read_bytes(path), path); });
}

}  // namespace lplb
