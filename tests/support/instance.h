#pragma once

// One case of the split: a placement with everything that a batch adds to it. Shared by tests and benchmarks.

#include <cstdint>
#include <ostream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "lplb/placement.h"
#include "lplb/types.h"

namespace lplb::testing {

struct Instance {
  Placement placement;
  std::vector<Tokens> counts;      // [E]
  std::vector<Tokens> base_load;   // [G] or empty
  std::vector<std::uint8_t> live;  // [G] or empty

  bool is_live(int rank) const { return live.empty() || live[rank] != 0; }
  Tokens base(int rank) const { return base_load.empty() || !is_live(rank) ? 0 : base_load[rank]; }
};

/// Ranks of the expert's live copies, ascending, without repeats: the definition of R_e.
inline std::vector<int> live_ranks_of(const Placement& placement, std::span<const std::uint8_t> live, int expert) {
  std::vector<int> ranks;
  for (const std::int32_t slot : placement.replicas(expert)) {
    const int rank = placement.rank_of(slot);
    if ((live.empty() || live[rank] != 0) && (ranks.empty() || ranks.back() != rank)) {
      ranks.push_back(rank);
    }
  }
  return ranks;
}

/// "{1, 2, 3}", to be pasted into a test.
template <class T>
std::string braced(std::span<const T> values) {
  std::ostringstream out;
  out << '{';
  for (std::size_t i = 0; i < values.size(); ++i) {
    out << (i == 0 ? "" : ", ") << static_cast<std::int64_t>(values[i]);
  }
  out << '}';
  return out.str();
}

template <class T>
std::string braced(const std::vector<T>& values) {
  return braced(std::span<const T>(values));
}

inline std::ostream& operator<<(std::ostream& out, const Instance& instance) {
  const Placement& p = instance.placement;
  return out << "Instance{Placement(" << braced(p.phy2log()) << ", " << p.num_logical() << ", " << p.num_ranks() << ", "
             << p.num_nodes() << "), " << braced(instance.counts) << ", " << braced(instance.base_load) << ", "
             << braced(instance.live) << "}";
}

}  // namespace lplb::testing
