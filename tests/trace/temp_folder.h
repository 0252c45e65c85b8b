#pragma once

// A folder that lives as long as the test, and messages of errors.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "lplb/error.h"
#include "trace/bytes.h"

namespace lplb {

class TempFolder {
 public:
  TempFolder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(testing::TempDir()) / (std::string(test->test_suite_name()) + "." + test->name());
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() { std::filesystem::remove_all(path_); }

  std::string path(const std::string& name) const { return (path_ / name).string(); }

  /// Writes a file and gives its path.
  std::string write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    write_bytes(path(name), as_byte_span(text));
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

/// What `body` throws, as text; of class E and no other.
template <class E, class Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const E& error) {
    return error.what();
  }
  return "no error";
}

/// A file of the fuzzers' corpus: small files as NumPy and others write them.
inline std::string corpus(const std::string& name) {
  return std::string(LPLB_SOURCE_DIR) + "/tests/fuzz/corpus/" + name;
}

}  // namespace lplb
