#pragma once

// What the checks of certificates and of plans share: liveness, confinement of an expert to a set of ranks, lengths.

#include <cstdint>
#include <span>

#include "base/check.h"
#include "lplb/placement.h"
#include "lplb/types.h"

namespace lplb::certify {

inline bool is_live(std::span<const std::uint8_t> live, int rank) { return live.empty() || live[rank] != 0; }

inline std::int64_t ceil_div(std::int64_t total, std::int64_t parts) { return (total + parts - 1) / parts; }

/// Whether all live copies of the expert are on ranks with inside[rank] != 0, and there is one.
inline bool is_confined(const Placement& placement, int expert, std::span<const std::uint8_t> inside,
                        std::span<const std::uint8_t> live) {
  bool has_live_copy = false;
  for (const std::int32_t slot : placement.replicas(expert)) {
    const int rank = placement.rank_of(slot);
    if (is_live(live, rank)) {
      if (inside[rank] == 0) {
        return false;
      }
      has_live_copy = true;
    }
  }
  return has_live_copy;
}

inline void check_live(const char* function, const Placement& placement, std::span<const std::uint8_t> live) {
  check(live.empty() || live.size() == static_cast<std::size_t>(placement.num_ranks()), "[", function, "] live has ",
        live.size(), " entries; it must be empty or have num_ranks (", placement.num_ranks(), ")");
}

inline void check_loads(const char* function, const Placement& placement, std::span<const Tokens> counts,
                        std::span<const Tokens> base_load) {
  check(counts.size() == static_cast<std::size_t>(placement.num_logical()), "[", function, "] counts has ",
        counts.size(), " entries; it must have num_logical (", placement.num_logical(), ")");
  check(base_load.empty() || base_load.size() == static_cast<std::size_t>(placement.num_ranks()), "[", function,
        "] base_load has ", base_load.size(), " entries; it must be empty or have num_ranks (", placement.num_ranks(),
        ")");
}

}  // namespace lplb::certify
