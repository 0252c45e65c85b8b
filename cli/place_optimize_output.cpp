// What the policy "optimize" prints: the balance to expect beside that of other placements, what limits it, and the
// curve of moves against balance; and the same as JSON.

#include <algorithm>
#include <map>
#include <numeric>

#include "lplb/report.h"
#include "place_optimize.h"
#include "table.h"
#include "text.h"

namespace lplb::cli {
namespace {

constexpr double kNothing = 0.0005;  // imbalance that the table shows as none
constexpr const char* kScenarioNames[kNumScenarios] = {"window", "noise", "drift", "shift"};

double mean_imbalance(const std::vector<PlacementScore>& layers, int scenario) {
  return std::accumulate(layers.begin(), layers.end(), 0.0,
                         [&](double sum, const PlacementScore& score) { return sum + score.imbalance[scenario]; }) /
         static_cast<double>(layers.size());
}

std::vector<PlacementScore> scores_of(const std::vector<OptimizeResult>& layers) {
  std::vector<PlacementScore> scores;
  std::ranges::transform(layers, std::back_inserter(scores), &OptimizeResult::score);
  return scores;
}

std::int64_t count_moved(const std::vector<OptimizeResult>& layers) {
  return std::accumulate(layers.begin(), layers.end(), std::int64_t{0},
                         [](std::int64_t sum, const OptimizeResult& layer) { return sum + layer.num_moved; });
}

void append_means(const std::vector<PlacementScore>& layers, std::vector<std::string>& row) {
  for (int scenario = 0; scenario < kNumScenarios; ++scenario) {
    row.push_back(fmt::format("{:.3f}", mean_imbalance(layers, scenario)));
  }
}

void print_judged(const OptimizedPlaces& places, Output& output) {
  Table table(
      {"imbalance expected with the exact split", "window", "noise", "drift", "shift", "worst\nwindow", "layer"});
  for (const Judged& judged : places.judged) {
    std::vector<std::string> row = {judged.name};
    if (!judged.layers.empty()) {
      append_means(judged.layers, row);
      const auto worst = std::ranges::max_element(judged.layers, {},
                                                  [](const PlacementScore& score) { return score.imbalance.front(); });
      row.push_back(fmt::format("{:.3f}", worst->imbalance.front()));
      row.push_back(std::to_string(worst - judged.layers.begin()));
    }
    table.add_row(row);
  }
  output.print_raw(table.render(false));
  for (const Judged& judged : places.judged) {
    if (!judged.obstacle.empty()) {
      output.print("{} does not apply: {}\n", judged.name, judged.obstacle);
    }
  }
}

void print_search(const PlaceOptions& options, const OptimizedPlaces& places, Output& output) {
  std::map<std::string, int> starts;
  std::int64_t num_moves = 0;
  for (const OptimizeResult& layer : places.result.layers) {
    ++starts[layer.start];
    num_moves += layer.num_moves;
  }
  std::string text;
  for (const auto& [start, count] : starts) {
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", start, count);
  }
  output.print("\nStarts that the layers grew from: {}; {} moves tried\n", text, with_commas(num_moves));
  if (!options.optimize.current_path.empty()) {
    output.print("Copies moved from {}: {}\n", options.optimize.current_path,
                 with_commas(count_moved(places.result.layers)));
  }
  if (options.optimize.total_slots > 0) {
    const auto [least, most] = std::ranges::minmax(places.result.num_slots);
    output.print("Slots of a layer: {} to {}; {} in all\n", least, most,
                 with_commas(std::accumulate(places.result.num_slots.begin(), places.result.num_slots.end(), 0LL)));
  }
}

void print_limits(const OptimizedPlaces& places, Output& output) {
  const PlacementLimits& limits = places.limits;
  if (limits.imbalance < 1 + kNothing) {
    output.print("\nNothing limits it over the window: even layer {} is in balance\n", places.worst_layer);
    return;
  }
  output.print("\nWhat limits layer {} over the window (imbalance {:.3f})\n", places.worst_layer, limits.imbalance);
  std::vector<std::int32_t> ranks;
  for (const RankLimit& limit : limits.ranks) {
    if (limit.frequency >= 0.5) {
      ranks.push_back(limit.rank);
    }
  }
  std::ranges::sort(ranks);
  output.print("ranks that bind in at least half of the batches: {}\n", ranks.empty() ? "none" : in_words(ranks));
  Table table(
      {"expert", "binds in", "makes of the\nbound load", "one more copy\non rank", "would lower\nimbalance by"});
  for (const ExpertLimit& limit : limits.experts) {
    if (limit.gain >= kNothing / 10) {
      table.add_row({std::to_string(limit.expert), fmt::format("{:.0f}%", 100 * limit.frequency),
                     fmt::format("{:.1f}%", 100 * limit.tokens), std::to_string(limit.copy_on),
                     fmt::format("{:.4f}", limit.gain)});
    }
  }
  output.print_raw(table.num_rows() > 0 ? table.render(false) : "no single further copy would lower it\n");
}

void print_curve(const OptimizedPlaces& places, Output& output) {
  if (places.curve.empty()) {
    return;
  }
  output.print("\n");
  Table table({"copies moved, at most", "moved,\nall layers", "window", "noise", "drift", "shift"});
  for (const TradeOff& point : places.curve) {
    std::vector<std::string> row = {point.limit.given() ? describe_move_limit(point.limit) : "any number",
                                    with_commas(count_moved(point.layers))};
    append_means(scores_of(point.layers), row);
    table.add_row(row);
  }
  table.mark_row(places.chosen);
  output.print_raw(table.render(Output::color()));
  output.print("* this placement; --max-moved chooses another\n");
}

Json scores_to_json(const std::vector<PlacementScore>& layers) {
  Json json = Json::array();
  for (const PlacementScore& score : layers) {
    Json layer = {{"objective", score.objective}};
    for (int scenario = 0; scenario < kNumScenarios; ++scenario) {
      layer[kScenarioNames[scenario]] = score.imbalance[scenario];
    }
    json.push_back(std::move(layer));
  }
  return json;
}

Json curve_to_json(const OptimizedPlaces& places) {
  Json curve = Json::array();
  for (const TradeOff& point : places.curve) {
    const std::vector<PlacementScore> scores = scores_of(point.layers);
    Json entry = {{"limit", point.limit.given() ? Json(describe_move_limit(point.limit)) : Json(nullptr)},
                  {"copies_moved", count_moved(point.layers)}};
    for (int scenario = 0; scenario < kNumScenarios; ++scenario) {
      entry[kScenarioNames[scenario]] = mean_imbalance(scores, scenario);
    }
    curve.push_back(std::move(entry));
  }
  return curve;
}

}  // namespace

void print_optimized(const PlaceOptions& options, const LayerWindows& windows, const OptimizedPlaces& places,
                     Output& output) {
  const PolicyArgs& args = options.args;
  output.print("optimize: chosen for the exact split over {} {}\n", windows.num_batches,
               windows.num_batches == 1 ? "batch" : "batches");
  output.print("{} {}, {} experts in {} slots on {} ranks of {} {}\n\n", windows.num_layers,
               windows.num_layers == 1 ? "layer" : "layers", args.num_logical,
               options.optimize.total_slots > 0
                   ? fmt::format("{} (all layers together)", with_commas(options.optimize.total_slots))
                   : std::to_string(places.result.num_slots.front()),
               args.num_ranks, args.num_nodes, args.num_nodes == 1 ? "node" : "nodes");
  print_judged(places, output);
  print_search(options, places, output);
  print_limits(places, output);
  print_curve(places, output);
}

void add_optimized_json(const PlaceOptions& options, const LayerWindows& windows, const OptimizedPlaces& places,
                        Json& json) {
  Json expected = Json::object();
  for (const Judged& judged : places.judged) {
    expected[judged.name] = judged.layers.empty() ? Json{{"obstacle", judged.obstacle}} : scores_to_json(judged.layers);
  }
  Json layers = Json::array();
  for (std::size_t l = 0; l < places.result.layers.size(); ++l) {
    const OptimizeResult& layer = places.result.layers[l];
    layers.push_back({{"layer", l},
                      {"num_slots", places.result.num_slots[l]},
                      {"start", layer.start},
                      {"best_start_objective", layer.best_start_objective},
                      {"objective", layer.score.objective},
                      {"copies_moved", layer.num_moved},
                      {"moves_tried", layer.num_moves},
                      {"moves_accepted", layer.num_accepted}});
  }
  json["num_batches"] = windows.num_batches;
  json["effort"] = options.optimize.num_moves;
  json["seed"] = options.args.seed;
  json["expected"] = std::move(expected);
  json["layers"] = std::move(layers);
  json["limits"] = {{"layer", places.worst_layer}};
  json["limits"].update(Json::parse(limits_to_json(places.limits)));
  if (!places.curve.empty()) {
    json["trade_off"] = curve_to_json(places);
  }
}

}  // namespace lplb::cli
