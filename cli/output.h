#pragma once

// Where a subcommand's words go: text to stdout, --json to a file or alone to stdout, progress to a terminal's stderr.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace lplb::cli {

using Json = nlohmann::ordered_json;

/// Writes `text` to a file, or to stdout for "-". Throws DataError when it cannot.
void write_text(const std::string& path, const std::string& text);

/// The whole file. Throws DataError.
std::string read_text(const std::string& path);

class Output {
 public:
  /// Adds --json to a subcommand.
  void add_option(CLI::App& command);

  /// Text for people. Kept back until finish(), and dropped when stdout belongs to JSON or to a file's contents.
  template <class... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    text_ += fmt::format(format, std::forward<Args>(args)...);
  }
  void print_raw(const std::string& text) { text_ += text; }

  /// Stdout carries `contents` alone, for "--out -". Throws InvalidArgument when --json has it already.
  void claim_stdout(std::string contents);

  /// Writes everything, so that a failure before leaves stdout empty.
  void finish(const std::string& json);
  void finish(const Json& json) { finish(json.dump(2)); }

  /// Whether marks in the text may be coloured: stdout is a terminal and NO_COLOR is not set.
  static bool color();

 private:
  std::string json_path_;
  std::string text_;
  std::string contents_;
  bool stdout_claimed_ = false;
};

/// A line on stderr that counts up, when stderr is a terminal.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void show(std::int64_t done, std::int64_t total);

 private:
  std::string what_;
  bool visible_;
  int percent_ = -1;
};

}  // namespace lplb::cli
