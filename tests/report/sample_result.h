#pragma once

// Hand-made replay results of a realistic shape, for looking at the report and for its tests.

#include "lplb/replay_result.h"

namespace lplb::test {

/// Eight strategies, 32 ranks on 4 nodes, 7 layers, 32 judged steps with a refresh every 8.
ReplayResult sample_result();

/// The same without source ranks, with two strategies skipped and names that try to break out of the page.
ReplayResult hostile_result();

/// Every strategy skipped.
ReplayResult empty_result();

}  // namespace lplb::test
