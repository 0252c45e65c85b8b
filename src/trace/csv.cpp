// CSV of numbers: commas, no quotes, an optional header line. The long form is known by its header alone, as a headless
// line of four numbers could as well be the loads of four experts.

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "trace/data_error.h"
#include "trace/trace_layout.h"
#include "trace/trace_parsers.h"

namespace lplb {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// Lines that are not blank, one after another, with their numbers.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (rest_.starts_with(kByteOrderMark)) {
      rest_.remove_prefix(kByteOrderMark.size());
    }
  }

  std::optional<std::string_view> next() {
    while (!rest_.empty()) {
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      const std::string_view line = trimmed(rest_.substr(0, end));
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      ++number_;
      if (!line.empty()) {
        return line;
      }
    }
    return std::nullopt;
  }

  int number() const { return number_; }

 private:
  std::string_view rest_;
  int number_ = 0;
};

/// body(field) for each field of a line.
template <class Body>
void for_each_field(std::string_view line, Body&& body) {
  for (;;) {
    const std::size_t comma = line.find(',');
    body(trimmed(line.substr(0, comma)));
    if (comma == std::string_view::npos) {
      return;
    }
    line.remove_prefix(comma + 1);
  }
}

template <class T>
std::optional<T> parse_number(std::string_view field) {
  T value{};
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return error == std::errc() && end == field.data() + field.size() ? std::optional(value) : std::nullopt;
}

enum Column : std::size_t { kStep, kLayer, kSource, kExpert, kCount, kNumColumns };
constexpr std::array<std::string_view, kNumColumns> kColumnNames = {"step", "layer", "source", "expert", "count"};

/// Which of the long form's columns each field is; none when the header is of another kind.
std::optional<std::vector<Column>> parse_header(std::string_view line, const std::string& source) {
  std::vector<Column> columns;
  std::size_t num_fields = 0;
  for_each_field(line, [&](std::string_view field) {
    ++num_fields;
    const auto name = std::ranges::find(kColumnNames, field);
    if (name != kColumnNames.end()) {
      columns.push_back(static_cast<Column>(name - kColumnNames.begin()));
    }
  });
  if (columns.empty()) {
    return std::nullopt;
  }
  std::vector<Column> sorted = columns;
  std::ranges::sort(sorted);
  const bool is_whole = sorted == std::vector<Column>{kStep, kLayer, kExpert, kCount} ||
                        sorted == std::vector<Column>{kStep, kLayer, kSource, kExpert, kCount};
  check_data(is_whole && columns.size() == num_fields, source, "its header \"", printable(line),
             "\" must name step, layer, expert, count and perhaps source, each once");
  return columns;
}

using Row = std::array<std::int64_t, kNumColumns>;

std::vector<Row> parse_rows(LineReader& lines, const std::vector<Column>& columns, const std::string& source) {
  std::vector<Row> rows;
  while (const auto line = lines.next()) {
    Row row{};
    std::size_t i = 0;
    for_each_field(*line, [&](std::string_view field) {
      const std::optional<std::int64_t> value = parse_number<std::int64_t>(field);
      check_data(value && *value >= 0, source, "line ", lines.number(), " has \"", printable(field),
                 "\" where a whole number that is not negative is needed");
      check_data(i < columns.size(), source, "line ", lines.number(), " has more fields than the header");
      row[columns[i++]] = *value;
    });
    check_data(i == columns.size(), source, "line ", lines.number(), " has fewer fields than the header");
    rows.push_back(row);
  }
  check_data(!rows.empty(), source, "it holds no counts");
  return rows;
}

/// Numbers of a column become 0.. in ascending order; returns how many there are.
std::size_t renumber(std::vector<Row>& rows, Column column) {
  std::map<std::int64_t, std::int64_t> index;
  for (const Row& row : rows) {
    index.emplace(row[column], 0);
  }
  std::int64_t next = 0;
  for (auto& [value, idx] : index) {
    idx = next++;
  }
  for (Row& row : rows) {
    row[column] = index[row[column]];
  }
  return index.size();
}

/// Largest number of a column, plus one; refused from `limit` on.
std::size_t extent_of(const std::vector<Row>& rows, Column column, std::int64_t limit, const std::string& source) {
  const std::int64_t largest =
      std::ranges::max_element(rows, {}, [&](const Row& row) { return row[column]; })->at(column);
  check_data(largest < limit, source, kColumnNames[column], " ", largest, " in it must be below ", limit);
  return static_cast<std::size_t>(largest) + 1;
}

NdArray dense_counts(std::vector<Row> rows, bool has_sources, const std::string& source) {
  const std::size_t num_steps = renumber(rows, kStep);
  const std::size_t num_layers = renumber(rows, kLayer);
  const std::size_t num_sources = extent_of(rows, kSource, kMaxRanks, source);
  const std::size_t num_experts = extent_of(rows, kExpert, kMaxLogical, source);
  std::vector<std::size_t> shape = {num_steps, num_layers, num_sources, num_experts};
  check_dense_size(shape, rows.size(), source);
  constexpr std::int64_t kUnset = -1;
  std::vector<std::int64_t> counts(num_steps * num_layers * num_sources * num_experts, kUnset);
  for (const Row& row : rows) {
    const std::size_t block = static_cast<std::size_t>(row[kStep]) * num_layers + static_cast<std::size_t>(row[kLayer]);
    const std::size_t line = block * num_sources + static_cast<std::size_t>(row[kSource]);
    std::int64_t& count = counts[line * num_experts + static_cast<std::size_t>(row[kExpert])];
    check_data(count == kUnset, source, "it has two lines for one step, layer, source and expert (expert ",
               row[kExpert], ")");
    count = row[kCount];
  }
  std::ranges::replace(counts, kUnset, 0);
  if (!has_sources) {
    shape.erase(shape.begin() + 2);
  }
  const auto bytes = std::as_bytes(std::span(counts));
  return {.name = "", .source = source, .shape = std::move(shape), .bytes = {bytes.begin(), bytes.end()}};
}

/// `line` is the first line of numbers, if there is one.
NdArray parse_matrix(std::optional<std::string_view> line, LineReader& lines, const std::string& source) {
  std::vector<double> values;
  std::size_t num_rows = 0;
  std::size_t num_columns = 0;
  for (; line; line = lines.next()) {
    const std::size_t begin = values.size();
    for_each_field(*line, [&](std::string_view field) {
      const std::optional<double> value = parse_number<double>(field);
      check_data(value.has_value(), source, "line ", lines.number(), " has \"", printable(field),
                 "\" where a number is needed");
      values.push_back(*value);
    });
    num_columns = num_rows++ == 0 ? values.size() : num_columns;
    check_data(values.size() - begin == num_columns, source, "line ", lines.number(), " has ", values.size() - begin,
               " fields, but the first has ", num_columns);
  }
  check_data(num_rows > 0, source, "it holds no numbers");
  const auto bytes = std::as_bytes(std::span(values));
  return {.name = "",
          .source = source,
          .shape = {num_rows, num_columns},
          .kind = 'f',
          .item_bytes = 8,
          .bytes = {bytes.begin(), bytes.end()}};
}

}  // namespace

NdArray parse_csv(std::string_view text, const std::string& source) {
  LineReader lines(text);
  std::optional<std::string_view> line = lines.next();
  check_data(line.has_value(), source, "it is empty");
  if (parse_number<double>(trimmed(line->substr(0, line->find(','))))) {
    return parse_matrix(line, lines, source);
  }
  if (const auto columns = parse_header(*line, source)) {
    const bool has_sources = columns->size() == kNumColumns;
    return dense_counts(parse_rows(lines, *columns, source), has_sources, source);
  }
  return parse_matrix(lines.next(), lines, source);
}

}  // namespace lplb
