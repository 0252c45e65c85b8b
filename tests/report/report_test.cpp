// The JSON against numbers written by hand; the page as text. How a browser shows it is browser_test.py's matter.

#include "lplb/report.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "lplb/replay_result.h"

namespace lplb {
namespace {

using nlohmann::json;

StrategyResult strategy(const std::string& name, double mean) {
  return {.name = name,
          .description = name + " in one sentence.",
          .skipped = "",
          .imbalance = {.mean = mean, .p50 = 1.25, .p99 = 1.75, .max = 2.5},
          .balancedness = {.mean = 0.75, .p50 = 0.8, .p99 = 0.9, .max = 0.95},
          .certificate_ranks = 1.5,
          .cross_rank_fraction = 0.5,
          .cross_node_fraction = 0.125,
          .copies_moved = 12,
          .num_refreshes = 3,
          .refreshes_made = 1,
          .plan_us = {.mean = 5, .p50 = 4, .p99 = 9, .max = 11},
          .place_us = {.mean = 50, .p50 = 40, .p99 = 90, .max = 110},
          .step_imbalance = {1.5, 1.25},
          .layer_imbalance = {1.375},
          .rank_load = {1.5F, 0.5F, 0.75F, 1.25F},
          .worst_imbalance = 2.5,
          .worst_step = 5,
          .worst_layer = 3,
          .worst_rank = 1};
}

StrategyResult skipped(const std::string& name, const std::string& reason) {
  StrategyResult s;
  s.name = name;
  s.skipped = reason;
  return s;
}

ReplayResult small_result() {
  return {.trace_name = "tiny",
          .num_steps = 6,
          .num_layers = 4,
          .num_experts = 8,
          .num_sources = 2,
          .tokens_per_step = 64,
          .num_ranks = 2,
          .num_nodes = 1,
          .num_redundant = 1,
          .window = 4,
          .refresh = 2,
          .seed = 7,
          .layers = {3},
          .judged_steps = {4, 5},
          .heatmap_layer = 3,
          .strategies = {strategy("none", 1.5), strategy("eplb", 1.375), skipped("cube", "needs 8 ranks")}};
}

/// The JSON text inside <script type="application/json" id="data">.
json page_data(const std::string& page) {
  constexpr std::string_view kStart = "id=\"data\">";
  const std::size_t start = page.find(kStart) + kStart.size();
  return json::parse(page.substr(start, page.find("</script>", start) - start));
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST(ReplayToJson, TraceAndConfig) {
  const json j = json::parse(replay_to_json(small_result()));
  EXPECT_EQ(j["trace"], json::parse(R"({"name":"tiny","steps":6,"layers":4,"experts":8,"sources":2,
                                        "tokens_per_step":64.0})"));
  EXPECT_EQ(j["config"], json::parse(R"({"ranks":2,"nodes":1,"redundant":1,"window":4,"refresh":2,"seed":7,
                                         "layers":[3],"judged_steps":[4,5],"heatmap_layer":3})"));
}

TEST(ReplayToJson, OneEntryAStrategyInOrder) {
  const json results = json::parse(replay_to_json(small_result()))["results"];
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(results[1], json::parse(R"({
      "strategy":"eplb","description":"eplb in one sentence.",
      "imbalance":{"mean":1.375,"p50":1.25,"p99":1.75,"max":2.5},
      "balancedness":{"mean":0.75,"p50":0.8,"p99":0.9,"max":0.95},
      "certificate_ranks":1.5,"cross_rank_fraction":0.5,"cross_node_fraction":0.125,
      "copies_moved":12,"refreshes":3,"refreshes_made":1,
      "plan_us":{"mean":5.0,"p50":4.0,"p99":9.0,"max":11.0},
      "place_us":{"mean":50.0,"p50":40.0,"p99":90.0,"max":110.0},
      "step_imbalance":[1.5,1.25],"layer_imbalance":[1.375],
      "worst":{"imbalance":2.5,"step":5,"layer":3,"rank":1}})"));
  EXPECT_EQ(results[2], json::parse(R"({"strategy":"cube","skipped":"needs 8 ranks"})"));
}

TEST(ReplayToJson, LimitsWhereTheStrategyHasThem) {
  ReplayResult result = small_result();
  result.strategies[1].limits = {.imbalance = 1.5, .ranks = {{1, 0.75}}, .experts = {{6, 0.5, 0.25, 0, 0.125}}};
  const json j = json::parse(replay_to_json(result));
  EXPECT_FALSE(j["results"][0].contains("limits"));
  EXPECT_EQ(j["results"][1]["limits"], json::parse(R"({
      "imbalance":1.5,"ranks":[{"rank":1,"frequency":0.75}],
      "experts":[{"expert":6,"frequency":0.5,"tokens":0.25,"copy_on":0,"gain":0.125}]})"));
  EXPECT_TRUE(j["formulas"].contains("limits"));
}

TEST(ReplayToJson, FractionsWithoutSourceRanksAreNull) {
  ReplayResult result = small_result();
  result.strategies[0].cross_rank_fraction = -1;
  result.strategies[0].cross_node_fraction = -1;
  const json entry = json::parse(replay_to_json(result))["results"][0];
  EXPECT_TRUE(entry["cross_rank_fraction"].is_null());
  EXPECT_TRUE(entry["cross_node_fraction"].is_null());
}

TEST(ReplayToJson, EveryMeasureHasItsFormula) {
  const json j = json::parse(replay_to_json(small_result()));
  for (const auto& [key, value] : j["results"][0].items()) {
    if (key != "strategy" && key != "description" && key != "refreshes") {
      EXPECT_TRUE(j["formulas"].contains(key)) << key;
    }
  }
}

TEST(ReplayToJson, BestIsTheSmallestMeanThenP99ThenFewestCopies) {
  const auto best = [](const ReplayResult& r) { return json::parse(replay_to_json(r))["best"]; };
  ReplayResult result = small_result();
  EXPECT_EQ(best(result), "eplb");
  result.strategies[0].imbalance.mean = 1.375;
  EXPECT_EQ(best(result), "none");
  result.strategies[1].copies_moved = 11;
  EXPECT_EQ(best(result), "eplb");
  result.strategies[0].imbalance.p99 = 1.5;
  EXPECT_EQ(best(result), "none");
  for (StrategyResult& s : result.strategies) {
    s = skipped(s.name, "no");
  }
  EXPECT_TRUE(best(result).is_null());
}

TEST(ReplayToJson, NumbersComeBackExactly) {
  ReplayResult result = small_result();
  result.strategies[0].imbalance.mean = 1.0 / 3.0;
  result.seed = std::numeric_limits<std::uint64_t>::max();
  const json j = json::parse(replay_to_json(result));
  EXPECT_EQ(j["results"][0]["imbalance"]["mean"].get<double>(), 1.0 / 3.0);
  EXPECT_EQ(j["config"]["seed"].get<std::uint64_t>(), result.seed);
}

TEST(ReplayToJson, ArraysOfNumbersStayOnOneLine) {
  ReplayResult result = small_result();
  result.strategies[0].step_imbalance.assign(500, 1.125);
  const std::string text = replay_to_json(result);
  EXPECT_LT(count_of(text, "\n"), 100U);
  EXPECT_EQ(text.back(), '\n');
}

TEST(ReplayToJson, NamesThatAreNotUtf8AreReplacedNotRefused) {
  ReplayResult result = small_result();
  result.trace_name = "caf\xe9 \xff";
  const json j = json::parse(replay_to_json(result));
  EXPECT_EQ(j["trace"]["name"], "caf\uFFFD \uFFFD");
}

TEST(ReplayToHtml, HoldsTheJsonOfTheFile) {
  json data = page_data(replay_to_html(small_result(), "lplb replay tiny.npz"));
  EXPECT_EQ(data["command"], "lplb replay tiny.npz");
  data.erase("command");
  data.erase("heat");
  EXPECT_EQ(data, json::parse(replay_to_json(small_result())));
}

TEST(ReplayToHtml, HeatMapsOfNoneAndOfTheBest) {
  ReplayResult result = small_result();
  result.strategies.push_back(strategy("torus", 2.0));
  const json heat = page_data(replay_to_html(result, ""))["heat"];
  EXPECT_EQ(heat, json::parse(R"({"steps_per_column":1,"maps":[
      {"strategy":"none","cells":[1.5,0.5,0.75,1.25]},{"strategy":"eplb","cells":[1.5,0.5,0.75,1.25]}]})"));
}

TEST(ReplayToHtml, OneHeatMapWhenNothingBeatsNone) {
  ReplayResult result = small_result();
  result.strategies[0].imbalance.mean = 1;
  EXPECT_EQ(page_data(replay_to_html(result, ""))["heat"]["maps"].size(), 1U);
}

TEST(ReplayToHtml, LoadsOfTheWrongShapeGiveNoHeatMap) {
  ReplayResult result = small_result();
  result.strategies[0].rank_load.pop_back();
  result.strategies[1].rank_load.clear();
  EXPECT_TRUE(page_data(replay_to_html(result, ""))["heat"]["maps"].empty());
}

TEST(ReplayToHtml, LongTracesMergeStepsByTheirLargestLoad) {
  ReplayResult result = small_result();
  const int num_steps = (1 << 17) + 1;  // x 2 ranks: one step more than there may be cells
  result.judged_steps.assign(num_steps, 0);
  result.strategies.resize(1);
  result.strategies[0].rank_load.assign(2 * static_cast<std::size_t>(num_steps), 1.0F);
  result.strategies[0].rank_load[2 * 3 + 1] = 1.875F;  // step 3, rank 1: in the second column
  const json heat = page_data(replay_to_html(result, ""))["heat"];
  EXPECT_EQ(heat["steps_per_column"], 2);
  const json& cells = heat["maps"][0]["cells"];
  ASSERT_EQ(cells.size(), ((std::size_t{1} << 16) + 1) * 2);
  EXPECT_EQ(cells[1 * 2 + 1], 1.875);
  EXPECT_EQ(cells[1 * 2 + 0], 1.0);
}

TEST(ReplayToHtml, HostileStringsStayText) {
  ReplayResult result = small_result();
  result.trace_name = "</script><b>trace</b><!--<script>";
  result.strategies[0].description = "{{page.css}}";
  const std::string command = "lplb replay '</script><b>' {{data}}";
  const std::string page = replay_to_html(result, command);
  const std::string plain = replay_to_html(small_result(), "");
  for (const char* tag : {"<script", "</script", "<!--", "<b>"}) {
    EXPECT_EQ(count_of(page, tag), count_of(plain, tag)) << tag;
  }
  const json data = page_data(page);
  EXPECT_EQ(data["trace"]["name"], result.trace_name);
  EXPECT_EQ(data["results"][0]["description"], "{{page.css}}");
  EXPECT_EQ(data["command"], command);
}

TEST(ReplayToHtml, LoadsNothingFromElsewhere) {
  const std::string page = replay_to_html(small_result(), "");
  for (const char* load : {" src=", "<link", "@import", "url(", "fetch(", "XMLHttpRequest"}) {
    EXPECT_EQ(count_of(page, load), 0U) << load;
  }
  EXPECT_EQ(count_of(page, "default-src 'none'"), 1U);
  EXPECT_EQ(count_of(page, "http-equiv"), 1U);
  // Two links, in comments of the chart library's licence.
  const std::string own = page.substr(0, page.find("/*!"));
  EXPECT_EQ(count_of(own, "http://") + count_of(own, "https://"), 0U);
}

TEST(ReplayToHtml, EveryMarkOfThePageIsFilled) {
  const std::string page = replay_to_html(small_result(), "");
  EXPECT_EQ(page.rfind("<!doctype html>", 0), 0U);
  EXPECT_EQ(
      count_of(page, "{{page.") + count_of(page, "{{data}}") + count_of(page, "{{chart") + count_of(page, "{{limits"),
      0U);
  EXPECT_EQ(count_of(page, "Chart.js v3"), 1U);
  EXPECT_EQ(count_of(page, "prefers-color-scheme: dark"), 2U);
}

}  // namespace
}  // namespace lplb
