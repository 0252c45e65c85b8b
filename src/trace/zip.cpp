// Reading ZIP from its central directory, which holds the sizes even where the local headers leave them to a data
// descriptor, over zlib's raw inflate. Source of the format: PKWARE's APPNOTE.TXT, sections 4.3 (records), 4.5.3
// (ZIP64). Sizes are promises until checked: the total is bounded before anything is inflated, and inflating stops at
// the promise.

#include "trace/zip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_set>

#include "trace/data_error.h"

namespace lplb {
namespace {

constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLocator64Bytes = 20;
constexpr std::size_t kDirectoryBytes = 46;
constexpr std::size_t kLocalBytes = 30;
constexpr std::uint32_t kEscape32 = 0xffffffff;
constexpr std::uint64_t kFreePlainBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kMaxGrowth = 128;
constexpr std::uint64_t kMaxDeflateRatio = 1032;  // 258 bytes from two bits, the best that deflate can do

struct Directory {
  std::uint64_t num_entries;
  std::uint64_t bytes;
  std::uint64_t offset;
};

bool has_signature(ByteSpan zip, std::uint64_t offset, std::size_t record_bytes, std::uint32_t signature) {
  return offset <= zip.size() && zip.size() - offset >= record_bytes &&
         load_le<std::uint32_t>(zip, offset) == signature;
}

/// Where the end record starts: at most a comment of 65,535 bytes follows it.
std::size_t find_end_record(ByteSpan zip, const std::string& source) {
  constexpr std::size_t kMaxComment = 65535;
  for (std::size_t comment = 0; comment <= kMaxComment && comment + kEndBytes <= zip.size(); ++comment) {
    const std::size_t offset = zip.size() - kEndBytes - comment;
    if (has_signature(zip, offset, kEndBytes, 0x06054b50) && load_le<std::uint16_t>(zip, offset + 20) == comment) {
      return offset;
    }
  }
  fail_data(source, "it does not end like a ZIP (.npz) file; is it cut short?");
}

Directory find_directory(ByteSpan zip, const std::string& source) {
  const std::size_t end = find_end_record(zip, source);
  Directory directory{.num_entries = load_le<std::uint16_t>(zip, end + 10),
                      .bytes = load_le<std::uint32_t>(zip, end + 12),
                      .offset = load_le<std::uint32_t>(zip, end + 16)};
  if (end >= kLocator64Bytes && has_signature(zip, end - kLocator64Bytes, kLocator64Bytes, 0x07064b50)) {
    const auto end64 = load_le<std::uint64_t>(zip, end - kLocator64Bytes + 8);
    check_data(has_signature(zip, end64, kEnd64Bytes, 0x06064b50), source, "its ZIP64 end record is not where it says");
    directory = {.num_entries = load_le<std::uint64_t>(zip, end64 + 32),
                 .bytes = load_le<std::uint64_t>(zip, end64 + 40),
                 .offset = load_le<std::uint64_t>(zip, end64 + 48)};
  }
  check_data(directory.offset <= end && directory.bytes <= end - directory.offset, source,
             "its ZIP directory lies outside of the file");
  return directory;
}

/// Replaces the escaped sizes of `entry` by those of the ZIP64 field among the extra fields.
void read_zip64_field(ByteSpan extra, ZipEntry& entry, const std::string& source) {
  while (extra.size() >= 4) {
    const auto id = load_le<std::uint16_t>(extra, 0);
    const std::size_t field_bytes = load_le<std::uint16_t>(extra, 2);
    check_data(field_bytes <= extra.size() - 4, source, "an extra field in its ZIP directory is cut short");
    ByteSpan field = extra.subspan(4, field_bytes);
    if (id == 1) {
      for (std::uint64_t* value : {&entry.plain_bytes, &entry.packed_bytes, &entry.offset}) {
        if (*value == kEscape32) {
          check_data(field.size() >= 8, source, "a ZIP64 field in its directory is cut short");
          *value = load_le<std::uint64_t>(field, 0);
          field = field.subspan(8);
        }
      }
    }
    extra = extra.subspan(4 + field_bytes);
  }
}

/// Reads the entry at the start of `rest` and removes it from there.
ZipEntry take_entry(ByteSpan& rest, const std::string& source) {
  check_data(has_signature(rest, 0, kDirectoryBytes, 0x02014b50), source, "its ZIP directory is malformed");
  const std::size_t name_bytes = load_le<std::uint16_t>(rest, 28);
  const std::size_t extra_bytes = load_le<std::uint16_t>(rest, 30);
  const std::size_t comment_bytes = load_le<std::uint16_t>(rest, 32);
  check_data(rest.size() - kDirectoryBytes >= name_bytes + extra_bytes + comment_bytes, source,
             "its ZIP directory is cut short");
  ZipEntry entry{.name = std::string(as_text(rest.subspan(kDirectoryBytes, name_bytes))),
                 .method = load_le<std::uint16_t>(rest, 10),
                 .crc = load_le<std::uint32_t>(rest, 16),
                 .packed_bytes = load_le<std::uint32_t>(rest, 20),
                 .plain_bytes = load_le<std::uint32_t>(rest, 24),
                 .offset = load_le<std::uint32_t>(rest, 42)};
  check_data((load_le<std::uint16_t>(rest, 8) & 1) == 0, source, "\"", printable(entry.name), "\" in it is encrypted");
  read_zip64_field(rest.subspan(kDirectoryBytes + name_bytes, extra_bytes), entry, source);
  rest = rest.subspan(kDirectoryBytes + name_bytes + extra_bytes + comment_bytes);
  return entry;
}

/// The entry's bytes in the file, still packed.
ByteSpan packed_content(ByteSpan zip, const ZipEntry& entry, const std::string& source) {
  const std::string name = printable(entry.name);
  check_data(has_signature(zip, entry.offset, kLocalBytes, 0x04034b50), source, "\"", name,
             "\" is not where its ZIP directory says");
  const std::uint64_t begin = entry.offset + kLocalBytes + load_le<std::uint16_t>(zip, entry.offset + 26) +
                              load_le<std::uint16_t>(zip, entry.offset + 28);
  check_data(begin <= zip.size() && entry.packed_bytes <= zip.size() - begin, source, "\"", name, "\" is cut short");
  return zip.subspan(begin, entry.packed_bytes);
}

/// Raw inflate into exactly `plain`; false when the stream is damaged or holds more or less than that.
bool inflate_into(ByteSpan packed, std::span<std::byte> plain) {
  constexpr std::size_t kMaxChunk = std::numeric_limits<uInt>::max();
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    throw std::bad_alloc();
  }
  std::byte spare{};  // where a byte too many would go; inflate also wants a place when nothing is expected
  int status = Z_OK;
  std::size_t num_in = 0;
  std::size_t num_out = 0;
  while (status == Z_OK) {
    const bool is_full = num_out == plain.size();
    const std::size_t in_chunk = std::min(kMaxChunk, packed.size() - num_in);
    const std::size_t out_chunk = is_full ? 1 : std::min(kMaxChunk, plain.size() - num_out);
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data() + num_in));
    stream.avail_in = static_cast<uInt>(in_chunk);
    stream.next_out = reinterpret_cast<Bytef*>(is_full ? &spare : plain.data() + num_out);
    stream.avail_out = static_cast<uInt>(out_chunk);
    status = inflate(&stream, Z_NO_FLUSH);
    num_in += in_chunk - stream.avail_in;
    num_out += out_chunk - stream.avail_out;
    if (num_out > plain.size()) {
      break;
    }
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END && num_out == plain.size() && num_in == packed.size();
}

std::uint32_t crc_of(ByteSpan bytes) {
  return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

std::vector<ZipEntry> list_zip(ByteSpan zip, const std::string& source) {
  const Directory directory = find_directory(zip, source);
  ByteSpan rest = zip.subspan(directory.offset, directory.bytes);
  check_data(directory.num_entries <= rest.size() / kDirectoryBytes, source, "its ZIP directory is cut short");
  std::vector<ZipEntry> entries;
  entries.reserve(directory.num_entries);
  std::unordered_set<std::string> names;
  std::uint64_t budget = std::max(kFreePlainBytes, kMaxGrowth * zip.size());
  for (std::uint64_t i = 0; i < directory.num_entries; ++i) {
    const ZipEntry& entry = entries.emplace_back(take_entry(rest, source));
    check_data(names.insert(entry.name).second, source, "\"", printable(entry.name), "\" is in it twice");
    check_data(entry.plain_bytes <= budget, source, "its entries promise more than ",
               std::max(kFreePlainBytes, kMaxGrowth * zip.size()), " bytes, far above its size of ", zip.size());
    budget -= entry.plain_bytes;
  }
  return entries;
}

std::vector<std::byte> extract_zip(ByteSpan zip, const ZipEntry& entry, const std::string& source) {
  const std::string name = printable(entry.name);
  const ByteSpan packed = packed_content(zip, entry, source);
  check_data(entry.method == 0 || entry.method == 8, source, "\"", name, "\" is compressed by method ", entry.method,
             "; stored (0) and deflated (8) can be read");
  std::vector<std::byte> plain;
  if (entry.method == 0) {
    check_data(entry.plain_bytes == packed.size(), source, "\"", name, "\" is stored, but its two sizes differ");
    plain.assign(packed.begin(), packed.end());
  } else {
    check_data(entry.plain_bytes / kMaxDeflateRatio <= packed.size(), source, "\"", name, "\" promises ",
               entry.plain_bytes, " bytes from ", packed.size(), ", more than deflate can hold");
    plain.resize(entry.plain_bytes);
    check_data(inflate_into(packed, plain), source, "\"", name, "\" is damaged: it does not inflate to the ",
               entry.plain_bytes, " bytes that its ZIP directory says");
  }
  check_data(crc_of(plain) == entry.crc, source, "\"", name, "\" is damaged: its checksum differs");
  return plain;
}

}  // namespace lplb
