// Columns as wide as their widest cell, two spaces between them.

#include "table.h"

#include <fmt/format.h>

#include <algorithm>

namespace lplb::cli {
namespace {

using Line = std::vector<std::string>;

std::string render_line(const Line& cells, const std::vector<std::size_t>& widths, std::size_t left_column) {
  std::string text;
  for (std::size_t column = 0; column < cells.size(); ++column) {
    text += column == 0 ? "" : "  ";
    text += column == 0 || column == left_column ? fmt::format("{:<{}}", cells[column], widths[column])
                                                 : fmt::format("{:>{}}", cells[column], widths[column]);
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

/// The two lines of the headers.
std::pair<Line, Line> split_headers(const Line& headers) {
  std::pair<Line, Line> lines;
  for (const std::string& header : headers) {
    const std::size_t cut = header.find('\n');
    lines.first.push_back(cut == header.npos ? "" : header.substr(0, cut));
    lines.second.push_back(cut == header.npos ? header : header.substr(cut + 1));
  }
  return lines;
}

}  // namespace

std::string Table::render(bool color) const {
  std::vector<Line> lines = rows_;
  if (marked_ < lines.size()) {
    lines[marked_][0] += " *";
  }
  const auto [upper, lower] = split_headers(headers_);
  std::vector<std::size_t> widths(headers_.size(), 0);
  const auto widen = [&](const Line& line) {
    for (std::size_t column = 0; column < line.size(); ++column) {
      widths[column] = std::max(widths[column], line[column].size());
    }
  };
  widen(upper);
  widen(lower);
  std::ranges::for_each(lines, widen);

  std::string text;
  for (const Line& header : {upper, lower}) {
    const std::string line = render_line(header, widths, left_column_);
    if (!line.empty()) {
      text += line + "\n";
    }
  }
  for (std::size_t row = 0; row < lines.size(); ++row) {
    const std::string line = render_line(lines[row], widths, left_column_);
    text += color && row == marked_ ? fmt::format("\x1b[1;32m{}\x1b[0m\n", line) : line + "\n";
  }
  return text;
}

}  // namespace lplb::cli
