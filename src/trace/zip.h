#pragma once

// The part of ZIP that .npz files use: a directory of entries, stored or deflated, with ZIP64 sizes where needed.

#include <cstdint>
#include <string>
#include <vector>

#include "trace/bytes.h"

namespace lplb {

struct ZipEntry {
  std::string name;
  std::uint16_t method;  // 0 = stored, 8 = deflated
  std::uint32_t crc;
  std::uint64_t packed_bytes;
  std::uint64_t plain_bytes;
  std::uint64_t offset;  // of the entry's local header
};

/// The entries, in the directory's order. Throws DataError; also when they promise more bytes together than a file of
/// this size may reasonably inflate to (128 times its size, and 64 MiB in any case).
std::vector<ZipEntry> list_zip(ByteSpan zip, const std::string& source);

/// The entry's content, checked against its CRC. Never inflates past what the entry promised. Throws DataError.
std::vector<std::byte> extract_zip(ByteSpan zip, const ZipEntry& entry, const std::string& source);

/// A ZIP file with one deflated entry.
std::vector<std::byte> make_zip(const std::string& name, ByteSpan content);

}  // namespace lplb
