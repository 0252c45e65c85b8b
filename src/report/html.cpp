// The HTML form of a replay: page.html with style, scripts and data put in for its {{marks}}. The data is the JSON of
// replay_to_json plus the heat maps and the command; the page's script makes every number on the page from it.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lplb/report.h"
#include "report/assets.h"
#include "report/result_json.h"

namespace lplb {
namespace {

using Json = nlohmann::ordered_json;

/// More cells than this could not be told apart, and would make the page slow to open.
constexpr std::size_t kMaxHeatCells = std::size_t{1} << 18;

/// rank_load [steps, ranks] in three decimals, with each `merge` consecutive steps merged into their largest load.
Json heat_cells(const std::vector<float>& rank_load, std::size_t num_ranks, std::size_t merge) {
  const std::size_t num_steps = rank_load.size() / num_ranks;
  Json cells = Json::array();
  for (std::size_t first = 0; first < num_steps; first += merge) {
    for (std::size_t rank = 0; rank < num_ranks; ++rank) {
      float load = 0;
      for (std::size_t step = first; step < std::min(first + merge, num_steps); ++step) {
        load = std::max(load, rank_load[step * num_ranks + rank]);
      }
      cells.push_back(std::round(double{load} * 1000) / 1000);
    }
  }
  return cells;
}

/// Maps of "none" and of the best strategy, whichever of them are there.
Json heat_maps(const ReplayResult& result) {
  const auto num_ranks = static_cast<std::size_t>(std::max(result.num_ranks, 1));
  const std::size_t num_cells = result.judged_steps.size() * num_ranks;
  const std::size_t merge = std::max<std::size_t>(1, (num_cells + kMaxHeatCells - 1) / kMaxHeatCells);
  const StrategyResult* best = report::best_strategy(result);
  Json maps = Json::array();
  for (const StrategyResult& s : result.strategies) {
    const bool wanted = &s == best || (s.name == "none" && s.skipped.empty());
    if (wanted && num_cells > 0 && s.rank_load.size() == num_cells) {
      maps.push_back({{"strategy", s.name}, {"cells", heat_cells(s.rank_load, num_ranks, merge)}});
    }
  }
  return {{"steps_per_column", merge}, {"maps", maps}};
}

/// JSON that may stand inside a <script> element: '<' only occurs in strings, where \u003c means the same.
std::string script_safe(const std::string& json) {
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

/// Replaces each {{name}} once, in one pass: what is put in is not searched again.
std::string fill(std::string_view page, const std::vector<std::pair<std::string_view, std::string_view>>& parts) {
  std::string out;
  for (const auto& [mark, text] : parts) {
    const std::size_t at = page.find(mark);
    out.append(page.substr(0, at)).append(text);
    page.remove_prefix(at + mark.size());
  }
  return out.append(page);
}

}  // namespace

std::string replay_to_html(const ReplayResult& result, const std::string& command) {
  Json data = report::result_to_json(result);
  data["command"] = command;
  data["heat"] = heat_maps(result);
  const std::string json = script_safe(report::dump_line(data));
  return fill(report::kPageHtml, {{"{{page.css}}", report::kPageCss},
                                  {"{{data}}", json},
                                  {"{{chart.js}}", report::kChartJs},
                                  {"{{charts.js}}", report::kChartsJs},
                                  {"{{heatmap.js}}", report::kHeatmapJs},
                                  {"{{limits.js}}", report::kLimitsJs},
                                  {"{{page.js}}", report::kPageJs}});
}

}  // namespace lplb
