#pragma once

// A table of text: the first column to the left, the others to the right, a mark on one row.

#include <cstddef>
#include <string>
#include <vector>

namespace lplb::cli {

class Table {
 public:
  /// A header may have two lines, divided by "\n".
  explicit Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}

  /// A row may have fewer cells than there are headers. Empty cells stay blank.
  void add_row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::size_t num_rows() const { return rows_.size(); }
  /// A column of text beside the first one: it and its header start at the left.
  void align_left(std::size_t column) { left_column_ = column; }
  /// That row gets a "*" behind its first cell, and stands out where `color` allows it.
  void mark_row(std::size_t row) { marked_ = row; }

  std::string render(bool color) const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<std::string>> rows_;
  std::size_t left_column_ = 0;
  std::size_t marked_ = static_cast<std::size_t>(-1);
};

}  // namespace lplb::cli
