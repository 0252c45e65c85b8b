// Conversions by element type. The loop over types is written once, in for_each_type.

#include "arrays.h"

#include <algorithm>
#include <concepts>
#include <limits>

#include "base/check.h"

namespace lplb::python {
namespace {

/// Calls `use` with a null pointer of the array's element type and returns true, or false for a type it does not know.
template <class... Types, class Use>
bool for_type(const Array& array, Use&& use) {
  return ((array.dtype() == nb::dtype<Types>() ? (use(static_cast<const Types*>(nullptr)), true) : false) || ...);
}

template <class Use>
bool for_integer_type(const Array& array, Use&& use) {
  return for_type<std::int32_t, std::int64_t, std::int16_t, std::int8_t, std::uint8_t, std::uint16_t, std::uint32_t,
                  std::uint64_t>(array, std::forward<Use>(use));
}

std::string dtype_text(const Array& array) {
  const auto type = array.dtype();
  const char* const kind = type.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float)     ? "float"
                           : type.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Complex) ? "complex"
                           : type.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Bool)    ? "bool"
                                                                                                     : "numbers of ";
  return type.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Bool) ? kind : concat(kind, int{type.bits});
}

template <class T, class From>
void copy_checked(const char* function, const char* name, std::span<const From> from, std::vector<T>& to) {
  to.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    check(std::in_range<T>(from[i]), "[", function, "] ", name, "[", i, "] is ", +from[i], "; it must fit into ",
          8 * sizeof(T), " bits");
    to[i] = static_cast<T>(from[i]);
  }
}

}  // namespace

std::string shape_text(const Array& array) {
  std::string text = "[";
  for (std::size_t axis = 0; axis < array.ndim(); ++axis) {
    text += (axis == 0 ? "" : ", ") + std::to_string(array.shape(axis));
  }
  return text + "]";
}

void check_axes(const char* function, const char* name, const Array& array, std::initializer_list<std::size_t> axes) {
  std::string expected;
  for (const std::size_t n : axes) {
    expected += (expected.empty() ? "" : " or ") + std::to_string(n);
  }
  check(std::ranges::find(axes, array.ndim()) != axes.end(), "[", function, "] ", name, " has the shape ",
        shape_text(array), "; it must have ", expected, expected == "1" ? " axis" : " axes");
}

template <class T>
IntegerInput<T>::IntegerInput(const char* function, const char* name, const Array& array) : keep_(array) {
  const bool known = for_integer_type(array, [&]<class From>(const From*) {
    const std::span<const From> values(static_cast<const From*>(array.data()), array.size());
    if constexpr (std::same_as<From, T>) {
      values_ = values;
    } else {
      copy_checked(function, name, values, copy_);
      values_ = copy_;
    }
  });
  check(known, "[", function, "] ", name, " has the type ", dtype_text(array), "; it must hold integers");
}
template class IntegerInput<std::int32_t>;
template class IntegerInput<std::int64_t>;

template <class T>
std::vector<T> to_reals(const char* function, const char* name, const Array& array) {
  std::vector<T> reals;
  const auto copy = [&]<class From>(const From*) {
    const From* const values = static_cast<const From*>(array.data());
    reals.resize(array.size());
    std::transform(values, values + array.size(), reals.begin(), [](From value) { return static_cast<T>(value); });
  };
  check(for_type<float, double, bool>(array, copy) || for_integer_type(array, copy), "[", function, "] ", name,
        " has the type ", dtype_text(array), "; it must hold real numbers");
  return reals;
}
template std::vector<float> to_reals(const char*, const char*, const Array&);
template std::vector<double> to_reals(const char*, const char*, const Array&);

std::vector<std::uint8_t> to_flags(const char* function, const char* name, const nb::object& array) {
  std::vector<std::uint8_t> flags;
  if (!array.is_none()) {
    for (const float value : to_reals<float>(function, name, nb::cast<Array>(array))) {
      check(value == 0 || value == 1, "[", function, "] ", name, "[", flags.size(), "] is ", value,
            "; it must be 0 or 1 (dead or live)");
      flags.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return flags;
}

}  // namespace lplb::python
