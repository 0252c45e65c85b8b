// Traces read back as they were written, in each format.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "lplb/trace_io.h"
#include "temp_folder.h"
#include "trace/array_file.h"

namespace lplb {
namespace {

bool same(const Trace& a, const Trace& b) {
  return a.num_steps == b.num_steps && a.num_layers == b.num_layers && a.num_sources == b.num_sources &&
         a.num_experts == b.num_experts && a.counts == b.counts;
}

Trace small_trace() {
  return {.name = "a \"name\"",
          .num_steps = 1,
          .num_layers = 1,
          .num_sources = 2,
          .num_experts = 2,
          .counts = {1, 2, 3, 4}};
}

RC_GTEST_PROP(WriteTraceTest, EveryFormatReadsBack, ()) {
  Trace trace{.name = "x",
              .num_steps = *rc::gen::inRange(1, 4),
              .num_layers = *rc::gen::inRange(1, 4),
              .num_sources = *rc::gen::inRange(1, 4),
              .num_experts = *rc::gen::inRange(1, 9),
              .counts = {}};
  const std::size_t size =
      static_cast<std::size_t>(trace.num_steps) * trace.num_layers * trace.num_sources * trace.num_experts;
  trace.counts = *rc::gen::container<std::vector<Tokens>>(size, rc::gen::inRange(0, 1 << 24));
  const TempFolder folder;
  for (const char* file : {"x.npz", "x.npy", "x.csv", "x.json"}) {
    write_trace(trace, folder.path(file));
    const Trace again = read_trace(folder.path(file));
    RC_ASSERT(same(again, trace));
    RC_ASSERT(again.name == "x");
  }
}

TEST(WriteTraceTest, WritesNumPysForm) {
  const TempFolder folder;
  write_trace(small_trace(), folder.path("x.npy"));
  const std::vector<std::byte> bytes = read_bytes(folder.path("x.npy"));
  EXPECT_EQ(bytes.size() % 64, 16U) << "the values start at a multiple of 64 bytes";
  EXPECT_EQ(as_text(bytes).substr(10, 70), "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 1, 2, 2), }     ");
  write_trace(small_trace(), folder.path("x.npz"));
  const std::vector<NdArray> arrays = read_npz(folder.path("x.npz"));
  EXPECT_EQ(arrays.at(0).name, "counts");
  EXPECT_EQ(arrays.at(0).item_bytes, 4);
}

TEST(WriteTraceTest, WritesTextThatPeopleRead) {
  const TempFolder folder;
  const auto text_of = [&](const Trace& trace, const std::string& file) {
    write_trace(trace, folder.path(file));
    const std::vector<std::byte> bytes = read_bytes(folder.path(file));
    return std::string(as_text(bytes));
  };
  EXPECT_EQ(text_of(small_trace(), "x.csv"),
            "step,layer,source,expert,count\n0,0,0,0,1\n0,0,0,1,2\n0,0,1,0,3\n0,0,1,1,4\n");
  EXPECT_EQ(text_of(small_trace(), "x.json"),
            "{\"name\": \"a \\\"name\\\"\", \"counts\": [\n[\n[\n[1,2],\n[3,4]]]]}\n");
  EXPECT_EQ(read_trace(folder.path("x.json")).name, "a \"name\"");
  EXPECT_EQ(text_of(regroup_sources(small_trace(), 1), "y.csv"), "step,layer,expert,count\n0,0,0,4\n0,0,1,6\n");
}

TEST(WriteTraceTest, RefusesWhatItCannotWrite) {
  const TempFolder folder;
  EXPECT_EQ(message_of<InvalidArgument>([&] { write_trace(small_trace(), "x.txt"); }),
            "[write_trace] path (x.txt) must end in .npz, .npy, .csv or .json");
  Trace trace = small_trace();
  trace.counts.pop_back();
  EXPECT_EQ(message_of<InvalidArgument>([&] { write_trace(trace, folder.path("x.npy")); }),
            "[write_trace] trace has 3 counts; its shape [1, 1, 2, 2] needs 4");
  EXPECT_EQ(message_of<InvalidArgument>([&] { write_trace(Trace{}, folder.path("x.npy")); }),
            "[write_trace] trace must have at least one step, layer, source and expert");
  EXPECT_EQ(message_of<DataError>([&] { write_trace(small_trace(), folder.path("no/x.npy")); }),
            folder.path("no/x.npy") + ": it cannot be opened for writing");
}

}  // namespace
}  // namespace lplb
