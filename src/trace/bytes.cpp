// Reading and writing whole files. Only regular files are read: the size of a device or a pipe is not known beforehand,
// and so memory would have no bound.

#include "trace/bytes.h"

#include <filesystem>
#include <fstream>
#include <system_error>

#include "trace/data_error.h"

namespace lplb {

std::vector<std::byte> read_bytes(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  check_data(std::filesystem::exists(status), path, "there is no such file");
  check_data(std::filesystem::is_regular_file(status), path, "it is not a regular file");
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  check_data(!error && file.is_open(), path, "it cannot be opened");
  std::vector<std::byte> bytes(size);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  check_data(static_cast<std::uintmax_t>(file.gcount()) == size, path, "it cannot be read to its end");
  return bytes;
}

void write_bytes(const std::string& path, ByteSpan bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  check_data(file.is_open(), path, "it cannot be opened for writing");
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  check_data(file.good(), path, "it cannot be written to its end");
}

}  // namespace lplb
