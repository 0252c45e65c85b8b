#pragma once

// Arrays in files, as every reader hands them on: a name, a shape and bytes whose meaning is checked. What the axes
// mean is decided elsewhere (trace_layout.h).

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "trace/bytes.h"

namespace lplb {

/// An array in C order. Invariant: bytes.size() = item_bytes * product of shape.
struct NdArray {
  std::string name;
  std::string source;              // for messages: the file that it was read from
  std::vector<std::size_t> shape;  // empty = one number
  char kind = 'i';                 // 'i' and 'u' of 1, 2, 4 or 8 bytes, 'f' of 4 or 8
  int item_bytes = 8;
  std::vector<std::byte> bytes;

  std::size_t size() const { return bytes.size() / static_cast<std::size_t>(item_bytes); }
  /// Throws DataError on a value that is not a whole number, or beyond 64 bits.
  std::vector<std::int64_t> to_int64() const;
  std::vector<double> to_double() const;
};

/// How the shape reads in a message: "[58, 256]".
std::string shape_text(const std::vector<std::size_t>& shape);

/// The size in bytes of an array, or -1 where it passes what an array can be.
std::int64_t array_bytes(const std::vector<std::size_t>& shape, int item_bytes);

/// NumPy's .npy, versions 1 to 3: numbers, little endian; Fortran order is put into C order. Throws DataError.
NdArray read_npy(const std::string& path);
NdArray parse_npy(ByteSpan bytes, const std::string& source);

/// All arrays of NumPy's .npz, in the order of its directory. Throws DataError.
std::vector<NdArray> read_npz(const std::string& path);
std::vector<NdArray> parse_npz(ByteSpan bytes, const std::string& source);

/// Names only, and one array by its name: what a reader needs that does not want the others.
std::vector<std::string> list_npz(ByteSpan bytes, const std::string& source);
NdArray parse_npz_array(ByteSpan bytes, const std::string& name, const std::string& source);

/// body(value) for each value in order, with the array's own type.
template <class Body>
void visit_values(const NdArray& array, Body&& body) {
  const auto all = [&]<class T>(T) {
    for (std::size_t i = 0; i < array.bytes.size(); i += sizeof(T)) {
      body(load_le<T>(array.bytes, i));
    }
  };
  switch (array.kind * 16 + array.item_bytes) {
    case 'i' * 16 + 1:
      return all(std::int8_t{});
    case 'i' * 16 + 2:
      return all(std::int16_t{});
    case 'i' * 16 + 4:
      return all(std::int32_t{});
    case 'i' * 16 + 8:
      return all(std::int64_t{});
    case 'u' * 16 + 1:
      return all(std::uint8_t{});
    case 'u' * 16 + 2:
      return all(std::uint16_t{});
    case 'u' * 16 + 4:
      return all(std::uint32_t{});
    case 'u' * 16 + 8:
      return all(std::uint64_t{});
    case 'f' * 16 + 4:
      return all(float{});
    default:
      return all(double{});
  }
}

}  // namespace lplb
