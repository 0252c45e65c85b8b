#pragma once

// Strategies of a replay: a placement policy, and how a batch is divided over the copies.

#include <string>
#include <string_view>

#include "lplb/move_limit.h"

namespace lplb {

struct Strategy {
  std::string name;          // "eplb+split"
  std::string policy;        // of place_layer: "eplb"; or "optimize", which places from the window's single batches
  bool splits;               // exact split; else every expert divides evenly over its copies
  MoveLimit max_moved = {};  // of "optimize:5%"

  bool optimizes() const { return policy == "optimize"; }
};

/// Throws InvalidArgument that lists the names.
Strategy find_strategy(std::string_view name);

}  // namespace lplb
