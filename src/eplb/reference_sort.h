#pragma once

// The reference's descending sort, down to the order in which it leaves equal weights.

#include <cstdint>
#include <span>

namespace lplb::eplb {

struct WeightedItem {
  float weight;
  std::int32_t index;
  friend bool operator==(const WeightedItem&, const WeightedItem&) = default;
};

/// Sorts from heaviest to lightest. Equal weights, as copies of one expert have them, end in the order of EPLB's
/// reference run (PyTorch 1.13, CPU), whatever standard library this is built with. No NaN. O(n log n).
void sort_descending(std::span<WeightedItem> items);

}  // namespace lplb::eplb
