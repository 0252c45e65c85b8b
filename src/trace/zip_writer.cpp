// A ZIP file of one deflated entry: local header, content, directory, end record. Source: PKWARE's APPNOTE.TXT, 4.3.
// The date is a constant, so that equal content gives equal files.

#include <zlib.h>

#include <limits>
#include <new>

#include "base/check.h"
#include "trace/zip.h"

namespace lplb {
namespace {

void put16(std::vector<std::byte>& out, std::uint64_t value) {
  out.push_back(static_cast<std::byte>(value & 0xff));
  out.push_back(static_cast<std::byte>(value >> 8 & 0xff));
}

void put32(std::vector<std::byte>& out, std::uint64_t value) {
  put16(out, value);
  put16(out, value >> 16);
}

void put(std::vector<std::byte>& out, ByteSpan bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

std::vector<std::byte> deflate_raw(ByteSpan plain) {
  constexpr int kMemoryLevel = 9;
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  std::vector<std::byte> packed(deflateBound(&stream, plain.size()));
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

/// The fields that the local header and the directory share, from "version needed" to the length of the extra field.
void put_common_fields(std::vector<std::byte>& out, const ZipEntry& entry) {
  constexpr int kVersion = 20;
  constexpr int kFirstOfJanuary1980 = 0x21;
  put16(out, kVersion);
  put16(out, 0);
  put16(out, entry.method);
  put16(out, 0);
  put16(out, kFirstOfJanuary1980);
  put32(out, entry.crc);
  put32(out, entry.packed_bytes);
  put32(out, entry.plain_bytes);
  put16(out, entry.name.size());
  put16(out, 0);
}

}  // namespace

std::vector<std::byte> make_zip(const std::string& name, ByteSpan content) {
  constexpr std::size_t kMaxContent = std::numeric_limits<std::uint32_t>::max() - (1U << 24);  // room for deflateBound
  check(content.size() <= kMaxContent, "[make_zip] content of ", content.size(),
        " bytes must stay below 4 GiB; write an .npy file instead");
  const std::vector<std::byte> packed = deflate_raw(content);
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size());
  const ZipEntry entry{.name = name,
                       .method = 8,
                       .crc = static_cast<std::uint32_t>(crc),
                       .packed_bytes = packed.size(),
                       .plain_bytes = content.size(),
                       .offset = 0};
  std::vector<std::byte> zip;
  put32(zip, 0x04034b50);
  put_common_fields(zip, entry);
  put(zip, as_byte_span(name));
  put(zip, packed);

  const std::size_t directory = zip.size();
  put32(zip, 0x02014b50);
  put16(zip, 20);  // version made by
  put_common_fields(zip, entry);
  put16(zip, 0);  // comment length
  put16(zip, 0);  // disk
  put16(zip, 0);  // internal attributes
  put32(zip, 0);  // external attributes
  put32(zip, entry.offset);
  put(zip, as_byte_span(name));

  const std::size_t directory_bytes = zip.size() - directory;
  put32(zip, 0x06054b50);
  put32(zip, 0);  // disk numbers
  put16(zip, 1);  // entries on this disk
  put16(zip, 1);  // entries in all
  put32(zip, directory_bytes);
  put32(zip, directory);
  put16(zip, 0);  // comment length
  return zip;
}

}  // namespace lplb
