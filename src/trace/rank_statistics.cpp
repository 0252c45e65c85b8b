// TensorRT-LLM's expert statistics: one safetensors file a rank with the tokens that this rank's batch sent to each
// expert, a tensor [num_experts] for every "{iteration}_{layer}", and meta_info.json with num_experts. Source of the
// layout: TensorRT-LLM, examples/ep_load_balancer and the ExpertStatistic class that writes it.

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>

#include "trace/data_error.h"
#include "trace/safetensors.h"
#include "trace/trace_layout.h"

namespace lplb {
namespace {

/// The number that is all of `text`; none for anything else, a sign too.
std::optional<int> whole_number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool ok = error == std::errc() && end == text.data() + text.size() && value >= 0 && text[0] != '-';
  return ok ? std::optional(value) : std::nullopt;
}

std::optional<std::pair<int, int>> parse_key(std::string_view name) {
  const std::size_t bar = name.find('_');
  if (bar == std::string_view::npos) {
    return std::nullopt;
  }
  const std::optional<int> iteration = whole_number(name.substr(0, bar));
  const std::optional<int> layer = whole_number(name.substr(bar + 1));
  return iteration && layer ? std::optional(std::pair(*iteration, *layer)) : std::nullopt;
}

/// The files rank0.safetensors, rank1.safetensors, ... of a folder, in the order of the ranks.
std::vector<std::string> rank_files(const std::string& path) {
  std::map<int, std::string> files;
  std::error_code error;
  for (const auto& item : std::filesystem::directory_iterator(path, error)) {
    const std::string name = item.path().filename().string();
    constexpr std::string_view kPrefix = "rank";
    constexpr std::string_view kSuffix = ".safetensors";
    if (name.starts_with(kPrefix) && name.ends_with(kSuffix) && name.size() > kPrefix.size() + kSuffix.size()) {
      const std::string_view digits = std::string_view(name).substr(kPrefix.size());
      if (const auto rank = whole_number(digits.substr(0, digits.size() - kSuffix.size()))) {
        check_data(files.emplace(*rank, item.path().string()).second, path, "rank ", *rank, " is in it twice");
      }
    }
  }
  check_data(!error && !files.empty(), path, "it holds no rank0.safetensors");
  check_data(std::cmp_equal(files.rbegin()->first + 1, files.size()), path, "it holds ", files.size(),
             " files rank*.safetensors, but the last is of rank ", files.rbegin()->first, "; one is missing");
  std::vector<std::string> result;
  for (auto& [rank, file] : files) {
    result.push_back(std::move(file));
  }
  return result;
}

std::size_t read_num_experts(const std::string& path) {
  const std::vector<std::byte> bytes = read_bytes(path);
  const JsonFields fields = parse_json_fields(as_text(bytes), {"num_experts"}, path);
  const auto field = fields.integers.find("num_experts");
  check_data(field != fields.integers.end() && field->second >= 1 && field->second <= kMaxLogical, path,
             "num_experts must be a whole number in 1..", kMaxLogical);
  return static_cast<std::size_t>(field->second);
}

}  // namespace

bool is_rank_statistics(const SafetensorsFile& file) {
  return !file.tensors().empty() &&
         std::ranges::all_of(file.tensors(), [](const TensorInfo& info) { return parse_key(info.name).has_value(); });
}

RankStatistics read_rank_statistics(const SafetensorsFile& file, const std::string& source) {
  RankStatistics statistics;
  for (const TensorInfo& info : file.tensors()) {
    const auto key = parse_key(info.name);
    check_data(key.has_value(), source, "tensor \"", printable(info.name), R"(" is not named "iteration_layer")");
    check_data(statistics.emplace(*key, file.read(info)).second, source, "iteration ", key->first, ", layer ",
               key->second, " is in it twice");
  }
  return statistics;
}

Trace merge_rank_statistics(const std::vector<RankStatistics>& ranks, std::size_t num_experts,
                            const std::string& source) {
  std::set<int> iterations;
  std::set<int> layers;
  std::set<std::pair<int, int>> keys;
  std::size_t num_values = 0;
  for (const RankStatistics& rank : ranks) {
    for (const auto& [key, counts] : rank) {
      check_data(counts.shape == std::vector<std::size_t>{num_experts}, counts.source, "tensor \"", counts.name,
                 "\" has shape ", shape_text(counts.shape), "; one count for each of ", num_experts,
                 " experts is needed");
      iterations.insert(key.first);
      layers.insert(key.second);
      keys.insert(key);
      num_values += num_experts;
    }
  }
  check_data(!keys.empty() && keys.size() == iterations.size() * layers.size(), source, "it holds ", keys.size(),
             " pairs of iteration and layer, but ", iterations.size(), " iterations and ", layers.size(), " layers");
  NdArray all;
  all.name = "counts";
  all.source = source;
  all.shape = {iterations.size(), layers.size(), ranks.size(), num_experts};
  check_dense_size(all.shape, num_values, source);
  all.bytes.reserve(static_cast<std::size_t>(array_bytes(all.shape, all.item_bytes)));
  for (const std::pair<int, int>& key : keys) {  // ordered by iteration, then layer
    for (const RankStatistics& rank : ranks) {
      const auto counts = rank.find(key);
      const std::vector<std::int64_t> values =
          counts == rank.end() ? std::vector<std::int64_t>(num_experts) : counts->second.to_int64();
      const auto bytes = std::as_bytes(std::span(values));
      all.bytes.insert(all.bytes.end(), bytes.begin(), bytes.end());
    }
  }
  return counts_to_trace(all);
}

Trace read_statistics_folder(const std::string& path) {
  const std::size_t num_experts = read_num_experts((std::filesystem::path(path) / "meta_info.json").string());
  std::vector<RankStatistics> ranks;
  for (const std::string& file : rank_files(path)) {
    const std::vector<std::byte> bytes = read_bytes(file);
    ranks.push_back(read_rank_statistics(SafetensorsFile(bytes, file), file));
  }
  return merge_rank_statistics(ranks, num_experts, path);
}

}  // namespace lplb
