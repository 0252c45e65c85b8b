// NumPy's .npy: magic, version, length of the header, a Python dict in ASCII with descr, fortran_order and shape, then
// the values. Source: NumPy Enhancement Proposal 1 (A Simple File Format for NumPy Arrays). The header is read by a
// parser of just that dict; whatever else Python would accept there is refused.

#include <charconv>
#include <limits>

#include "trace/array_file.h"
#include "trace/data_error.h"

namespace lplb {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxAxes = 32;

/// A cursor over the header's text.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& source) : rest_(text), source_(source) {}

  /// Fills kind, item_bytes and shape; true = the values are in Fortran order.
  bool parse(NdArray& array) {
    expect('{');
    bool seen_descr = false;
    bool seen_order = false;
    bool seen_shape = false;
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        require(!std::exchange(seen_descr, true));
        parse_descr(array);
      } else if (key == "fortran_order") {
        require(!std::exchange(seen_order, true));
        is_fortran_order_ = boolean();
      } else if (key == "shape") {
        require(!std::exchange(seen_shape, true));
        parse_shape(array.shape);
      } else {
        require(false);
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    require(rest_.empty() && seen_descr && seen_order && seen_shape);
    return is_fortran_order_;
  }

 private:
  void require(bool ok) const { check_data(ok, source_, "its .npy header is malformed"); }

  void skip_space() {
    const std::size_t begin = rest_.find_first_not_of(" \n");
    rest_.remove_prefix(begin == std::string_view::npos ? rest_.size() : begin);
  }

  bool accept(char c) {
    skip_space();
    if (!rest_.starts_with(c)) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char c) { require(accept(c)); }

  std::string_view quoted() {
    const char quote = accept('\'') ? '\'' : '"';
    if (quote == '"') {
      expect('"');
    }
    const std::size_t end = rest_.find(quote);
    require(end != std::string_view::npos);
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool boolean() {
    skip_space();
    for (const std::string_view word : {"True", "False"}) {
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return word == "True";
      }
    }
    require(false);
    return false;
  }

  void parse_descr(NdArray& array) {
    skip_space();
    check_data(!rest_.starts_with('['), source_, "its array has a structured type; numbers are needed");
    const std::string_view descr = quoted();
    const std::string_view code = descr.substr(descr.empty() ? 0 : 1);
    check_data(!descr.starts_with('>'), source_, "its array is big-endian (\"", printable(descr),
               "\"); little endian is needed");
    const bool is_integer = code == "i1" || code == "i2" || code == "i4" || code == "i8" || code == "u1" ||
                            code == "u2" || code == "u4" || code == "u8";
    const bool is_number = is_integer || code == "f4" || code == "f8";
    check_data(is_number && (descr[0] == '<' || (descr[0] == '|' && code[1] == '1')), source_, "its array has type \"",
               printable(descr), "\"; integers of 8 to 64 bits and floats of 32 or 64 bits can be read");
    array.kind = code[0];
    array.item_bytes = code[1] - '0';
  }

  void parse_shape(std::vector<std::size_t>& shape) {
    expect('(');
    while (!accept(')')) {
      std::size_t extent = 0;
      skip_space();
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      require(error == std::errc() && shape.size() < kMaxAxes);
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      shape.push_back(extent);
      if (!accept(',')) {
        require(shape.size() > 1);  // Python's (3) is a number, (3,) a tuple
        expect(')');
        break;
      }
    }
  }

  std::string_view rest_;
  const std::string& source_;
  bool is_fortran_order_ = false;
};

/// Values in Fortran order (first axis fastest) put into C order (last axis fastest).
std::vector<std::byte> to_c_order(ByteSpan values, const NdArray& array) {
  const auto item_bytes = static_cast<std::size_t>(array.item_bytes);
  const std::size_t num_axes = array.shape.size();
  std::vector<std::size_t> strides(num_axes, item_bytes);
  for (std::size_t axis = 1; axis < num_axes; ++axis) {
    strides[axis] = strides[axis - 1] * array.shape[axis - 1];
  }
  std::vector<std::byte> result;
  result.reserve(values.size());
  std::vector<std::size_t> position(num_axes);
  std::size_t offset = 0;
  while (result.size() < values.size()) {
    const ByteSpan value = values.subspan(offset, item_bytes);
    result.insert(result.end(), value.begin(), value.end());
    for (std::size_t axis = num_axes; axis-- > 0;) {
      offset += strides[axis];
      if (++position[axis] < array.shape[axis]) {
        break;
      }
      offset -= strides[axis] * std::exchange(position[axis], 0);
    }
  }
  return result;
}

}  // namespace

NdArray parse_npy(ByteSpan bytes, const std::string& source) {
  check_data(as_text(bytes).starts_with(kMagic) && bytes.size() >= kMagic.size() + 2, source,
             "it does not start like an .npy file");
  const int version = std::to_integer<int>(bytes[kMagic.size()]);
  check_data(version >= 1 && version <= 3, source, "its .npy version is ", version, "; 1 to 3 can be read");
  const std::size_t length_offset = kMagic.size() + 2;
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  check_data(bytes.size() >= length_offset + length_bytes, source, "it ends within its .npy header");
  const std::size_t header_bytes =
      version == 1 ? load_le<std::uint16_t>(bytes, length_offset) : load_le<std::uint32_t>(bytes, length_offset);
  const ByteSpan rest = bytes.subspan(length_offset + length_bytes);
  check_data(header_bytes <= rest.size(), source, "it ends within its .npy header");

  NdArray array;
  array.source = source;
  const bool is_fortran_order = HeaderParser(as_text(rest.first(header_bytes)), source).parse(array);
  const ByteSpan values = rest.subspan(header_bytes);
  const std::int64_t expected = array_bytes(array.shape, array.item_bytes);
  check_data(std::cmp_equal(values.size(), expected), source, "its header says shape ", shape_text(array.shape), " of ",
             array.item_bytes, "-byte values, but ", values.size(), " bytes follow");
  if (is_fortran_order) {
    array.bytes = to_c_order(values, array);
  } else {
    array.bytes.assign(values.begin(), values.end());
  }
  return array;
}

NdArray read_npy(const std::string& path) {
  return with_data_errors(path, [&] { return parse_npy(read_bytes(path), path); });
}

}  // namespace lplb
