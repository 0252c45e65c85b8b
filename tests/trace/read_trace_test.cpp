// Shapes, values and the choice of the array, through read_trace and read_loads as a user calls them.

#include <gtest/gtest.h>

#include <numeric>

#include "lplb/trace_io.h"
#include "make_files.h"
#include "temp_folder.h"
#include "trace/trace_layout.h"
#include "trace/trace_parsers.h"

namespace lplb {
namespace {

using Shape = std::vector<int>;

Shape shape_of(const Trace& trace) { return {trace.num_steps, trace.num_layers, trace.num_sources, trace.num_experts}; }

std::string error_of(const std::string& text, const std::string& extension, const ReadTraceOptions& options = {}) {
  return message_of<DataError>([&] { parse_trace(as_byte_span(text), extension, "f", options); });
}

TEST(ReadTraceTest, ReadsEachShapeOfCounts) {
  const Trace three = read_trace(corpus("npy/i4.npy"));
  EXPECT_EQ(shape_of(three), (Shape{2, 2, 1, 3}));
  EXPECT_EQ(three.name, "i4");
  EXPECT_EQ(three.counts[11], 11);
  EXPECT_EQ(shape_of(read_trace(corpus("npy/sources.npy"))), (Shape{2, 1, 3, 4}));
  EXPECT_EQ(shape_of(read_trace(corpus("npy/layers.npy"))), (Shape{1, 2, 1, 3}));
  EXPECT_EQ(shape_of(read_trace(corpus("npy/vector.npy"))), (Shape{1, 1, 1, 4}));
  EXPECT_EQ(read_trace(corpus("npy/f8.npy")).counts, three.counts);
  EXPECT_EQ(read_trace(corpus("npz/deflated.npz")).counts, three.counts);
}

TEST(ReadTraceTest, RefusesOtherShapes) {
  const auto shape_error = [](const std::string& shape, std::size_t num_values) {
    return error_of(npy_of<std::int8_t>("|i1", shape, std::vector<std::int8_t>(num_values)), ".npy");
  };
  EXPECT_EQ(shape_error("()", 1),
            "f: its array has shape []; it must be [steps, layers, experts], [steps, layers, sources, experts] or "
            "[layers, experts]");
  EXPECT_EQ(shape_error("(1, 1, 1, 1, 1)", 1).substr(0, 42), "f: its array has shape [1, 1, 1, 1, 1]; it");
  EXPECT_EQ(shape_error("(2, 0)", 0), "f: its array has shape [2, 0], which holds nothing");
  EXPECT_EQ(shape_error("(1, 4097)", 4097), "f: its array has 4097 experts; at most 4096 can be read");
  EXPECT_EQ(shape_error("(1, 1, 1025, 1)", 1025), "f: its array has 1025 sources; at most 1024 can be read");
}

TEST(ReadTraceTest, RefusesWhatIsNoCount) {
  const std::string must = "; counts must be whole numbers in 0..2147483647";
  EXPECT_EQ(error_of(npy_of<std::int32_t>("<i4", "(2, 2)", {1, 2, -3, 4}), ".npy"),
            "f: its array holds -3 at [1, 0]" + must);
  EXPECT_EQ(error_of(npy_of<std::int8_t>("|i1", "(1,)", {-1}), ".npy"), "f: its array holds -1 at [0]" + must);
  EXPECT_EQ(error_of(npy_of<float>("<f4", "(1, 2)", {1.0F, 2.5F}), ".npy"), "f: its array holds 2.5 at [0, 1]" + must);
  EXPECT_EQ(error_of(npy_of<double>("<f8", "(1,)", {std::numeric_limits<double>::quiet_NaN()}), ".npy"),
            "f: its array holds nan at [0]" + must);
  EXPECT_EQ(error_of(npy_of<std::uint32_t>("<u4", "(1,)", {0x80000000}), ".npy"),
            "f: its array holds 2147483648 at [0]" + must);
}

TEST(ReadTraceTest, RefusesSumsBeyondThirtyOneBits) {
  EXPECT_EQ(error_of(npy_of<std::uint32_t>("<u4", "(2, 2)", {1, 2, 0x7fffffff, 1}), ".npy"),
            "f: the counts of step 0, layer 1 sum to 2147483648; that must stay below 2^31");
  EXPECT_EQ(error_of(npy_of<std::uint32_t>("<u4", "(2, 2)", {1, 2, 0x7ffffffe, 1}), ".npy"), "no error");
}

TEST(ReadTraceTest, ChoosesTheArrayByItsName) {
  ReadTraceOptions options;
  EXPECT_EQ(error_of(npz_of("other", npy_of<std::int32_t>("<i4", "(1, 2)", {1, 2})), ".npz"), "no error");
  const std::string two = make_safetensors(
      R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
      "\x01\x02\x03\x04");
  EXPECT_EQ(error_of(two, ".safetensors"),
            "f: it holds several arrays, none of them \"counts\", \"topk\" or \"layer0\"; name one of b, a");
  options.array = "a";
  EXPECT_EQ(parse_trace(as_byte_span(two), ".safetensors", "f", options).counts, (std::vector<Tokens>{3, 4}));
  options.array = "c";
  EXPECT_EQ(error_of(two, ".safetensors", options), "f: it holds no array \"c\"; it has b, a");
  EXPECT_EQ(error_of(std::string(as_text(make_zip("x.txt", {}))), ".npz"), "f: it holds no array");
}

TEST(ReadTraceTest, RefusesUnknownExtensions) {
  EXPECT_EQ(error_of("", ".txt"),
            "f: its extension must be .npy, .npz, .csv, .json or .safetensors (or it must be a folder of statistics)");
  const TempFolder folder;
  const std::string path = folder.write("x.csv", "1,2\n3\n");
  EXPECT_EQ(message_of<DataError>([&] { read_trace(path); }), path + ": line 2 has 1 fields, but the first has 2");
  EXPECT_EQ(message_of<DataError>([&] { read_loads(folder.path("none.csv")); }),
            folder.path("none.csv") + ": there is no such file");
}

TEST(ReadTraceTest, RefusesOptionsThatCannotBe) {
  const auto option_error = [](int tokens_per_step, int num_experts) {
    const ReadTraceOptions options{.tokens_per_step = tokens_per_step, .num_experts = num_experts, .array = ""};
    return message_of<InvalidArgument>([&] { read_trace(corpus("npy/topk.npy"), options); });
  };
  EXPECT_EQ(option_error(0, 0), "[read_trace] tokens_per_step (0) must be at least 1");
  EXPECT_EQ(option_error(1, -1), "[read_trace] num_experts (-1) must be in 0..4096");
  EXPECT_EQ(option_error(1, 4097), "[read_trace] num_experts (4097) must be in 0..4096");
}

TEST(TopkTest, TellsTokenLevelByName) {
  for (const char* name : {"topk", "topk_ids", "law_topk", "a_topk_b", "layer0", "layer12"}) {
    EXPECT_TRUE(is_token_level_name(name)) << name;
  }
  for (const char* name : {"", "counts", "topk8_counts", "mytopk", "layer", "layer_0", "layers", "layer1x"}) {
    EXPECT_FALSE(is_token_level_name(name)) << name;
  }
}

TEST(TopkTest, CutsTokensIntoSteps) {
  // [5 tokens, 1 layer, 2]: with 2 tokens a step the fifth token is left out.
  const std::string npy = npy_of<std::int32_t>("<i4", "(5, 1, 2)", {0, 1, 1, 2, 2, -1, 0, 2, 1, 2});
  ReadTraceOptions options{.tokens_per_step = 2, .num_experts = 0, .array = "", .token_level = true};
  Trace trace = parse_trace(as_byte_span(npy), ".npy", "f", options);
  EXPECT_EQ(shape_of(trace), (Shape{2, 1, 1, 3}));
  EXPECT_EQ(trace.counts, (std::vector<Tokens>{1, 2, 1, 1, 0, 2}));
  options.tokens_per_step = 1024;
  options.num_experts = 4;
  trace = parse_trace(as_byte_span(npy), ".npy", "some/topk.npy", options);
  EXPECT_EQ(shape_of(trace), (Shape{1, 1, 1, 4}));
  EXPECT_EQ(trace.counts, (std::vector<Tokens>{2, 3, 4, 0}));
}

TEST(TopkTest, ReadsOneArrayALayer) {
  const Trace trace = read_trace(corpus("npz/layers.npz"));
  EXPECT_EQ(shape_of(trace), (Shape{1, 2, 1, 4}));
  EXPECT_EQ(trace.counts, (std::vector<Tokens>{1, 2, 1, 0, 1, 1, 0, 2}));
  const ReadTraceOptions second{.tokens_per_step = 1, .num_experts = 0, .array = "layer1"};
  EXPECT_EQ(shape_of(read_trace(corpus("npz/layers.npz"), second)), (Shape{2, 1, 1, 4}));
}

TEST(TopkTest, ReadsLayersOfEveryFormat) {
  EXPECT_EQ(read_trace(corpus("npy/topk.npy")).counts, (std::vector<Tokens>{1, 1, 2, 1, 1, 1}));
  EXPECT_EQ(read_trace(corpus("json/topk.json")).counts, (std::vector<Tokens>{1, 2, 1}));
  EXPECT_EQ(read_trace(corpus("safetensors/topk.safetensors")).counts, (std::vector<Tokens>{1, 0, 1, 1, 1, 0}));
}

std::string topk_error(const std::string& npy, ReadTraceOptions options = {}) {
  options.token_level = true;
  return error_of(npy, ".npy", options);
}

TEST(TopkTest, RefusesWhatIsNoChoice) {
  EXPECT_EQ(topk_error(npy_of<std::int32_t>("<i4", "(2, 1, 2)", {0, 1, 3, 3})),
            "f: array \"\" names expert 3 twice for token 1; are these the router's choices?");
  EXPECT_EQ(topk_error(npy_of<std::int32_t>("<i4", "(1, 2)", {0, -2})),
            "f: array \"\" holds expert -2; ids must be whole numbers in -1..4095");
  EXPECT_EQ(topk_error(npy_of<std::uint64_t>("<u8", "(1, 2)", {0, ~std::uint64_t{0}})),
            "f: array \"\" holds expert 18446744073709551615; ids must be whole numbers in -1..4095");
  EXPECT_EQ(topk_error(npy_of<float>("<f4", "(1, 2)", {0.0F, 1.5F})),
            "f: array \"\" holds expert 1.5; ids must be whole numbers in -1..4095");
  EXPECT_EQ(topk_error(npy_of<std::int32_t>("<i4", "(1, 2)", {0, 4}), {.num_experts = 4, .array = ""}),
            "f: array \"\" holds expert 4; ids must be whole numbers in -1..3");
  EXPECT_EQ(topk_error(npy_of<std::int32_t>("<i4", "(1, 2)", {-1, -1})), "f: no token in it chooses an expert");
}

TEST(TopkTest, RefusesOtherShapes) {
  EXPECT_EQ(
      topk_error(npy_of<std::int8_t>("|i1", "(2,)", {0, 1})),
      "f: array \"\" has shape [2]; the router's choices must be [tokens, layers, k], or [tokens, k] for each layer");
  EXPECT_EQ(topk_error(npy_of<std::int8_t>("|i1", "(0, 2)", {})), "f: array \"\" holds nothing");
  const std::string uneven = make_safetensors(R"({"layer0":{"dtype":"U8","shape":[1,2],"data_offsets":[0,2]},)"
                                              R"("layer1":{"dtype":"U8","shape":[2,1],"data_offsets":[2,4]}})",
                                              "\x01\x02\x03\x04");
  EXPECT_EQ(error_of(uneven, ".safetensors"), "f: array \"layer1\" has shape [2, 1], but \"layer0\" has [1, 2]");
  const std::string gap = make_safetensors(R"({"layer0":{"dtype":"U8","shape":[1,2],"data_offsets":[0,2]},)"
                                           R"("layer2":{"dtype":"U8","shape":[1,2],"data_offsets":[2,4]}})",
                                           "\x01\x02\x03\x04");
  EXPECT_EQ(error_of(gap, ".safetensors"), "f: layer1 is missing among its arrays layer0, layer2");
}

TEST(TopkTest, RefusesStepsThatBlowUp) {
  // One id a token: steps of one token would make 4096 counts of each id.
  std::vector<std::int16_t> ids(8192);
  ids.back() = 4095;
  const std::string npy = npy_of<std::int16_t>("<i2", "(8192, 1)", ids);
  EXPECT_EQ(topk_error(npy, {.tokens_per_step = 1, .num_experts = 0, .array = ""}),
            "f: its 8192 values would make an array [8192, 1, 4096], which is far larger");
  EXPECT_EQ(topk_error(npy), "no error");
}

TEST(LoadsTest, SumsStepsAndSources) {
  const Loads loads = read_loads(corpus("npy/sources.npy"));
  EXPECT_EQ(loads.num_layers, 1);
  EXPECT_EQ(loads.num_experts, 4);
  EXPECT_EQ(loads.values, (std::vector<float>{60, 66, 72, 78}));
  EXPECT_EQ(read_loads(corpus("npy/layers.npy")).values, (std::vector<float>{5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(read_loads(corpus("npy/vector.npy")).values, (std::vector<float>{200, 150, 100, 50}));
  EXPECT_EQ(read_loads(corpus("npy/loads.npy")).values, (std::vector<float>{0.5F, 1.25F}));
  EXPECT_EQ(read_loads(corpus("npy/topk.npy")).values, (std::vector<float>{1, 1, 2, 1, 1, 1}));
}

TEST(LoadsTest, RefusesWhatIsNoLoad) {
  const auto loads_error = [](const std::string& text) {
    return message_of<DataError>([&] { parse_loads(as_byte_span(text), ".npy", "f"); });
  };
  const std::string must = "; loads must be finite and not negative";
  EXPECT_EQ(loads_error(npy_of<float>("<f4", "(1, 2)", {1.0F, -0.5F})), "f: its array holds -0.5 at [0, 1]" + must);
  EXPECT_EQ(loads_error(npy_of<float>("<f4", "(1,)", {std::numeric_limits<float>::infinity()})),
            "f: its array holds inf at [0]" + must);
  EXPECT_EQ(loads_error(npy_of<float>("<f4", "(1,)", {std::numeric_limits<float>::quiet_NaN()})),
            "f: its array holds nan at [0]" + must);
  EXPECT_EQ(loads_error(npy_of<double>("<f8", "(1,)", {1e39})),
            "f: the loads of an expert sum to 1e+39, more than 32-bit floats hold");
}

/// Every recorded trace that lies beside the project must read; what it sums to is known.
TEST(RecordedTracesTest, AllRead) {
  struct Known {
    const char* path;
    Shape shape;
    std::int64_t sum;
  };
  const std::vector<Known> known = {
      {"deepseek-v2-lite/intent_topk.npz", {8, 26, 1, 64}, 8LL * 1024 * 26 * 6},
      {"deepseek-v3/mmlu_4k_counts.npy", {1, 58, 1, 256}, 744831360},
      {"gpt-oss-20b/decode_counts.npz", {511, 24, 1, 32}, 14324352},
      {"moe128/prefill_cpp.npz", {24, 7, 64, 128}, 24LL * 7 * 65536 * 8},
      {"moe128/train.npz", {80, 7, 64, 128}, 80LL * 7 * 65536 * 8},
      {"moe128/topk_mixed.npz", {16, 7, 1, 128}, 16LL * 7 * 1024 * 8},
      {"olmoe/alpaca_counts.npz", {128, 16, 1, 64}, 11276544},
      {"olmoe/domains_counts.npy", {6, 3, 1, 64}, 29993352},
  };
  const std::string folder = std::string(LPLB_SHARED_DIR) + "/traces/";
  if (!std::filesystem::exists(folder)) {
    GTEST_SKIP() << "no recorded traces at " << folder;
  }
  for (const Known& item : known) {
    const Trace trace = read_trace(folder + item.path);
    EXPECT_EQ(shape_of(trace), item.shape) << item.path;
    EXPECT_EQ(std::accumulate(trace.counts.begin(), trace.counts.end(), std::int64_t{0}), item.sum) << item.path;
  }
}

TEST(RecordedTracesTest, TheBundledTraceReads) {
  const Trace trace = read_trace(std::string(LPLB_SOURCE_DIR) + "/data/moe128.npz");
  EXPECT_EQ(shape_of(trace), (Shape{40, 7, 64, 128}));
  EXPECT_EQ(std::accumulate(trace.counts.begin(), trace.counts.end(), std::int64_t{0}), 40LL * 7 * 524288);
}

}  // namespace
}  // namespace lplb
