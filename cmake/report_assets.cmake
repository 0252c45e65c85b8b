# The report is one HTML file, so its template, style, scripts and chart library are compiled into lplb_io as text.
find_file(LPLB_CHART_JS NAMES chart.min.js Chart.min.js
  PATHS /usr/share/javascript/chart.js /usr/share/javascript/chartjs
  DOC "Chart.js 3, minified, one file")
if(NOT LPLB_CHART_JS)
  message(FATAL_ERROR
    "Chart.js not found: install Debian's package libjs-chart.js (apt-get install libjs-chart.js), "
    "or set LPLB_CHART_JS to a chart.min.js of version 3.")
endif()

set(report_dir ${PROJECT_SOURCE_DIR}/src/report)
set(report_assets_cpp ${PROJECT_BINARY_DIR}/generated/report_assets.cpp)
set(report_assets
  kPageHtml ${report_dir}/page.html
  kPageCss ${report_dir}/page.css
  kPageJs ${report_dir}/page.js
  kChartsJs ${report_dir}/charts.js
  kHeatmapJs ${report_dir}/heatmap.js
  kLimitsJs ${report_dir}/limits.js
  kChartJs ${LPLB_CHART_JS})
string(REPLACE ";" "," report_assets_arg "${report_assets}")

add_custom_command(OUTPUT ${report_assets_cpp}
  COMMAND ${CMAKE_COMMAND} -D OUTPUT=${report_assets_cpp} -D ASSETS=${report_assets_arg}
    -P ${PROJECT_SOURCE_DIR}/cmake/embed_text.cmake
  DEPENDS ${PROJECT_SOURCE_DIR}/cmake/embed_text.cmake ${report_dir}/page.html ${report_dir}/page.css
    ${report_dir}/page.js ${report_dir}/charts.js
    ${report_dir}/heatmap.js ${report_dir}/limits.js ${LPLB_CHART_JS}
  COMMENT "Embedding the report's page and Chart.js"
  VERBATIM)
target_sources(lplb_io PRIVATE ${report_assets_cpp})
# The chart library is longer than the literals that a compiler must take; all that we build with take it.
set_source_files_properties(${report_assets_cpp} PROPERTIES COMPILE_OPTIONS -Wno-overlength-strings)
