#pragma once

// Strategies of a replay: a placement policy, and how a batch is divided over the copies.

#include <string>
#include <string_view>

namespace lplb {

struct Strategy {
  std::string name;    // "eplb+split"
  std::string policy;  // of place_layer: "eplb"
  bool splits;         // exact split; else every expert divides evenly over its copies
};

/// Throws InvalidArgument that lists the names.
Strategy find_strategy(std::string_view name);

}  // namespace lplb
