// Small words and numbers. The edit distance is Levenshtein's, by rows.

#include "text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include "lplb/error.h"
#include "lplb/types.h"

namespace lplb::cli {
namespace {

constexpr int kMostIndices = 65536;

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

int parse_index(const std::string& option, std::string_view text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value >= kMostIndices) {
    throw InvalidArgument(fmt::format("{} (\"{}\") must be indices like 0,3-6", option, text));
  }
  return value;
}

std::string shell_quote(const std::string& argument) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!argument.empty() && argument.find_first_not_of(kPlain) == std::string::npos) {
    return argument;
  }
  std::string quoted = "'";
  for (const char c : argument) {
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return quoted + "'";
}

}  // namespace

std::string with_commas(std::int64_t value) {
  std::string digits = std::to_string(value);
  const std::size_t first = value < 0 ? 1 : 0;
  for (std::size_t end = digits.size(); end > first + 3; end -= 3) {
    digits.insert(end - 3, ",");
  }
  return digits;
}

std::string in_words(const std::vector<std::int32_t>& values, std::size_t most) {
  std::string text;
  const bool all = values.size() <= most;
  const std::size_t num_named = all ? values.size() : most - 1;
  for (std::size_t i = 0; i < num_named; ++i) {
    const bool last = all && i + 1 == num_named;
    text += (i == 0 ? "" : last ? " and " : ", ") + std::to_string(values[i]);
  }
  return all ? text
             : text + fmt::format(" and {} more", with_commas(static_cast<std::int64_t>(values.size() - num_named)));
}

std::vector<int> parse_indices(const std::string& option, const std::string& text) {
  std::vector<int> indices;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    const std::size_t dash = part.find('-');
    const int first = parse_index(option, part.substr(0, dash));
    const int last = dash == part.npos ? first : parse_index(option, part.substr(dash + 1));
    if (last < first) {
      throw InvalidArgument(fmt::format("{} (\"{}\") must go upwards", option, part));
    }
    for (int i = first; i <= last; ++i) {
      indices.push_back(i);
    }
    if (indices.size() > kMostIndices) {
      throw InvalidArgument(fmt::format("{} must name at most {} indices", option, kMostIndices));
    }
    begin = end + 1;
  }
  return indices;
}

std::string shell_command(const std::vector<std::string>& arguments) {
  std::string command;
  for (const std::string& argument : arguments) {
    command += (command.empty() ? "" : " ") + shell_quote(argument);
  }
  return command;
}

std::string closest(std::string_view word, const std::vector<std::string>& candidates) {
  std::size_t best = std::max<std::size_t>(2, word.size() / 3) + 1;
  std::string found;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

}  // namespace lplb::cli
