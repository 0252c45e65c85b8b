#pragma once

// What the flow and LP peers solve after the preprocessing that any careful user of them would do once per placement:
// experts with the same live ranks are one class, and experts that live on a single rank are part of its base load.

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "support/instance.h"

namespace lplb::testing {

struct FlowNetwork {
  FlowNetwork(const Placement& placement, std::span<const std::uint8_t> live)
      : num_ranks(placement.num_ranks()), is_live(num_ranks, 1), class_of(placement.num_logical()) {
    for (int rank = 0; rank < num_ranks; ++rank) {
      is_live[rank] = live.empty() || live[rank] != 0 ? 1 : 0;
    }
    std::map<std::vector<int>, int> class_of_ranks;
    for (int expert = 0; expert < placement.num_logical(); ++expert) {
      const std::vector<int> ranks = live_ranks_of(placement, live, expert);
      if (ranks.size() == 1) {
        class_of[expert] = -1 - ranks[0];
        continue;
      }
      const auto [entry, is_new] = class_of_ranks.try_emplace(ranks, static_cast<int>(class_ranks.size()));
      if (is_new) {
        class_ranks.push_back(ranks);
      }
      class_of[expert] = entry->second;
    }
    supply.resize(class_ranks.size());
    base.resize(num_ranks);
    for (const std::vector<int>& ranks : class_ranks) {
      num_arcs += static_cast<int>(ranks.size());
    }
  }

  /// Fills supply and base for a batch. O(E + G).
  void load(std::span<const Tokens> counts, std::span<const Tokens> base_load) {
    std::ranges::fill(supply, 0);
    for (int rank = 0; rank < num_ranks; ++rank) {
      base[rank] = base_load.empty() || is_live[rank] == 0 ? 0 : base_load[rank];
    }
    for (std::size_t expert = 0; expert < counts.size(); ++expert) {
      const int c = class_of[expert];
      (c >= 0 ? supply[c] : base[-1 - c]) += counts[expert];
    }
  }

  int num_ranks;
  int num_arcs = 0;                           // class to rank
  std::vector<std::uint8_t> is_live;          // [G]
  std::vector<std::vector<int>> class_ranks;  // two ranks or more each, ascending
  std::vector<int> class_of;                  // [E] class, or -1 - rank for an expert on a single rank
  std::vector<std::int64_t> supply;           // [classes]
  std::vector<std::int64_t> base;             // [G]
};

}  // namespace lplb::testing
