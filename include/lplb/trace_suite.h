#pragma once

// Several traces to judge placements on, with what is known of each.

#include "lplb/trace.h"

namespace lplb {

struct SuiteTrace {
  Trace trace = {};      // one source: where tokens come from does not matter here
  bool changes = false;  // the text changes within it to what the past has not shown
  bool drifts = false;   // its loads move, so that a placement ages
};

}  // namespace lplb
