#pragma once

// Files made byte by byte, right or wrong as a test wants them.

#include <cstdint>
#include <string>
#include <vector>

#include "trace/zip.h"

namespace lplb {

template <class T>
std::string le(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

/// .npy of version 1 with this header text and these values.
inline std::string make_npy(const std::string& header, const std::string& values) {
  return "\x93NUMPY" + le<std::uint16_t>(1) + le(static_cast<std::uint16_t>(header.size())) + header + values;
}

inline std::string npy_header(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
}

template <class T>
std::string npy_of(const std::string& descr, const std::string& shape, const std::vector<T>& values) {
  std::string text;
  for (const T value : values) {
    text += le(value);
  }
  return make_npy(npy_header(descr, shape), text);
}

/// A .npz with one array, whose text can be edited before it is written.
inline std::string npz_of(const std::string& name, const std::string& npy) {
  return std::string(as_text(make_zip(name + ".npy", as_byte_span(npy))));
}

inline std::string make_safetensors(const std::string& header, const std::string& data) {
  return le(static_cast<std::uint64_t>(header.size())) + header + data;
}

/// Replaces the bytes from `offset` on.
inline std::string patched(std::string text, std::size_t offset, const std::string& bytes) {
  return text.replace(offset, bytes.size(), bytes);
}

}  // namespace lplb
