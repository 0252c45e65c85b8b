// A suite of traces from a JSON file: each entry's files are read, their sources summed, steps and layers picked, and
// batches drawn where a file has but an aggregate.

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "lplb/trace_io.h"
#include "trace/bytes.h"
#include "trace/data_error.h"

namespace lplb {
namespace {

using Json = nlohmann::json;

/// One entry, with errors that name it.
class Entry {
 public:
  Entry(const Json& fields, std::string where, std::string root)
      : fields_(fields), where_(std::move(where)), root_(std::move(root)) {}

  SuiteTrace read() const {
    check_keys(fields_, {"name", "file", "files", "array", "tokens_per_step", "experts", "token_level", "steps",
                         "layers", "draw", "changes", "drifts", "comment"});
    SuiteTrace result{
        .trace = read_files(), .changes = fields_.value("changes", false), .drifts = fields_.value("drifts", false)};
    Trace& trace = result.trace;
    if (fields_.contains("layers")) {
      trace = select_layers(trace, fields_.at("layers").get<std::vector<int>>());
    }
    if (fields_.contains("draw")) {
      trace = draw(trace);
    }
    if (fields_.contains("steps")) {
      cut_steps(trace);
    }
    trace.name = fields_.at("name").get<std::string>();
    return result;
  }

 private:
  void check_keys(const Json& object, const std::set<std::string>& known) const {
    for (const auto& [key, value] : object.items()) {
      check_data(known.contains(key), where_, "unknown key \"", printable(key), "\"");
    }
  }

  Trace read_files() const {
    check_data(fields_.contains("file") != fields_.contains("files"), where_, R"(it needs either "file" or "files")");
    const auto names = fields_.contains("file") ? std::vector{fields_.at("file").get<std::string>()}
                                                : fields_.at("files").get<std::vector<std::string>>();
    const ReadTraceOptions reading{.tokens_per_step = fields_.value("tokens_per_step", 1024),
                                   .num_experts = fields_.value("experts", 0),
                                   .array = fields_.value("array", ""),
                                   .token_level = fields_.value("token_level", false)};
    check_data(!names.empty(), where_, "\"files\" is empty");
    Trace trace;
    for (const std::string& name : names) {
      Trace next = regroup_sources(read_trace((std::filesystem::path(root_) / name).string(), reading), 1);
      if (trace.counts.empty()) {
        trace = std::move(next);
        continue;
      }
      check_data(next.num_layers == trace.num_layers && next.num_experts == trace.num_experts, where_, printable(name),
                 " has ", next.num_layers, " layers of ", next.num_experts, " experts, the files before it ",
                 trace.num_layers, " of ", trace.num_experts);
      trace.num_steps += next.num_steps;
      trace.counts.insert(trace.counts.end(), next.counts.begin(), next.counts.end());
    }
    return trace;
  }

  Trace draw(const Trace& aggregate) const {
    const Json& fields = fields_.at("draw");
    check_keys(fields, {"steps", "tokens", "drift", "seed"});
    return draw_trace(aggregate, {.num_steps = fields.value("steps", DrawArgs{}.num_steps),
                                  .tokens_per_step = fields.value("tokens", DrawArgs{}.tokens_per_step),
                                  .drift = fields.value("drift", 0.0),
                                  .seed = fields.value("seed", std::uint64_t{0})});
  }

  void cut_steps(Trace& trace) const {
    const auto range = fields_.at("steps").get<std::vector<Json>>();
    check_data(range.size() == 2, where_, "\"steps\" must be [first, end]");
    const auto resolve = [&](const Json& value) {
      const int step = value.is_null() ? trace.num_steps : value.get<int>();
      return step < 0 ? step + trace.num_steps : step;
    };
    const int first = resolve(range[0]);
    const int end = resolve(range[1]);
    check_data(first >= 0 && first < end && end <= trace.num_steps, where_, "\"steps\" are ", first, " to ", end,
               ", of a trace with ", trace.num_steps);
    const auto size = static_cast<std::ptrdiff_t>(trace.num_layers) * trace.num_experts;
    trace.counts = {trace.counts.begin() + first * size, trace.counts.begin() + end * size};
    trace.num_steps = end - first;
  }

  const Json& fields_;
  std::string where_;
  std::string root_;
};

SuiteTrace read_entry(const Json& fields, const std::string& path, std::size_t index, const std::string& root) {
  std::string where = concat(path, ": trace ", index);
  try {
    where = concat(path, ": trace \"", printable(fields.at("name").get<std::string>()), "\"");
    return Entry(fields, where, root).read();
  } catch (const Json::exception& error) {
    fail_data(where, "it is not as it should be (", error.what(), ")");
  } catch (const InvalidArgument& error) {
    fail_data(where, error.what());
  }
}

}  // namespace

std::vector<SuiteTrace> read_trace_suite(const std::string& path, const std::string& root) {
  return with_data_errors(path, [&] {
    const std::vector<std::byte> bytes = read_bytes(path);
    const Json suite = Json::parse(as_text(bytes), nullptr, /*allow_exceptions=*/false);
    check_data(suite.is_object() && suite.contains("traces") && suite["traces"].is_array() && !suite["traces"].empty(),
               path, "it must be a JSON object with an array \"traces\" that is not empty");
    const std::string folder = root.empty() ? std::filesystem::path(path).parent_path().string() : root;
    std::vector<SuiteTrace> traces;
    for (const Json& fields : suite["traces"]) {
      traces.push_back(read_entry(fields, path, traces.size(), folder));
    }
    return traces;
  });
}

}  // namespace lplb
