#pragma once

// Arrays that come in from NumPy and go out to it, without a copy where the type fits.

#include <nanobind/ndarray.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lplb/types.h"

namespace lplb::python {

namespace nb = nanobind;

/// Any C-contiguous array in host memory; the package makes arrays so before they come here.
using Array = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
template <class T>
using NumpyArray = nb::ndarray<nb::numpy, T, nb::c_contig>;

/// "[4, 256]".
std::string shape_text(const Array& array);

/// Throws InvalidArgument that names the function and the argument unless the array has one of these numbers of axes.
void check_axes(const char* function, const char* name, const Array& array, std::initializer_list<std::size_t> axes);

/// Whole numbers of any integer type as T: a view where the type is T, else a copy whose values were checked to fit.
/// Throws InvalidArgument that names the argument on floats, booleans and values that do not fit.
template <class T>
class IntegerInput {
 public:
  IntegerInput(const char* function, const char* name, const Array& array);
  IntegerInput(const IntegerInput&) = delete;
  IntegerInput& operator=(const IntegerInput&) = delete;
  std::span<const T> values() const& { return values_; }
  std::span<const T> values() const&& = delete;  // they live no longer than this

 private:
  Array keep_;
  std::vector<T> copy_;
  std::span<const T> values_;
};
using TokensInput = IntegerInput<Tokens>;

/// Numbers of any real type as T; InvalidArgument on complex ones. Conversion rounds as a cast does.
template <class T>
std::vector<T> to_reals(const char* function, const char* name, const Array& array);

/// None = empty, else one flag a rank from booleans or integers.
std::vector<std::uint8_t> to_flags(const char* function, const char* name, const nb::object& array);

/// A NumPy array that owns `values`.
template <class T>
NumpyArray<T> give(std::vector<T> values, std::initializer_list<std::size_t> shape) {
  auto* const owned = new std::vector<T>(std::move(values));
  const nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return NumpyArray<T>(owned->data(), shape.size(), shape.begin(), owner);
}

/// A read-only NumPy view of memory that the Python object of `self` owns.
template <class T, class Owner>
NumpyArray<const T> view(const Owner& self, std::span<const T> values) {
  const std::size_t size = values.size();
  return NumpyArray<const T>(values.data(), 1, &size, nb::find(self));
}

}  // namespace lplb::python
