// Conversions of arrays read from files, each value checked.

#include "trace/array_file.h"

#include <limits>
#include <type_traits>
#include <utility>

#include "trace/data_error.h"

namespace lplb {
namespace {

template <class T>
bool is_int64(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    // Written so that NaN fails; 2^63 is exact in both float types.
    return value >= T(-0x1p63) && value < T(0x1p63) && static_cast<T>(static_cast<std::int64_t>(value)) == value;
  } else {
    return std::in_range<std::int64_t>(value);
  }
}

}  // namespace

std::vector<std::int64_t> NdArray::to_int64() const {
  std::vector<std::int64_t> result;
  result.reserve(size());
  visit_values(*this, [&](auto value) {
    if (!is_int64(value)) [[unlikely]] {
      fail_data(source, "value ", result.size(), " of array \"", printable(name), "\" is ", +value,
                ", which is no 64-bit whole number");
    }
    result.push_back(static_cast<std::int64_t>(value));
  });
  return result;
}

std::vector<double> NdArray::to_double() const {
  std::vector<double> result;
  result.reserve(size());
  visit_values(*this, [&](auto value) { result.push_back(static_cast<double>(value)); });
  return result;
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string text = "[";
  for (const std::size_t extent : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  }
  return text + "]";
}

std::int64_t array_bytes(const std::vector<std::size_t>& shape, int item_bytes) {
  constexpr std::uint64_t kLimit = std::numeric_limits<std::int64_t>::max();
  auto total = static_cast<std::uint64_t>(item_bytes);
  bool too_large = false;
  for (const std::size_t extent : shape) {
    if (extent == 0) {
      return 0;
    }
    too_large = too_large || total > kLimit / extent;
    total = too_large ? 0 : total * extent;
  }
  return too_large ? -1 : static_cast<std::int64_t>(total);
}

}  // namespace lplb
