// CSV, JSON, safetensors and TensorRT-LLM's statistics: what is read, and each refusal.

#include <gtest/gtest.h>

#include "base/check.h"
#include "lplb/trace_io.h"
#include "make_files.h"
#include "temp_folder.h"
#include "trace/trace_parsers.h"

namespace lplb {
namespace {

using Shape = std::vector<int>;

Shape shape_of(const Trace& trace) { return {trace.num_steps, trace.num_layers, trace.num_sources, trace.num_experts}; }

Trace parse(const std::string& extension, const std::string& text) {
  return parse_trace(as_byte_span(text), extension, "dir/f" + extension);
}

std::string error_of(const std::string& extension, const std::string& text) {
  return message_of<DataError>([&] { parse_trace(as_byte_span(text), extension, "f"); });
}

TEST(CsvTest, ReadsTheLongForm) {
  // Steps 0 and 16 are the first and the second, layers 3 and 4 likewise; what is missing counts 0.
  const Trace trace = read_trace(corpus("csv/long.csv"));
  EXPECT_EQ(shape_of(trace), (Shape{2, 2, 1, 3}));
  EXPECT_EQ(trace.counts, (std::vector<Tokens>{5, 6, 0, 0, 0, 7, 8, 0, 0, 0, 9, 0}));
  const Trace sources = read_trace(corpus("csv/sources.csv"));
  EXPECT_EQ(shape_of(sources), (Shape{1, 1, 2, 3}));
  EXPECT_EQ(sources.counts, (std::vector<Tokens>{5, 0, 0, 0, 0, 7}));
}

TEST(CsvTest, ReadsAMatrix) {
  EXPECT_EQ(parse(".csv", "1,2,3\n4,5,6").counts, (std::vector<Tokens>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(shape_of(parse(".csv", "200,150,100,50\n")), (Shape{1, 1, 1, 4}));
  const Loads loads = read_loads(corpus("csv/header.csv"));
  EXPECT_EQ(loads.num_layers, 2);
  EXPECT_EQ(loads.values, (std::vector<float>{1, 2.5F, 3, 400}));
}

TEST(CsvTest, RefusesMalformedText) {
  EXPECT_EQ(error_of(".csv", ""), "f: it is empty");
  EXPECT_EQ(error_of(".csv", "a,b\n"), "f: it holds no numbers");
  EXPECT_EQ(error_of(".csv", "1,2\n3,x\n"), "f: line 2 has \"x\" where a number is needed");
  EXPECT_EQ(error_of(".csv", "1,2\n\n3,4,5\n"), "f: line 3 has 3 fields, but the first has 2");
  EXPECT_EQ(error_of(".csv", "1,\n"), "f: line 1 has \"\" where a number is needed");
  EXPECT_EQ(error_of(".csv", "step,layer,expert\n"),
            "f: its header \"step,layer,expert\" must name step, layer, expert, count and perhaps source, each once");
  EXPECT_EQ(error_of(".csv", "step,layer,expert,count,count\n").substr(0, 15), "f: its header \"");
  EXPECT_EQ(error_of(".csv", "step,layer,expert,count,rank\n").substr(0, 15), "f: its header \"");
  const std::string header = "step,layer,expert,count\n";
  EXPECT_EQ(error_of(".csv", header), "f: it holds no counts");
  EXPECT_EQ(error_of(".csv", header + "0,0,0\n"), "f: line 2 has fewer fields than the header");
  EXPECT_EQ(error_of(".csv", header + "0,0,0,1,2\n"), "f: line 2 has more fields than the header");
  EXPECT_EQ(error_of(".csv", header + "0,0,-1,1\n"),
            "f: line 2 has \"-1\" where a whole number that is not negative is needed");
  EXPECT_EQ(error_of(".csv", header + "0,0,1,1.5\n"),
            "f: line 2 has \"1.5\" where a whole number that is not negative is needed");
  EXPECT_EQ(error_of(".csv", header + "0,0,4096,1\n"), "f: expert 4096 in it must be below 4096");
  EXPECT_EQ(error_of(".csv", "step,layer,source,expert,count\n0,0,1024,1,1\n"),
            "f: source 1024 in it must be below 1024");
  EXPECT_EQ(error_of(".csv", header + "0,0,1,1\n0,0,1,1\n"),
            "f: it has two lines for one step, layer, source and expert (expert 1)");
}

TEST(CsvTest, RefusesAFewLinesThatWouldMakeAHugeArray) {
  std::string text = "step,layer,source,expert,count\n";
  for (int i = 0; i < 3; ++i) {
    text += concat(i, ",", i, ",1023,4095,1\n");
  }
  EXPECT_EQ(error_of(".csv", text), "f: its 3 values would make an array [3, 3, 1024, 4096], which is far larger");
}

TEST(JsonTest, ReadsNestedArrays) {
  const Trace trace = parse(".json", "[[[1,2],[3,4]],[[5,6],[7,8]]]");
  EXPECT_EQ(shape_of(trace), (Shape{2, 2, 1, 2}));
  EXPECT_EQ(trace.name, "f");
  EXPECT_EQ(trace.counts, (std::vector<Tokens>{1, 2, 3, 4, 5, 6, 7, 8}));
  const Trace object = read_trace(corpus("json/object.json"));
  EXPECT_EQ(object.name, "two A");
  EXPECT_EQ(object.counts, (std::vector<Tokens>{0, 1, 2, 3}));
  EXPECT_EQ(parse(".json", "[1, 2.0, 3]").counts, (std::vector<Tokens>{1, 2, 3}));
}

TEST(JsonTest, ReadsTheArrayThatIsAskedFor) {
  const std::string text = R"({"counts":[1,2],"other":[3,4]})";
  const ReadTraceOptions options{.tokens_per_step = 1, .num_experts = 0, .array = "other"};
  EXPECT_EQ(parse_trace(as_byte_span(text), ".json", "f", options).counts, (std::vector<Tokens>{3, 4}));
  const ReadTraceOptions missing{.tokens_per_step = 1, .num_experts = 0, .array = "none"};
  EXPECT_EQ(message_of<DataError>([&] { parse_trace(as_byte_span(text), ".json", "f", missing); }),
            "f: it holds no array \"none\"");
}

TEST(JsonTest, RefusesMalformedText) {
  EXPECT_EQ(error_of(".json", ""), "f: it is not valid JSON at byte 1");
  EXPECT_EQ(error_of(".json", "[1,2"), "f: it is not valid JSON at byte 5");
  EXPECT_EQ(error_of(".json", "[1] 2"), "f: it is not valid JSON at byte 5");
  EXPECT_EQ(error_of(".json", "[NaN]"), "f: it is not valid JSON at byte 2");
  EXPECT_EQ(error_of(".json", "[1e999]"), "f: it is not valid JSON at byte 6");
  EXPECT_EQ(error_of(".json", std::string(100000, '[')),
            "f: its array is ragged: all rows of one level must have the same length");
  EXPECT_EQ(error_of(".json", "{\"x\":" + std::string(100000, '[')), "f: its JSON is nested more than 32 deep");
  EXPECT_EQ(error_of(".json", R"({"counts":[1],"counts":[2]})"), "f: key \"counts\" is in it twice");
}

TEST(JsonTest, RefusesWhatIsNoArrayOfNumbers) {
  const std::string ragged = " is ragged: all rows of one level must have the same length";
  EXPECT_EQ(error_of(".json", "[[1,2],[3]]"), "f: its array" + ragged);
  EXPECT_EQ(error_of(".json", "[1,[2]]"), "f: its array" + ragged);
  EXPECT_EQ(error_of(".json", "[[1],2]"), "f: its array" + ragged);
  EXPECT_EQ(error_of(".json", "[[],[[]]]"), "f: its array" + ragged);
  EXPECT_EQ(error_of(".json", R"({"counts":[1,"2"]})"), "f: array \"counts\" holds something else than numbers");
  EXPECT_EQ(error_of(".json", "[1,null]"), "f: its array holds something else than numbers");
  EXPECT_EQ(error_of(".json", "[1,{\"a\":2}]"), "f: its array holds something else than numbers");
  EXPECT_EQ(error_of(".json", "[]"), "f: its array has shape [0], which holds nothing");
  for (const char* text : {"{}", "7", "\"counts\"", R"({"counts":7})", R"({"loads":[1]})"}) {
    EXPECT_EQ(error_of(".json", text), "f: it holds no array of numbers, nor one under \"counts\" or \"topk\"") << text;
  }
  EXPECT_EQ(error_of(".json", "[18446744073709551615]"),
            "f: its array holds 1.84467e+19 at [0]; counts must be whole numbers in 0..2147483647");
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"counts":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

TEST(SafetensorsTest, ReadsCounts) {
  const Trace trace = read_trace(corpus("safetensors/counts.safetensors"));
  EXPECT_EQ(shape_of(trace), (Shape{2, 2, 1, 3}));
  EXPECT_EQ(trace.counts.back(), 11);
  EXPECT_EQ(parse(".safetensors", make_safetensors(tensor("F32", "[1,1]", "[0,4]"), le(3.0F))).counts,
            std::vector<Tokens>{3});
}

TEST(SafetensorsTest, RefusesWhatLies) {
  const auto refusal = [](const std::string& header) {
    return error_of(".safetensors", make_safetensors(header, "1234"));
  };
  EXPECT_EQ(error_of(".safetensors", "short"), "f: it is too short for a safetensors file");
  EXPECT_EQ(error_of(".safetensors", le(~std::uint64_t{0}) + "{}"),
            "f: its header of 18446744073709551615 bytes does not fit into the file");
  EXPECT_EQ(refusal(tensor("I32", "[2]", "[0,4]")), "f: tensor \"counts\" has shape [2] of 4-byte values, but 4 bytes");
  EXPECT_EQ(refusal(tensor("I32", "[4611686018427387904,4]", "[0,4]")),
            "f: tensor \"counts\" has shape [4611686018427387904, 4] of 4-byte values, but 4 bytes");
  EXPECT_EQ(refusal(tensor("I32", "[1]", "[0,8]")), "f: its tensors take 8 bytes, but 4 follow the header");
  EXPECT_EQ(refusal(tensor("I32", "[1]", "[4,0]")), "f: its tensors overlap or leave gaps");
  EXPECT_EQ(refusal(tensor("I32", "[1]", "[1,4]")), "f: its tensors overlap or leave gaps");
  for (const std::string dtype : {"BF16", "F16", "BOOL", "I128", "X"}) {
    EXPECT_EQ(refusal(tensor(dtype, "[1]", "[0,4]")),
              "f: tensor \"counts\" has type \"" + dtype +
                  "\"; integers of 8 to 64 bits and floats of 32 or 64 bits can be read");
  }
  for (const std::string header :
       {R"([])", R"("x")", R"(7)", R"({"a":7})", R"({"a":"b"})", R"({"a":{}})", R"({"a":{"dtype":"I8"}})",
        R"({"a":[1]})", R"({"a":{"dtype":"I8","shape":[-1],"data_offsets":[0,4]}})",
        R"({"a":{"dtype":"I8","shape":{},"data_offsets":[0,4]}})",
        R"({"a":{"dtype":"I8","shape":[[4]],"data_offsets":[0,4]}})",
        R"({"a":{"dtype":"I8","shape":[1.5],"data_offsets":[0,4]}})",
        R"({"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4,4]}})",
        R"({"a":{"dtype":null,"shape":[4],"data_offsets":[0,4]}})"}) {
    EXPECT_EQ(refusal(header), "f: its safetensors header is malformed") << header;
  }
  EXPECT_EQ(refusal("{"), "f: it is not valid JSON at byte 2");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},"a":{}})"),
            "f: tensor \"a\" is in it twice");
}

TEST(StatisticsTest, ReadsTheFileOfOneRank) {
  const Trace trace = read_trace(corpus("safetensors/statistics.safetensors"));
  EXPECT_EQ(shape_of(trace), (Shape{2, 2, 1, 3}));
  EXPECT_EQ(trace.counts, (std::vector<Tokens>{100, 3, 1, 100, 4, 1, 101, 3, 1, 101, 4, 1}));
}

/// A rank's statistics: tensors of two experts, int64, in the order given.
std::string rank_file(const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& tensors) {
  std::string header = "{";
  std::string data;
  for (const auto& [name, counts] : tensors) {
    const std::size_t begin = data.size();
    for (const std::int64_t count : counts) {
      data += le(count);
    }
    header += concat(header.size() > 1 ? "," : "", "\"", name, "\":{\"dtype\":\"I64\",\"shape\":[", counts.size(),
                     "],\"data_offsets\":[", begin, ",", data.size(), "]}");
  }
  return make_safetensors(header + "}", data);
}

constexpr const char* kMetaInfo = R"({"num_experts": 2, "num_experts_per_token": 1})";

TEST(StatisticsTest, ReadsAFolder) {
  const TempFolder folder;
  folder.write("s/meta_info.json", kMetaInfo);
  folder.write("s/rank0.safetensors", rank_file({{"10_3", {1, 2}}, {"9_3", {3, 4}}}));
  folder.write("s/rank1.safetensors", rank_file({{"9_3", {5, 6}}}));
  folder.write("s/rank0_numtokens.json", "{}");
  const Trace trace = read_trace(folder.path("s"));
  EXPECT_EQ(trace.name, "s");
  EXPECT_EQ(shape_of(trace), (Shape{2, 1, 2, 2}));
  EXPECT_EQ(trace.counts, (std::vector<Tokens>{3, 4, 5, 6, 1, 2, 0, 0}));
  EXPECT_EQ(read_loads(folder.path("s")).values, (std::vector<float>{9, 12}));
}

TEST(StatisticsTest, OrdersRanksByNumber) {
  const TempFolder folder;
  folder.write("meta_info.json", kMetaInfo);
  for (int rank = 0; rank < 11; ++rank) {
    folder.write(concat("rank", rank, ".safetensors"), rank_file({{"0_0", {rank, 0}}}));
  }
  const Trace trace = read_trace(folder.path(""));
  for (int rank = 0; rank < 11; ++rank) {
    EXPECT_EQ(trace.counts[2 * rank], rank);
  }
}

TEST(StatisticsTest, RefusesFoldersThatAreNotWhole) {
  const TempFolder folder;
  const std::string path = folder.path("s");
  const auto refusal = [&] { return message_of<DataError>([&] { read_trace(path); }); };
  folder.write("s/note", "");
  EXPECT_EQ(refusal(), path + "/meta_info.json: there is no such file");
  folder.write("s/meta_info.json", "{}");
  EXPECT_EQ(refusal(), path + "/meta_info.json: num_experts must be a whole number in 1..4096");
  folder.write("s/meta_info.json", kMetaInfo);
  EXPECT_EQ(refusal(), path + ": it holds no rank0.safetensors");
  folder.write("s/rank1.safetensors", rank_file({{"0_0", {1, 2}}}));
  EXPECT_EQ(refusal(), path + ": it holds 1 files rank*.safetensors, but the last is of rank 1; one is missing");
  folder.write("s/rank0.safetensors", rank_file({{"0_0", {1, 2}}, {"1_1", {1, 2}}}));
  EXPECT_EQ(refusal(), path + ": it holds 2 pairs of iteration and layer, but 2 iterations and 2 layers");
  folder.write("s/rank0.safetensors", rank_file({{"0_0", {1, 2, 3}}}));
  EXPECT_EQ(refusal(),
            path + "/rank0.safetensors: tensor \"0_0\" has shape [3]; one count for each of 2 experts is needed");
  folder.write("s/rank0.safetensors", rank_file({{"0_0", {1, -2}}}));
  EXPECT_EQ(refusal(),
            path + ": array \"counts\" holds -2 at [0, 0, 0, 1]; counts must be whole numbers in 0..2147483647");
  folder.write("s/rank0.safetensors", rank_file({{"0_x", {1, 2}}}));
  EXPECT_EQ(refusal(), path + "/rank0.safetensors: tensor \"0_x\" is not named \"iteration_layer\"");
  folder.write("s/rank0.safetensors", rank_file({{"0_0", {1, 2}}, {"00_0", {1, 2}}}));
  EXPECT_EQ(refusal(), path + "/rank0.safetensors: iteration 0, layer 0 is in it twice");
  folder.write("s/rank00.safetensors", rank_file({{"0_0", {1, 2}}}));
  EXPECT_EQ(refusal(), path + ": rank 0 is in it twice");
}

}  // namespace
}  // namespace lplb
