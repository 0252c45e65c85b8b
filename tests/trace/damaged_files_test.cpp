// What the fuzzers check, on a fixed set of inputs, so that builds without libFuzzer check it too: each file of the
// corpus as it is, cut at every byte, and with every byte changed in several ways.

#include <gtest/gtest.h>

#include "fuzz/readers.h"
#include "temp_folder.h"

namespace lplb {
namespace {

class DamagedFilesTest : public testing::TestWithParam<fuzz::Reader> {
 protected:
  /// body(text) for each file of the reader's corpus; how many there were.
  template <class Body>
  int for_each_file(Body&& body) {
    int num_files = 0;
    for (const auto& item : std::filesystem::directory_iterator(corpus(GetParam().name))) {
      const std::vector<std::byte> bytes = read_bytes(item.path().string());
      body(std::string(as_text(bytes)));
      ++num_files;
    }
    return num_files;
  }
};

TEST_P(DamagedFilesTest, WholeFilesAreHandled) {
  EXPECT_GT(for_each_file([](const std::string& text) { GetParam().read(text); }), 0);
}

TEST_P(DamagedFilesTest, TruncatedFilesAreHandled) {
  for_each_file([](const std::string& text) {
    for (std::size_t length = 0; length < text.size(); ++length) {
      // A copy of exactly this length, so that the address sanitizer sees a read past its end.
      const std::vector<char> cut(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));
      GetParam().read({cut.data(), cut.size()});
    }
  });
}

TEST_P(DamagedFilesTest, ChangedBytesAreHandled) {
  for_each_file([](const std::string& text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      for (const int change : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
        std::string changed = text;
        changed[i] = static_cast<char>(changed[i] ^ change);
        GetParam().read(changed);
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Readers, DamagedFilesTest, testing::ValuesIn(fuzz::kReaders),
                         [](const auto& reader) { return std::string(reader.param.name); });

}  // namespace
}  // namespace lplb
