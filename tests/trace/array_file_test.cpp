// .npy and .npz: what NumPy writes is read, whatever lies is refused.

#include "trace/array_file.h"

#include <gtest/gtest.h>

#include <numeric>

#include "make_files.h"
#include "temp_folder.h"

namespace lplb {
namespace {

std::vector<std::int64_t> numbers_below(std::int64_t n) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

std::string npy_error(const std::string& text) {
  return message_of<DataError>([&] { parse_npy(as_byte_span(text), "f"); });
}

std::string npz_error(const std::string& text) {
  return message_of<DataError>([&] { parse_npz(as_byte_span(text), "f"); });
}

TEST(NpyTest, ReadsEachTypeThatNumPyWrites) {
  for (const std::string type : {"i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"}) {
    const NdArray array = read_npy(corpus("npy/" + type + ".npy"));
    EXPECT_EQ(array.kind, type[0]);
    EXPECT_EQ(array.item_bytes, type[1] - '0');
    EXPECT_EQ(array.shape, (std::vector<std::size_t>{2, 2, 3}));
    EXPECT_EQ(array.to_int64(), numbers_below(12)) << type;
    EXPECT_EQ(array.to_double()[11], 11.0) << type;
  }
}

TEST(NpyTest, ReadsVersionsTwoAndThree) {
  EXPECT_EQ(read_npy(corpus("npy/version2.npy")).to_int64(), numbers_below(12));
  EXPECT_EQ(read_npy(corpus("npy/version3.npy")).to_int64(), numbers_below(12));
}

TEST(NpyTest, PutsFortranOrderIntoCOrder) {
  const NdArray array = read_npy(corpus("npy/fortran.npy"));
  EXPECT_EQ(array.shape, (std::vector<std::size_t>{2, 2, 3}));
  EXPECT_EQ(array.to_int64(), numbers_below(12));
}

TEST(NpyTest, ReadsNumbersAndEmptyArrays) {
  EXPECT_EQ(read_npy(corpus("npy/number.npy")).to_int64(), std::vector<std::int64_t>{7});
  const std::string empty = npy_of<std::int32_t>("<i4", "(0, 4611686018427387904, 8)", {});
  EXPECT_EQ(parse_npy(as_byte_span(empty), "f").size(), 0U);
}

TEST(NpyTest, RefusesWhatIsNotPlainNumbers) {
  EXPECT_EQ(npy_error(npy_of<std::int32_t>(">i4", "(1,)", {1})),
            "f: its array is big-endian (\">i4\"); little endian is needed");
  EXPECT_EQ(npy_error(make_npy("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,), }", "1234")),
            "f: its array has a structured type; numbers are needed");
  for (const std::string type : {"|O", "<f2", "<U3", "|b1", "<c8", "<i3", "", "<", "|i4"}) {
    EXPECT_EQ(
        npy_error(make_npy(npy_header(type, "(1,)"), "12345678")),
        "f: its array has type \"" + type + "\"; integers of 8 to 64 bits and floats of 32 or 64 bits can be read");
  }
}

TEST(NpyTest, RefusesMalformedHeaders) {
  for (const std::string header :
       {"", "{", "{}", "{'descr': '<i4'}", "{'descr': '<i4', 'fortran_order': False, 'shape': (3)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), 'more': 1}",
        "{'descr': '<i4', 'descr': '<i4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<i4', 'fortran_order': 0, 'shape': (3,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (-3,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (3,)} x", "{'descr: 1", "{descr: 1}"}) {
    EXPECT_EQ(npy_error(make_npy(header, "1234")), "f: its .npy header is malformed") << header;
  }
}

TEST(NpyTest, RefusesSizesThatTheFileDoesNotHave) {
  EXPECT_EQ(npy_error(npy_of<std::int32_t>("<i4", "(3,)", {1, 2})),
            "f: its header says shape [3] of 4-byte values, but 8 bytes follow");
  EXPECT_EQ(npy_error(npy_of<std::int32_t>("<i4", "(1,)", {1, 2})),
            "f: its header says shape [1] of 4-byte values, but 8 bytes follow");
  EXPECT_EQ(npy_error(npy_of<std::int32_t>("<i4", "(4611686018427387904, 4)", {1, 2})),
            "f: its header says shape [4611686018427387904, 4] of 4-byte values, but 8 bytes follow");
}

TEST(NpyTest, RefusesWrongStarts) {
  EXPECT_EQ(npy_error(""), "f: it does not start like an .npy file");
  EXPECT_EQ(npy_error("PK\x03\x04 and more"), "f: it does not start like an .npy file");
  EXPECT_EQ(npy_error("\x93NUMPY\x04" + std::string(9, '\0')), "f: its .npy version is 4; 1 to 3 can be read");
  EXPECT_EQ(npy_error("\x93NUMPY" + le<std::uint16_t>(1)), "f: it ends within its .npy header");
  EXPECT_EQ(npy_error("\x93NUMPY" + le<std::uint16_t>(2) + le<std::uint32_t>(0xffffffff) + "{}"),
            "f: it ends within its .npy header");
}

TEST(NpyTest, ConversionsRefuseWhatIsNotWhole) {
  const auto to_int64_error = [](const std::string& text) {
    NdArray array = parse_npy(as_byte_span(text), "f");
    array.name = "x";
    return message_of<DataError>([&] { array.to_int64(); });
  };
  EXPECT_EQ(to_int64_error(npy_of<float>("<f4", "(2,)", {1.0F, 0.5F})),
            "f: value 1 of array \"x\" is 0.5, which is no 64-bit whole number");
  EXPECT_EQ(to_int64_error(npy_of<double>("<f8", "(1,)", {0x1p63})),
            "f: value 0 of array \"x\" is 9.22337e+18, which is no 64-bit whole number");
  EXPECT_EQ(to_int64_error(npy_of<double>("<f8", "(1,)", {std::numeric_limits<double>::quiet_NaN()})),
            "f: value 0 of array \"x\" is nan, which is no 64-bit whole number");
  EXPECT_EQ(to_int64_error(npy_of<std::uint64_t>("<u8", "(1,)", {~std::uint64_t{0}})),
            "f: value 0 of array \"x\" is 18446744073709551615, which is no 64-bit whole number");
}

TEST(NpzTest, ReadsWhatNumPyWrites) {
  for (const std::string name : {"stored", "deflated", "descriptor", "zip64"}) {
    const std::vector<NdArray> arrays = read_npz(corpus("npz/" + name + ".npz"));
    ASSERT_EQ(arrays.size(), 1U) << name;
    EXPECT_EQ(arrays[0].name, "counts");
    EXPECT_EQ(arrays[0].to_int64(), numbers_below(12)) << name;
  }
  const std::string layers = corpus("npz/layers.npz");
  const std::vector<std::byte> bytes = read_bytes(layers);
  EXPECT_EQ(list_npz(bytes, layers), (std::vector<std::string>{"layer0", "layer1"}));
  EXPECT_EQ(parse_npz_array(bytes, "layer1", layers).to_int64(), (std::vector<std::int64_t>{3, 1, 0, 3}));
  EXPECT_EQ(message_of<DataError>([&] { parse_npz_array(bytes, "layer2", "f"); }), "f: it holds no array \"layer2\"");
}

TEST(NpzTest, PassesOverEntriesThatAreNoArrays) {
  const std::string zip(as_text(make_zip("readme.txt", as_byte_span("hello"))));
  EXPECT_TRUE(parse_npz(as_byte_span(zip), "f").empty());
}

// Offsets in the directory record that npz_of writes, from its start.
constexpr std::size_t kFlags = 8;
constexpr std::size_t kMethod = 10;
constexpr std::size_t kCrc = 16;
constexpr std::size_t kPacked = 20;
constexpr std::size_t kPlain = 24;
constexpr std::size_t kOffset = 42;

class NpzDamageTest : public testing::Test {
 protected:
  std::string with(std::size_t field, const std::string& bytes) const {
    return patched(npz_, directory_ + field, bytes);
  }

  const std::string npz_ = npz_of("counts", npy_of<std::int32_t>("<i4", "(2, 2)", {1, 2, 3, 4}));
  const std::size_t directory_ = npz_.rfind("PK\x01\x02");
  const std::size_t end_ = npz_.rfind("PK\x05\x06");
};

TEST_F(NpzDamageTest, IsWholeToBeginWith) { EXPECT_EQ(npz_error(npz_), "no error"); }

TEST_F(NpzDamageTest, SizesAreNotTrusted) {
  EXPECT_EQ(npz_error(with(kPlain, le<std::uint32_t>(500000))), "f: \"counts.npy\" promises 500000 bytes from " +
                                                                    std::to_string(directory_ - 40) +
                                                                    ", more than deflate can hold");
  EXPECT_EQ(npz_error(with(kPlain, le<std::uint32_t>(0xfffffffe))),
            "f: its entries promise more than 67108864 bytes, far above its size of " + std::to_string(npz_.size()));
  EXPECT_EQ(npz_error(with(kPlain, le<std::uint32_t>(10))),
            "f: \"counts.npy\" is damaged: it does not inflate to the 10 bytes that its ZIP directory says");
  EXPECT_EQ(npz_error(with(kPacked, le<std::uint32_t>(0x7fffffff))), "f: \"counts.npy\" is cut short");
  EXPECT_EQ(npz_error(with(kPacked, le<std::uint32_t>(1))).find("f: \"counts.npy\" is damaged: it does not inflate"),
            0U);
}

TEST_F(NpzDamageTest, ContentIsCompared) {
  EXPECT_EQ(npz_error(with(kCrc, le<std::uint32_t>(1))), "f: \"counts.npy\" is damaged: its checksum differs");
  EXPECT_EQ(npz_error(with(kMethod, le<std::uint16_t>(93))),
            "f: \"counts.npy\" is compressed by method 93; stored (0) and deflated (8) can be read");
  EXPECT_EQ(npz_error(with(kMethod, le<std::uint16_t>(0))), "f: \"counts.npy\" is stored, but its two sizes differ");
  EXPECT_EQ(npz_error(with(kFlags, le<std::uint16_t>(1))), "f: \"counts.npy\" in it is encrypted");
  EXPECT_EQ(npz_error(with(kOffset, le<std::uint32_t>(1))), "f: \"counts.npy\" is not where its ZIP directory says");
}

TEST_F(NpzDamageTest, DirectoryIsChecked) {
  EXPECT_EQ(npz_error(npz_.substr(0, npz_.size() - 1)), "f: it does not end like a ZIP (.npz) file; is it cut short?");
  EXPECT_EQ(npz_error(""), "f: it does not end like a ZIP (.npz) file; is it cut short?");
  EXPECT_EQ(npz_error(with(0, "XX")), "f: its ZIP directory is malformed");
  EXPECT_EQ(npz_error(with(28, le<std::uint16_t>(999))), "f: its ZIP directory is cut short");
  EXPECT_EQ(npz_error(with(30, le<std::uint16_t>(999))), "f: its ZIP directory is cut short");
  EXPECT_EQ(npz_error(patched(npz_, end_ + 10, le<std::uint16_t>(60000))), "f: its ZIP directory is cut short");
  EXPECT_EQ(npz_error(patched(npz_, end_ + 16, le<std::uint32_t>(0xfffffff0))),
            "f: its ZIP directory lies outside of the file");
  const std::string record = npz_.substr(directory_, end_ - directory_);
  std::string twice = npz_.substr(0, end_) + record + npz_.substr(end_);
  twice = patched(twice, end_ + record.size() + 10, le<std::uint16_t>(2));
  twice = patched(twice, end_ + record.size() + 12, le(static_cast<std::uint32_t>(2 * record.size())));
  EXPECT_EQ(npz_error(twice), "f: \"counts.npy\" is in it twice");
}

TEST_F(NpzDamageTest, Zip64IsChecked) {
  const std::vector<std::byte> bytes = read_bytes(corpus("npz/zip64.npz"));
  const std::string zip64(as_text(bytes));
  const std::size_t locator = zip64.rfind("PK\x06\x07");
  EXPECT_EQ(npz_error(patched(zip64, locator + 8, le<std::uint64_t>(1))),
            "f: its ZIP64 end record is not where it says");
  const std::size_t extra = zip64.rfind("PK\x01\x02") + 46 + std::string("counts.npy").size();
  EXPECT_EQ(npz_error(patched(zip64, extra + 2, le<std::uint16_t>(99))),
            "f: an extra field in its ZIP directory is cut short");
  EXPECT_EQ(npz_error(patched(zip64, extra + 2, le<std::uint16_t>(4))),
            "f: a ZIP64 field in its directory is cut short");
}

TEST(NpzTest, RefusesBombsBeforeInflating) {
  // 80 MB of zeros in 80 kB: an honest archive, but far more than its size suggests.
  const std::string npy = make_npy(npy_header("|u1", "(83886080,)"), std::string(83886080, '\0'));
  const std::string npz = npz_of("counts", npy);
  EXPECT_LT(npz.size(), 100000U);
  EXPECT_EQ(npz_error(npz),
            "f: its entries promise more than 67108864 bytes, far above its size of " + std::to_string(npz.size()));
}

TEST(NpzTest, NamesTheArrayThatIsWrong) {
  EXPECT_EQ(npz_error(npz_of("a\"b\n", "no array")), "f: \"a?b?.npy\": it does not start like an .npy file");
}

TEST(BytesTest, RefusesWhatIsNoFile) {
  const TempFolder folder;
  EXPECT_EQ(message_of<DataError>([&] { read_npy(folder.path("none.npy")); }),
            folder.path("none.npy") + ": there is no such file");
  EXPECT_EQ(message_of<DataError>([&] { read_npz(folder.path("")); }), folder.path("") + ": it is not a regular file");
  EXPECT_EQ(message_of<DataError>([&] { write_bytes(folder.path("no/such/folder"), {}); }),
            folder.path("no/such/folder") + ": it cannot be opened for writing");
}

}  // namespace
}  // namespace lplb
