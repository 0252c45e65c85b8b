#pragma once

// The page's own files and the chart library, as text. Defined in a source that the build generates from
// page.html, page.css, page.js, charts.js, heatmap.js, limits.js and the installed Chart.js; see
// cmake/report_assets.cmake.

#include <string_view>

namespace lplb::report {

extern const std::string_view kPageHtml;
extern const std::string_view kPageCss;
extern const std::string_view kPageJs;
extern const std::string_view kChartsJs;
extern const std::string_view kHeatmapJs;
extern const std::string_view kLimitsJs;
extern const std::string_view kChartJs;

}  // namespace lplb::report
