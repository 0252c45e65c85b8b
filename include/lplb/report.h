#pragma once

// The report of a replay: one self-contained HTML page, and its JSON and text forms.

#include <string>

#include "lplb/placement_limits.h"
#include "lplb/replay_result.h"

namespace lplb {

/// {"trace":{...},"config":{...},"results":[{"strategy":..,"imbalance":{..},...}]}, pretty-printed.
std::string replay_to_json(const ReplayResult& result);

/// {"imbalance":..,"ranks":[{"rank":..,..},...],"experts":[{"expert":..,..},...]}.
std::string limits_to_json(const PlacementLimits& limits);

/// One HTML file that opens from disk without a network, in light and dark. `command` is shown as what made it.
std::string replay_to_html(const ReplayResult& result, const std::string& command);

}  // namespace lplb
