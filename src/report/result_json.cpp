// The JSON form of a replay. Numbers are written as they are, with the digits that give the same double back; what was
// not measured is null. The formula of each measure goes along, because frameworks use the same words for different
// ones.

#include "report/result_json.h"

#include <algorithm>
#include <tuple>

#include "lplb/report.h"

namespace lplb::report {
namespace {

using Json = nlohmann::ordered_json;

/// Lines of dump_pretty are kept below this where they can be.
constexpr std::size_t kWidth = 120;

Json formulas() {
  return {
      {"imbalance",
       "Largest load of a rank divided by the mean load of the ranks, for one step and one layer; 1 is perfect. mean, "
       "p50, p99 and max are over all judged steps and layers. TensorRT-LLM's imbalance ratio is this minus 1."},
      {"balancedness",
       "Mean load of the ranks divided by the largest, for one step and one layer; 1 is perfect. What SGLang calls "
       "utilization rate and vLLM balancedness."},
      {"certificate_ranks",
       "Mean number of ranks in the set that proves a split optimal: the tokens that can go to no other rank, divided "
       "by the number of ranks in the set and rounded up, are the largest load. 0 for strategies without a split."},
      {"cross_rank_fraction",
       "Token-expert pairs handled on another rank than the one they start on, divided by all. null where the trace "
       "has no source ranks."},
      {"cross_node_fraction",
       "Token-expert pairs handled on another node than the one they start on, divided by all. null where the trace "
       "has no source ranks."},
      {"copies_moved",
       "Expert copies that a rank had to fetch when a placement was replaced, summed over refreshes and layers; the "
       "first placement is not counted."},
      {"refreshes_made",
       "Refreshes of a layer, after its first placement, that moved a copy; of (refreshes - 1) x layers. The others "
       "found "
       "the same placement, or were left out because the gain was not worth the moves."},
      {"plan_us", "Time to compute one plan (one step, one layer), in microseconds. 0 for strategies without a plan."},
      {"place_us", "Time to compute one placement of one layer, in microseconds."},
      {"step_imbalance", "Imbalance at each judged step, mean over layers."},
      {"layer_imbalance", "Imbalance of each layer, mean over judged steps."},
      {"limits",
       "What limits the last placement of the heat map's layer, over the window that it was chosen from. ranks: part "
       "of the "
       "steps in which the rank belongs to the set that proves the split optimal. experts: part of the steps in which "
       "all copies of the expert are in that set, the part of the set's load that it makes, and by how much the "
       "imbalance would fall with one more copy of it in a further slot on the rank copy_on."},
      {"worst", "The judged step and layer with the largest imbalance, and the rank that had the largest load there."},
      {"best", "The strategy with the smallest mean imbalance; on a tie the smaller p99, then fewer copies moved."},
  };
}

Json to_json(const Distribution& d) { return {{"mean", d.mean}, {"p50", d.p50}, {"p99", d.p99}, {"max", d.max}}; }

Json fraction(double value) { return value < 0 ? Json(nullptr) : Json(value); }

Json to_json(const PlacementLimits& limits) {
  Json ranks = Json::array();
  for (const RankLimit& limit : limits.ranks) {
    ranks.push_back({{"rank", limit.rank}, {"frequency", limit.frequency}});
  }
  Json experts = Json::array();
  for (const ExpertLimit& limit : limits.experts) {
    experts.push_back({{"expert", limit.expert},
                       {"frequency", limit.frequency},
                       {"tokens", limit.tokens},
                       {"copy_on", limit.copy_on},
                       {"gain", limit.gain}});
  }
  return {{"imbalance", limits.imbalance}, {"ranks", ranks}, {"experts", experts}};
}

Json to_json(const StrategyResult& s) {
  if (!s.skipped.empty()) {
    return {{"strategy", s.name}, {"skipped", s.skipped}};
  }
  Json json = {
      {"strategy", s.name},
      {"description", s.description},
      {"imbalance", to_json(s.imbalance)},
      {"balancedness", to_json(s.balancedness)},
      {"certificate_ranks", s.certificate_ranks},
      {"cross_rank_fraction", fraction(s.cross_rank_fraction)},
      {"cross_node_fraction", fraction(s.cross_node_fraction)},
      {"copies_moved", s.copies_moved},
      {"refreshes", s.num_refreshes},
      {"refreshes_made", s.refreshes_made},
      {"plan_us", to_json(s.plan_us)},
      {"place_us", to_json(s.place_us)},
      {"step_imbalance", s.step_imbalance},
      {"layer_imbalance", s.layer_imbalance},
      {"worst",
       {{"imbalance", s.worst_imbalance}, {"step", s.worst_step}, {"layer", s.worst_layer}, {"rank", s.worst_rank}}},
  };
  if (!s.limits.ranks.empty()) {
    json["limits"] = to_json(s.limits);
  }
  return json;
}

std::string dump(const Json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

bool is_flat_array(const Json& value) {
  return value.is_array() && std::none_of(value.begin(), value.end(), [](const Json& v) { return v.is_structured(); });
}

void append_pretty(const Json& value, std::size_t indent, std::string& out) {
  std::string line = dump(value);
  if (!value.is_structured() || is_flat_array(value) || indent + line.size() <= kWidth) {
    out += line;
    return;
  }
  const char* separator = value.is_object() ? "{" : "[";
  for (const auto& [key, member] : value.items()) {
    out += separator;
    out += "\n" + std::string(indent + 2, ' ');
    if (value.is_object()) {
      out += dump(key) + ": ";
    }
    append_pretty(member, indent + 2, out);
    separator = ",";
  }
  out += "\n" + std::string(indent, ' ') + (value.is_object() ? "}" : "]");
}

}  // namespace

const StrategyResult* best_strategy(const ReplayResult& result) {
  const auto rank = [](const StrategyResult& s) {
    return std::tuple(s.imbalance.mean, s.imbalance.p99, s.copies_moved);
  };
  const StrategyResult* best = nullptr;
  for (const StrategyResult& s : result.strategies) {
    if (s.skipped.empty() && (best == nullptr || rank(s) < rank(*best))) {
      best = &s;
    }
  }
  return best;
}

Json result_to_json(const ReplayResult& result) {
  const StrategyResult* best = best_strategy(result);
  Json results = Json::array();
  for (const StrategyResult& s : result.strategies) {
    results.push_back(to_json(s));
  }
  return {
      {"trace",
       {{"name", result.trace_name},
        {"steps", result.num_steps},
        {"layers", result.num_layers},
        {"experts", result.num_experts},
        {"sources", result.num_sources},
        {"tokens_per_step", result.tokens_per_step}}},
      {"config",
       {{"ranks", result.num_ranks},
        {"nodes", result.num_nodes},
        {"redundant", result.num_redundant},
        {"window", result.window},
        {"refresh", result.refresh},
        {"seed", result.seed},
        {"layers", result.layers},
        {"judged_steps", result.judged_steps},
        {"heatmap_layer", result.heatmap_layer}}},
      {"formulas", formulas()},
      {"best", best == nullptr ? Json(nullptr) : Json(best->name)},
      {"results", results},
  };
}

std::string dump_line(const Json& value) { return dump(value); }

std::string dump_pretty(const Json& value) {
  std::string out;
  append_pretty(value, 0, out);
  return out + "\n";
}

}  // namespace lplb::report

namespace lplb {

std::string replay_to_json(const ReplayResult& result) { return report::dump_pretty(report::result_to_json(result)); }

std::string limits_to_json(const PlacementLimits& limits) { return report::dump_line(report::to_json(limits)); }

}  // namespace lplb
