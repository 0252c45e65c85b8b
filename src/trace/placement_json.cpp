// Placements as JSON, in the words of SGLang's expert location metadata: physical_to_logical_map [layers, physical].

#include <algorithm>

#include "lplb/trace_io.h"
#include "trace/data_error.h"
#include "trace/json_reader.h"

namespace lplb {
namespace {

constexpr const char* kMapKey = "physical_to_logical_map";
constexpr const char* kLogicalKey = "num_logical_experts";
constexpr const char* kRanksKey = "num_ranks";
constexpr const char* kNodesKey = "num_nodes";

void check_layers(const std::vector<Placement>& layers, PlacementForm form) {
  check(!layers.empty(), "[placements_to_json] layers is empty; at least one placement is needed");
  const Placement& first = layers.front();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Placement& layer = layers[i];
    check(layer.num_physical() == first.num_physical() && layer.num_logical() == first.num_logical() &&
              layer.num_ranks() == first.num_ranks() && layer.num_nodes() == first.num_nodes(),
          "[placements_to_json] layer ", i, " differs from layer 0 in its numbers of slots, experts, ranks or nodes");
    const auto empty = std::ranges::find(layer.phy2log(), kNone);
    check(form != PlacementForm::kSglang || empty == layer.phy2log().end(), "[placements_to_json] slot ",
          empty - layer.phy2log().begin(), " of layer ", i, " is empty; SGLang needs an expert in each slot");
  }
}

/// A number that the file or the caller may give; `fallback` when neither does.
int agreed(const JsonFields& fields, const std::string& key, int asked, int fallback, const std::string& source) {
  const auto field = fields.integers.find(key);
  if (field == fields.integers.end()) {
    return asked > 0 ? asked : fallback;
  }
  check_data(field->second >= 1 && field->second <= kMaxPhysical, source, key, " (", field->second, ") must be in 1..",
             kMaxPhysical);
  const int value = static_cast<int>(field->second);
  check_data(asked <= 0 || asked == value, source, "it says ", key, " ", value, ", but ", asked, " was asked for");
  return value;
}

/// The map [L, P] as checked integers.
std::vector<std::int32_t> map_values(const NdArray& map, const std::string& source) {
  std::vector<std::int32_t> values;
  for (const std::int64_t value : map.to_int64()) {
    check_data(value >= kNone && value < kMaxLogical, source, kMapKey, " holds ", value, "; ids must be in -1..",
               kMaxLogical - 1);
    values.push_back(static_cast<std::int32_t>(value));
  }
  return values;
}

}  // namespace

std::string placements_to_json(const std::vector<Placement>& layers, PlacementForm form) {
  check_layers(layers, form);
  std::string text = "{\n";
  if (form == PlacementForm::kComplete) {
    const Placement& first = layers.front();
    text += concat("\"", kLogicalKey, "\": ", first.num_logical(), ",\n\"", kRanksKey, "\": ", first.num_ranks(),
                   ",\n\"", kNodesKey, "\": ", first.num_nodes(), ",\n");
  }
  text += concat("\"", kMapKey, "\": [");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    text += i == 0 ? "\n[" : ",\n[";
    for (const std::int32_t expert : layers[i].phy2log()) {
      text += std::to_string(expert);
      text += ',';
    }
    text.back() = ']';
  }
  return text + "\n]}\n";
}

std::vector<Placement> placements_from_json(const std::string& text, const std::string& source_name,
                                            const ReadPlacementOptions& options) {
  return with_data_errors(source_name, [&] {
    JsonFields fields = parse_json_fields(text, {kMapKey, kLogicalKey, kRanksKey, kNodesKey}, source_name);
    const auto field = fields.arrays.find(kMapKey);
    check_data(field != fields.arrays.end(), source_name, "it holds no array \"", kMapKey, "\"");
    const NdArray& map = field->second;
    check_data(map.size() > 0 && map.shape.size() <= 2, source_name, kMapKey, " has shape ", shape_text(map.shape),
               "; it must be [layers, slots]");
    const std::vector<std::int32_t> values = map_values(map, source_name);
    const int num_ranks = agreed(fields, kRanksKey, options.num_ranks, 0, source_name);
    check_data(num_ranks > 0, source_name, "it does not say ", kRanksKey,
               " (SGLang's files do not), so that must be given");
    const int num_nodes = agreed(fields, kNodesKey, options.num_nodes, 1, source_name);
    const int num_logical = agreed(fields, kLogicalKey, options.num_logical, std::ranges::max(values) + 1, source_name);

    std::vector<Placement> layers;
    const auto num_slots = static_cast<std::ptrdiff_t>(map.shape.back());
    for (auto begin = values.begin(); begin != values.end(); begin += num_slots) {
      try {
        layers.emplace_back(std::vector(begin, begin + num_slots), num_logical, num_ranks, num_nodes);
      } catch (const InvalidArgument& error) {
        fail_data(source_name, "layer ", layers.size(), " is no placement: ", error.what());
      }
    }
    return layers;
  });
}

std::vector<Placement> read_placements(const std::string& path, const ReadPlacementOptions& options) {
  return with_data_errors(path, [&] {
    const std::vector<std::byte> bytes = read_bytes(path);
    return placements_from_json(std::string(as_text(bytes)), path, options);
  });
}

void write_placements(const std::vector<Placement>& layers, const std::string& path, PlacementForm form) {
  write_bytes(path, as_byte_span(placements_to_json(layers, form)));
}

}  // namespace lplb
