#pragma once

// A replay's result as JSON values, shared by the file and the page.

#include <nlohmann/json.hpp>
#include <string>

#include "lplb/replay_result.h"

namespace lplb::report {

/// The strategy with the smallest mean imbalance that was not skipped; ties go to the smaller p99, then to fewer copies
/// moved, then to the first. nullptr when all were skipped.
const StrategyResult* best_strategy(const ReplayResult& result);

/// The schema of replay_to_json, keys in reading order.
nlohmann::ordered_json result_to_json(const ReplayResult& result);

/// One line, ASCII only; bytes that are not UTF-8 become U+FFFD.
std::string dump_line(const nlohmann::ordered_json& value);

/// Indented; a value that fits on the line and an array of numbers each stay on one line.
std::string dump_pretty(const nlohmann::ordered_json& value);

}  // namespace lplb::report
