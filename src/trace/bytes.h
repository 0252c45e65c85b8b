#pragma once

// Files as bytes, and little-endian numbers in bytes.

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lplb {

using ByteSpan = std::span<const std::byte>;

/// The number that stands at `offset`, which with its size must lie inside `bytes`.
template <class T>
T load_le(ByteSpan bytes, std::size_t offset) {
  static_assert(std::endian::native == std::endian::little, "lplb reads files on little-endian machines only");
  T value;
  std::memcpy(&value, bytes.subspan(offset, sizeof(T)).data(), sizeof(T));
  return value;
}

inline std::string_view as_text(ByteSpan bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

inline ByteSpan as_byte_span(std::string_view text) { return std::as_bytes(std::span(text)); }

/// A regular file, whole. Throws DataError.
std::vector<std::byte> read_bytes(const std::string& path);

/// Replaces a file. Throws DataError.
void write_bytes(const std::string& path, ByteSpan bytes);

}  // namespace lplb
