// Placements as JSON: read back as written, SGLang's form, and each refusal.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "lplb/trace_io.h"
#include "temp_folder.h"

namespace lplb {
namespace {

const std::vector<Placement> kTwoLayers = {Placement({0, 1, 0, 2, 3, -1}, 4, 2), Placement({0, 1, 2, 3, 2, 1}, 4, 2)};

std::string error_of(const std::string& text, const ReadPlacementOptions& options = {}) {
  return message_of<DataError>([&] { placements_from_json(text, "f", options); });
}

TEST(PlacementJsonTest, WritesOneLineALayer) {
  EXPECT_EQ(placements_to_json(kTwoLayers),
            "{\n\"num_logical_experts\": 4,\n\"num_ranks\": 2,\n\"num_nodes\": 1,\n\"physical_to_logical_map\": [\n"
            "[0,1,0,2,3,-1],\n[0,1,2,3,2,1]\n]}\n");
}

TEST(PlacementJsonTest, WritesSglangsFormWithTheMapAlone) {
  EXPECT_EQ(placements_to_json({kTwoLayers[1]}, PlacementForm::kSglang),
            "{\n\"physical_to_logical_map\": [\n[0,1,2,3,2,1]\n]}\n");
  EXPECT_EQ(message_of<InvalidArgument>([&] { placements_to_json(kTwoLayers, PlacementForm::kSglang); }),
            "[placements_to_json] slot 5 of layer 0 is empty; SGLang needs an expert in each slot");
}

TEST(PlacementJsonTest, ReadsSglangsFiles) {
  const std::vector<Placement> layers = read_placements(corpus("placement/sglang.json"), {.num_ranks = 3});
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_EQ(layers[0], Placement({0, 1, 2, 3, 0, 1}, 4, 3));
  EXPECT_EQ(layers[1], Placement({3, 2, 1, 0, 3, 2}, 4, 3));
  EXPECT_EQ(
      message_of<DataError>([] { read_placements(corpus("placement/sglang.json")); }),
      corpus("placement/sglang.json") + ": it does not say num_ranks (SGLang's files do not), so that must be given");
}

TEST(PlacementJsonTest, ReadsWhatElseIsAPlacement) {
  EXPECT_EQ(read_placements(corpus("placement/complete.json")), kTwoLayers);
  EXPECT_EQ(read_placements(corpus("placement/one_layer.json")), std::vector{Placement({0, 1, 1, 0}, 2, 2)});
  EXPECT_EQ(placements_from_json(R"({"physical_to_logical_map":[[0,0,1,1]]})", "f",
                                 {.num_ranks = 4, .num_nodes = 2, .num_logical = 2}),
            std::vector{Placement({0, 0, 1, 1}, 2, 4, 2)});
}

TEST(PlacementJsonTest, RefusesWhatIsNoPlacement) {
  EXPECT_EQ(error_of("{}"), "f: it holds no array \"physical_to_logical_map\"");
  EXPECT_EQ(error_of("[[0]]"), "f: it holds no array \"physical_to_logical_map\"");
  EXPECT_EQ(error_of("{"), "f: it is not valid JSON at byte 2");
  EXPECT_EQ(error_of(R"({"physical_to_logical_map":[[[0]]],"num_ranks":1})"),
            "f: physical_to_logical_map has shape [1, 1, 1]; it must be [layers, slots]");
  EXPECT_EQ(error_of(R"({"physical_to_logical_map":[],"num_ranks":1})"),
            "f: physical_to_logical_map has shape [0]; it must be [layers, slots]");
  EXPECT_EQ(error_of(R"({"physical_to_logical_map":[4096],"num_ranks":1})"),
            "f: physical_to_logical_map holds 4096; ids must be in -1..4095");
  EXPECT_EQ(error_of(R"({"physical_to_logical_map":[0.5],"num_ranks":1})"),
            "f: value 0 of array \"physical_to_logical_map\" is 0.5, which is no 64-bit whole number");
  EXPECT_EQ(error_of(R"({"physical_to_logical_map":[0,2],"num_ranks":1})"),
            "f: layer 0 is no placement: [Placement] expert 1 has no slot in phy2log");
  EXPECT_EQ(error_of(R"({"physical_to_logical_map":[-1],"num_ranks":1})").substr(0, 28),
            "f: layer 0 is no placement: ");
  EXPECT_EQ(error_of(R"({"physical_to_logical_map":[0],"num_ranks":0})"), "f: num_ranks (0) must be in 1..65536");
  EXPECT_EQ(error_of(R"({"physical_to_logical_map":[0],"num_ranks":1})", {.num_ranks = 2}),
            "f: it says num_ranks 1, but 2 was asked for");
  EXPECT_EQ(error_of(R"({"physical_to_logical_map":[0],"num_ranks":"2"})"),
            "f: it does not say num_ranks (SGLang's files do not), so that must be given");
}

TEST(PlacementJsonTest, RefusesToWriteLayersThatDiffer) {
  EXPECT_EQ(message_of<InvalidArgument>([] { placements_to_json({}); }),
            "[placements_to_json] layers is empty; at least one placement is needed");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              placements_to_json({kTwoLayers[0], contiguous_placement(4, 2)});
            }),
            "[placements_to_json] layer 1 differs from layer 0 in its numbers of slots, experts, ranks or nodes");
}

RC_GTEST_PROP(PlacementJsonTest, ReadsBackWhatItWrote, ()) {
  const int num_nodes = *rc::gen::inRange(1, 4);
  const int num_ranks = num_nodes * *rc::gen::inRange(1, 5);
  const int slots = num_ranks * *rc::gen::inRange(1, 6);
  const int num_logical = *rc::gen::inRange(1, slots + 1);
  std::vector<Placement> layers;
  const int num_layers = *rc::gen::inRange(1, 4);
  for (int layer = 0; layer < num_layers; ++layer) {
    std::vector<std::int32_t> phy2log(slots);
    for (int p = 0; p < slots; ++p) {
      phy2log[p] = p < num_logical ? p : *rc::gen::inRange(-1, num_logical);
    }
    layers.emplace_back(std::move(phy2log), num_logical, num_ranks, num_nodes);
  }
  const TempFolder folder;
  write_placements(layers, folder.path("p.json"));
  RC_ASSERT(read_placements(folder.path("p.json")) == layers);
}

}  // namespace
}  // namespace lplb
