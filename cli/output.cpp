// Output of a subcommand. Text is collected and written once at the end, and every write is checked: a full disk or a
// closed stdout is an error, not a silent half of a table.

#include "output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "lplb/error.h"

namespace lplb::cli {

void write_text(const std::string& path, const std::string& text) {
  if (path == "-") {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
      throw DataError("cannot write to standard output");
    }
    return;
  }
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file) {
    throw DataError(fmt::format("cannot write {}", path));
  }
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.is_open() || text.bad()) {
    throw DataError(fmt::format("cannot read {}", path));
  }
  return text.str();
}

void Output::add_option(CLI::App& command) {
  command.add_option("--json", json_path_, "Write the result as JSON to FILE; \"-\" prints JSON alone")
      ->type_name("FILE|-");
}

void Output::claim_stdout(std::string contents) {
  if (json_path_ == "-") {
    throw InvalidArgument("--out - and --json - cannot both have standard output; give one of them a file");
  }
  contents_ = std::move(contents);
  stdout_claimed_ = true;
}

void Output::finish(const std::string& json) {
  if (!json_path_.empty()) {
    write_text(json_path_, json + (json.ends_with('\n') ? "" : "\n"));
  }
  if (stdout_claimed_) {
    write_text("-", contents_);
  } else if (json_path_ != "-") {
    write_text("-", text_);
  }
}

bool Output::color() {
  const char* no_color = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

Progress::Progress(std::string what) : what_(std::move(what)), visible_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (percent_ >= 0) {
    std::fputs("\r\x1b[K", stderr);
  }
}

void Progress::show(std::int64_t done, std::int64_t total) {
  const int percent = static_cast<int>(done * 100 / std::max<std::int64_t>(total, 1));
  if (visible_ && percent != percent_) {
    percent_ = percent;
    fmt::print(stderr, "\r{} {}%", what_, percent);
    std::fflush(stderr);
  }
}

}  // namespace lplb::cli
