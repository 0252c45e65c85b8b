// Traces and loads from files: the extension says which parser gives the arrays, the arrays' names say which of them is
// meant, trace_layout.h what it holds.

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>

#include "trace/data_error.h"
#include "trace/json_reader.h"
#include "trace/safetensors.h"
#include "trace/trace_layout.h"
#include "trace/trace_parsers.h"

namespace lplb {
namespace {

/// The arrays of a file: their names, and one by its name.
struct ArraySource {
  std::vector<std::string> names;
  std::function<NdArray(const std::string&)> read;
};

/// The arrays meant: one, or the router's choices with one array a layer.
using Chosen = std::vector<NdArray>;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

std::string name_list(const std::vector<std::string>& names) {
  constexpr std::size_t kMostNames = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMostNames); ++i) {
    text += (i > 0 ? ", " : "") + printable(names[i]);
  }
  return names.size() > kMostNames ? text + ", ..." : text;
}

/// The names layer0..layerN that are there, in order.
std::vector<std::string> layer_names(const std::vector<std::string>& names) {
  std::vector<std::string> result;
  while (contains(names, concat("layer", result.size()))) {
    result.push_back(concat("layer", result.size()));
  }
  return result;
}

Chosen choose(const ArraySource& arrays, const ReadTraceOptions& options, const std::string& source) {
  check_data(!arrays.names.empty(), source, "it holds no array");
  if (!options.array.empty()) {
    check_data(contains(arrays.names, options.array), source, "it holds no array \"", printable(options.array),
               "\"; it has ", name_list(arrays.names));
    return {arrays.read(options.array)};
  }
  for (const char* name : {"counts", "topk"}) {
    if (contains(arrays.names, name)) {
      return {arrays.read(name)};
    }
  }
  Chosen layers;
  for (const std::string& name : layer_names(arrays.names)) {
    layers.push_back(arrays.read(name));
  }
  if (!layers.empty()) {
    const auto is_layer = [](const std::string& name) {
      return name.starts_with("layer") && is_token_level_name(name);
    };
    check_data(std::cmp_equal(std::ranges::count_if(arrays.names, is_layer), layers.size()), source, "layer",
               layers.size(), " is missing among its arrays ", name_list(arrays.names));
    return layers;
  }
  check_data(arrays.names.size() == 1, source,
             R"(it holds several arrays, none of them "counts", "topk" or "layer0"; )", "name one of ",
             name_list(arrays.names));
  return {arrays.read(arrays.names.front())};
}

Chosen choose_from_json(ByteSpan bytes, const ReadTraceOptions& options, const std::string& source, std::string& name) {
  std::vector<std::string> wanted = {"", "name"};
  if (options.array.empty()) {
    wanted.insert(wanted.end(), {"counts", "topk"});
  } else {
    wanted.push_back(options.array);
  }
  JsonFields fields = parse_json_fields(as_text(bytes), wanted, source);
  const auto text = fields.texts.find("name");
  name = text == fields.texts.end() ? name : text->second;
  for (const char* key : {"", "counts", "topk"}) {
    const auto field = fields.arrays.find(options.array.empty() ? key : options.array);
    if (field != fields.arrays.end()) {
      return {std::move(field->second)};
    }
  }
  if (!options.array.empty()) {
    fail_data(source, "it holds no array \"", printable(options.array), "\"");
  }
  fail_data(source, R"(it holds no array of numbers, nor one under "counts" or "topk")");
}

Chosen choose_from_safetensors(ByteSpan bytes, const ReadTraceOptions& options, const std::string& source) {
  const SafetensorsFile file(bytes, source);
  ArraySource arrays;
  for (const TensorInfo& info : file.tensors()) {
    arrays.names.push_back(info.name);
  }
  arrays.read = [&](const std::string& name) {
    return file.read(*std::ranges::find(file.tensors(), name, &TensorInfo::name));
  };
  return choose(arrays, options, source);
}

/// The arrays meant in a file of any kind, and the name of the trace.
Chosen choose_from_bytes(ByteSpan bytes, std::string_view extension, const std::string& source,
                         const ReadTraceOptions& options, std::string& name) {
  if (extension == ".npy") {
    return {parse_npy(bytes, source)};
  }
  if (extension == ".npz") {
    return choose({.names = list_npz(bytes, source),
                   .read = [&](const std::string& array) { return parse_npz_array(bytes, array, source); }},
                  options, source);
  }
  if (extension == ".csv") {
    return {parse_csv(as_text(bytes), source)};
  }
  if (extension == ".json") {
    return choose_from_json(bytes, options, source, name);
  }
  check_data(extension == ".safetensors", source,
             "its extension must be .npy, .npz, .csv, .json or .safetensors (or it must be a folder of statistics)");
  return choose_from_safetensors(bytes, options, source);
}

void check_options(const ReadTraceOptions& options) {
  check(options.tokens_per_step >= 1, "[read_trace] tokens_per_step (", options.tokens_per_step,
        ") must be at least 1");
  check(options.num_experts >= 0 && options.num_experts <= kMaxLogical, "[read_trace] num_experts (",
        options.num_experts, ") must be in 0..", kMaxLogical);
}

/// The tensors "{iteration}_{layer}" of one rank's file; none when the file is of another kind.
std::optional<Trace> parse_one_rank(ByteSpan bytes, std::string_view extension, const std::string& source,
                                    const ReadTraceOptions& options) {
  if (extension != ".safetensors" || !options.array.empty()) {
    return std::nullopt;
  }
  const SafetensorsFile file(bytes, source);
  if (!is_rank_statistics(file)) {
    return std::nullopt;
  }
  RankStatistics rank = read_rank_statistics(file, source);
  const std::vector<std::size_t>& shape = rank.begin()->second.shape;
  check_data(shape.size() == 1, source, "its tensors have shape ", shape_text(shape),
             "; one count for each expert is needed");
  const std::size_t num_experts = shape[0];
  std::vector<RankStatistics> ranks;
  ranks.push_back(std::move(rank));
  return merge_rank_statistics(ranks, num_experts, source);
}

std::string stem_of(const std::string& path) { return std::filesystem::path(path).stem().string(); }

std::string extension_of(const std::string& path) { return std::filesystem::path(path).extension().string(); }

/// What a file holds: a trace already, or loads that need not be whole.
struct Content {
  std::string name;
  Chosen arrays;
  std::optional<Trace> trace;
};

Content parse_content(ByteSpan bytes, std::string_view extension, const std::string& source,
                      const ReadTraceOptions& options) {
  check_options(options);
  Content content{.name = stem_of(source), .arrays = {}, .trace = parse_one_rank(bytes, extension, source, options)};
  if (content.trace) {
    return content;
  }
  content.arrays = choose_from_bytes(bytes, extension, source, options, content.name);
  NdArray& first = content.arrays.front();
  const std::string& name = first.name.empty() ? content.name : first.name;
  if (options.token_level || is_token_level_name(name)) {
    content.trace = topk_to_trace(content.arrays, options);
  }
  return content;
}

}  // namespace

Trace parse_trace(ByteSpan bytes, std::string_view extension, const std::string& source,
                  const ReadTraceOptions& options) {
  Content content = parse_content(bytes, extension, source, options);
  Trace trace = content.trace ? std::move(*content.trace) : counts_to_trace(content.arrays.front());
  trace.name = content.name;
  return trace;
}

Loads parse_loads(ByteSpan bytes, std::string_view extension, const std::string& source,
                  const ReadTraceOptions& options) {
  const Content content = parse_content(bytes, extension, source, options);
  return content.trace ? trace_to_loads(*content.trace) : values_to_loads(content.arrays.front());
}

Trace read_trace(const std::string& path, const ReadTraceOptions& options) {
  return with_data_errors(path, [&] {
    if (std::filesystem::is_directory(path)) {
      Trace trace = read_statistics_folder(path);
      trace.name = stem_of(path);
      return trace;
    }
    return parse_trace(read_bytes(path), extension_of(path), path, options);
  });
}

Loads read_loads(const std::string& path, const ReadTraceOptions& options) {
  return with_data_errors(path, [&] {
    return std::filesystem::is_directory(path) ? trace_to_loads(read_statistics_folder(path))
                                               : parse_loads(read_bytes(path), extension_of(path), path, options);
  });
}

}  // namespace lplb
