#pragma once

// Arrays recorded from the reference implementations, by name. They live outside the repository; a test that needs them
// skips where they are absent.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "trace/array_file.h"

namespace lplb::testing {

/// A file of the shared folder, or nothing where it is absent.
inline std::optional<std::string> find_shared(const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(LPLB_SHARED_DIR) / name;
  return std::filesystem::exists(path) ? std::optional(path.string()) : std::nullopt;
}

class GoldenFile {
 public:
  explicit GoldenFile(const std::string& path) {
    for (NdArray& array : read_npz(path)) {
      std::string name = array.name;
      arrays_.emplace(std::move(name), std::move(array));
    }
  }
  bool has(const std::string& name) const { return arrays_.contains(name); }
  const NdArray& at(const std::string& name) const { return arrays_.at(name); }
  int dim(const std::string& name, std::size_t axis) const { return static_cast<int>(at(name).shape.at(axis)); }
  std::vector<std::int64_t> int64s(const std::string& name) const { return at(name).to_int64(); }
  std::vector<std::int32_t> ints(const std::string& name) const {
    const std::vector<std::int64_t> wide = int64s(name);
    return std::vector<std::int32_t>(wide.begin(), wide.end());
  }
  std::vector<float> floats(const std::string& name) const {
    const std::vector<double> wide = at(name).to_double();
    return std::vector<float>(wide.begin(), wide.end());
  }
  /// The names that end in "_<suffix>", without it, in alphabetical order: the cases of the file.
  std::vector<std::string> cases(const std::string& suffix) const {
    std::vector<std::string> result;
    for (const auto& [name, array] : arrays_) {
      if (name.ends_with("_" + suffix)) {
        result.push_back(name.substr(0, name.size() - suffix.size() - 1));
      }
    }
    return result;
  }

 private:
  std::map<std::string, NdArray> arrays_;
};

}  // namespace lplb::testing
