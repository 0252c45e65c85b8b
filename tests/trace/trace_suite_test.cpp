// Suites of traces: what each field does, on small files written by hand, and what is refused.

#include <gtest/gtest.h>

#include "lplb/trace_io.h"
#include "temp_folder.h"

namespace lplb {
namespace {

class TraceSuite : public testing::Test {
 protected:
  TraceSuite() {
    // [steps 3, layers 2, experts 2]
    folder_.write("a.json", R"({"counts": [[[1, 2], [3, 4]], [[5, 6], [7, 8]], [[9, 10], [11, 12]]]})");
    folder_.write("b.json", R"({"counts": [[[21, 22], [23, 24]]]})");
    // [steps 1, layers 2, sources 2, experts 2]
    folder_.write("s.json", R"({"counts": [[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]]})");
    folder_.write("t.json", R"({"topk": [[0, 1], [1, 2], [2, 3], [3, 0]]})");
  }

  std::vector<SuiteTrace> read(const std::string& entries) const {
    return read_trace_suite(folder_.write("suite.json", "{\"traces\": [" + entries + "]}"));
  }
  Trace read_one(const std::string& fields) const { return read("{\"name\": \"x\", " + fields + "}").front().trace; }
  std::string fault(const std::string& entries) const {
    const std::string message = message_of<DataError>([&] { read(entries); });
    const std::string path = folder_.path("suite.json") + ": ";
    EXPECT_EQ(message.rfind(path, 0), 0U) << message;
    return message.substr(std::min(path.size(), message.size()));
  }

  TempFolder folder_;
};

TEST_F(TraceSuite, NamesAndFlags) {
  const auto traces =
      read(R"({"name": "one", "file": "a.json"}, {"name": "two", "file": "b.json", "changes": true, "drifts": true})");
  ASSERT_EQ(traces.size(), 2U);
  EXPECT_EQ(traces[0].trace.name, "one");
  EXPECT_FALSE(traces[0].changes || traces[0].drifts);
  EXPECT_EQ(traces[0].trace.num_steps, 3);
  EXPECT_EQ(traces[1].trace.name, "two");
  EXPECT_TRUE(traces[1].changes && traces[1].drifts);
}

TEST_F(TraceSuite, PartsOfTheSteps) {
  EXPECT_EQ(read_one(R"("file": "a.json", "steps": [1, 2])").counts, (std::vector<Tokens>{5, 6, 7, 8}));
  const Trace last = read_one(R"("file": "a.json", "steps": [-2, null])");
  EXPECT_EQ(last.num_steps, 2);
  EXPECT_EQ(last.counts, (std::vector<Tokens>{5, 6, 7, 8, 9, 10, 11, 12}));
}

TEST_F(TraceSuite, FilesFollowEachOther) {
  const Trace trace = read_one(R"("files": ["b.json", "a.json"], "steps": [0, 2])");
  EXPECT_EQ(trace.num_steps, 2);
  EXPECT_EQ(trace.counts, (std::vector<Tokens>{21, 22, 23, 24, 1, 2, 3, 4}));
}

TEST_F(TraceSuite, LayersArePickedAndSourcesSummed) {
  EXPECT_EQ(read_one(R"("file": "a.json", "layers": [1])").counts, (std::vector<Tokens>{3, 4, 7, 8, 11, 12}));
  const Trace summed = read_one(R"("file": "s.json")");
  EXPECT_EQ(summed.num_sources, 1);
  EXPECT_EQ(summed.counts, (std::vector<Tokens>{4, 6, 12, 14}));
}

TEST_F(TraceSuite, TokenLevelFilesAreCutIntoSteps) {
  const Trace trace = read_one(R"("file": "t.json", "array": "topk", "tokens_per_step": 2, "experts": 5)");
  EXPECT_EQ(trace.num_steps, 2);
  EXPECT_EQ(trace.counts, (std::vector<Tokens>{1, 2, 1, 0, 0, 1, 0, 1, 2, 0}));
}

TEST_F(TraceSuite, DrawsBatches) {
  const Trace trace = read_one(R"("file": "b.json", "draw": {"steps": 4, "tokens": 100, "drift": 0.1, "seed": 7})");
  const Trace wanted =
      draw_trace(read_trace(folder_.path("b.json")), {.num_steps = 4, .tokens_per_step = 100, .drift = 0.1, .seed = 7});
  EXPECT_EQ(trace.counts, wanted.counts);
  EXPECT_EQ(trace.num_steps, 4);
}

TEST_F(TraceSuite, PathsStartAtTheRoot) {
  const std::string path = folder_.write("elsewhere/suite.json", R"({"traces": [{"name": "x", "file": "b.json"}]})");
  EXPECT_EQ(read_trace_suite(path, folder_.path("")).front().trace.num_steps, 1);
  EXPECT_NE(message_of<DataError>([&] { read_trace_suite(path); }), "no error");
}

TEST_F(TraceSuite, SaysWhatIsWrongWithAnEntry) {
  EXPECT_EQ(fault(R"({"name": "x", "file": "a.json", "step": [0, 1]})"), R"(trace "x": unknown key "step")");
  EXPECT_EQ(fault(R"({"name": "x"})"), R"(trace "x": it needs either "file" or "files")");
  EXPECT_EQ(fault(R"({"name": "x", "files": []})"), R"(trace "x": "files" is empty)");
  EXPECT_EQ(fault(R"({"name": "x", "file": "a.json", "steps": [2, 5]})"),
            R"(trace "x": "steps" are 2 to 5, of a trace with 3)");
  EXPECT_EQ(fault(R"({"name": "x", "files": ["a.json", "t.json"]})"),
            R"(trace "x": t.json has 1 layers of 4 experts, the files before it 2 of 2)");
  EXPECT_EQ(fault(R"({"name": "x", "file": "a.json", "layers": [2]})"),
            R"(trace "x": [select_layers] layer (2) must be in 0..1)");
  EXPECT_EQ(
      fault(R"({"name": "x", "file": "a.json", "draw": {}})").rfind("trace \"x\": [draw_trace] aggregate has 3", 0),
      0U);
  EXPECT_EQ(fault(R"({"file": "a.json"})").rfind("trace 0: it is not as it should be", 0), 0U);
  EXPECT_EQ(fault(R"({"name": "x", "file": 3})").rfind("trace \"x\": it is not as it should be", 0), 0U);
  EXPECT_EQ(fault(R"(7)").rfind("trace 0: it is not as it should be", 0), 0U);
  EXPECT_EQ(fault("").rfind("it must be a JSON object with an array \"traces\"", 0), 0U);
}

}  // namespace
}  // namespace lplb
