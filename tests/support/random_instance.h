#pragma once

// Random cases of the split, seeded and the same on every machine. The mix is chosen for what breaks solvers: ties,
// zeros, one expert with everything, chains and rings of pairs, experts everywhere, colocated copies, empty slots, dead
// ranks, separate groups, totals near the limit.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/rng.h"
#include "support/instance.h"

namespace lplb::testing {

struct RandomLimits {
  int max_ranks = 12;
  int max_slots_per_rank = 6;
};

namespace random_detail {

inline int between(Rng& rng, int low, int high) {  // both ends included
  return low + static_cast<int>(rng.below(static_cast<std::uint64_t>(high - low) + 1));
}

inline bool chance(Rng& rng, double probability) { return rng.uniform() < probability; }

template <class T>
void shuffle(Rng& rng, std::vector<T>& values) {
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[rng.below(i)]);
  }
}

inline int any_divisor(Rng& rng, int n) {
  int divisor = between(rng, 1, n);
  while (n % divisor != 0) {
    --divisor;
  }
  return divisor;
}

/// Any expert in any slot, some slots empty; every expert once at least.
inline std::vector<std::int32_t> anywhere(Rng& rng, int num_slots, int num_logical) {
  const double empty = chance(rng, 0.3) ? rng.uniform() * 0.5 : 0;
  std::vector<std::int32_t> phy2log(num_slots);
  for (int slot = 0; slot < num_slots; ++slot) {
    phy2log[slot] = slot < num_logical ? slot : chance(rng, empty) ? kNone : between(rng, 0, num_logical - 1);
  }
  shuffle(rng, phy2log);
  return phy2log;
}

/// Column 0 holds one expert a rank; the other columns copy it from a rank at a fixed distance inside the rank's group
/// of `group` ranks, or hold experts without a copy: rings, chains and separate groups of them.
inline std::vector<std::int32_t> neighbours(Rng& rng, int num_ranks, int slots_per_rank, int& num_logical) {
  const int group = any_divisor(rng, num_ranks);
  std::vector<std::int32_t> phy2log(static_cast<std::size_t>(num_ranks) * slots_per_rank, kNone);
  num_logical = num_ranks;
  for (int rank = 0; rank < num_ranks; ++rank) {
    phy2log[static_cast<std::size_t>(rank) * slots_per_rank] = rank;
  }
  for (int column = 1; column < slots_per_rank; ++column) {
    const int distance = between(rng, 0, group - 1);
    const bool closed = chance(rng, 0.7);
    for (int rank = 0; rank < num_ranks; ++rank) {
      const int member = rank % group;
      const int source = rank - member + (member + distance) % group;
      const bool wraps = member + distance >= group;
      if (distance == 0 && chance(rng, 0.5)) {
        phy2log[static_cast<std::size_t>(rank) * slots_per_rank + column] = num_logical++;
      } else if (closed || !wraps) {
        phy2log[static_cast<std::size_t>(rank) * slots_per_rank + column] = source;
      }
    }
  }
  return phy2log;
}

/// Two slots a rank: expert 0 everywhere, and one expert a rank.
inline std::vector<std::int32_t> hub(int num_ranks) {
  std::vector<std::int32_t> phy2log;
  for (int rank = 0; rank < num_ranks; ++rank) {
    phy2log.insert(phy2log.end(), {0, rank + 1});
  }
  return phy2log;
}

inline Placement random_placement(Rng& rng, const RandomLimits& limits) {
  const double log_ranks = rng.uniform() * std::log2(limits.max_ranks + 0.999);
  const int num_ranks = std::min(limits.max_ranks, static_cast<int>(std::exp2(log_ranks)));
  const int num_nodes = any_divisor(rng, num_ranks);
  const int slots_per_rank = between(rng, 1, limits.max_slots_per_rank);
  const int num_slots = num_ranks * slots_per_rank;
  const int style = between(rng, 0, 9);
  if (style == 0) {
    return Placement(hub(num_ranks), num_ranks + 1, num_ranks, num_nodes);
  }
  if (style <= 3) {
    int num_logical = 0;
    std::vector<std::int32_t> phy2log = neighbours(rng, num_ranks, slots_per_rank, num_logical);
    return Placement(std::move(phy2log), num_logical, num_ranks, num_nodes);
  }
  const int num_logical = between(rng, style <= 5 ? (num_slots + 1) / 2 : 1, num_slots);
  return Placement(anywhere(rng, num_slots, num_logical), num_logical, num_ranks, num_nodes);
}

/// One count of the given style, scaled to about `scale` tokens.
inline double random_count(Rng& rng, int style, double scale) {
  switch (style) {
    case 0:
      return static_cast<double>(rng.below(3));  // ties
    case 1:
      return scale;  // all equal
    case 2:
      return scale * rng.uniform();
    case 3:
      return scale * std::exp(rng.normal());  // log-normal
    case 4:
      return scale * std::exp(2.0 * rng.normal());
    case 5:
      return scale * std::pow(1.0 - rng.uniform(), -1.0 / 1.2);  // Pareto
    default:
      return chance(rng, 0.6) ? 0 : scale * rng.uniform();  // many zeros
  }
}

inline std::vector<Tokens> random_counts(Rng& rng, int num_logical) {
  std::vector<Tokens> counts(num_logical, 0);
  const int style = between(rng, 0, 9);
  if (style == 8) {
    counts[rng.below(num_logical)] = between(rng, 1, 1'000'000);  // everything on one expert
    return counts;
  }
  if (style == 9 && chance(rng, 0.3)) {
    return counts;  // an empty batch
  }
  const bool huge = chance(rng, 0.03);
  const double scale = huge ? 1.0e9 / num_logical : std::exp2(rng.uniform() * 14);
  const double most = 1.9e9 / num_logical;
  for (Tokens& count : counts) {
    count = static_cast<Tokens>(std::min(most, random_count(rng, style, scale)));
  }
  return counts;
}

/// A mask of live ranks under which every expert keeps a copy: dead ranks are revived for the experts they orphan.
inline std::vector<std::uint8_t> random_live(Rng& rng, const Placement& placement) {
  const double dead = rng.uniform() * 0.6;
  std::vector<std::uint8_t> live(placement.num_ranks());
  for (std::uint8_t& rank : live) {
    rank = chance(rng, dead) ? 0 : 1;
  }
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    if (live_ranks_of(placement, live, expert).empty()) {
      const auto slots = placement.replicas(expert);
      live[placement.rank_of(slots[rng.below(slots.size())])] = 1;
    }
  }
  return live;
}

inline std::vector<Tokens> random_base(Rng& rng, const Instance& instance) {
  const std::int64_t total = std::accumulate(instance.counts.begin(), instance.counts.end(), std::int64_t{0});
  const int num_ranks = instance.placement.num_ranks();
  const std::int64_t most = std::min<std::int64_t>(2 * total / num_ranks + 2, (2'000'000'000 - total) / num_ranks);
  std::vector<Tokens> base(num_ranks);
  for (Tokens& load : base) {
    load = chance(rng, 0.3) ? 0 : static_cast<Tokens>(rng.below(std::max<std::int64_t>(most, 1)));
  }
  return base;
}

}  // namespace random_detail

inline Instance random_instance(Rng& rng, const RandomLimits& limits) {
  namespace detail = random_detail;
  Instance instance{.placement = detail::random_placement(rng, limits), .counts = {}, .base_load = {}, .live = {}};
  instance.counts = detail::random_counts(rng, instance.placement.num_logical());
  if (detail::chance(rng, 0.3)) {
    instance.live = detail::random_live(rng, instance.placement);
  }
  if (detail::chance(rng, 0.4)) {
    instance.base_load = detail::random_base(rng, instance);
  }
  return instance;
}

/// A seed of its own for each instance, so that a failing one can be drawn again alone.
inline Rng seeded(std::uint64_t seed, std::uint64_t index) { return Rng((seed << 32) + index); }

/// Tokens per source rank that add up to the instance's counts. [S, E]
inline std::vector<Tokens> random_sources(Rng& rng, const Instance& instance) {
  const int num_ranks = instance.placement.num_ranks();
  const std::size_t num_logical = instance.counts.size();
  std::vector<Tokens> sources(num_ranks * num_logical);
  const int style = random_detail::between(rng, 0, 2);
  for (std::size_t e = 0; e < num_logical; ++e) {
    Tokens left = instance.counts[e];
    if (style == 0) {  // a share of what is left, so that early sources have most
      for (int s = 0; s + 1 < num_ranks; ++s) {
        const auto share = static_cast<Tokens>(rng.below(static_cast<std::uint64_t>(left) + 1));
        sources[s * num_logical + e] = share;
        left -= share;
      }
    } else if (style == 1) {  // even
      for (int s = 0; s < num_ranks; ++s) {
        sources[s * num_logical + e] = instance.counts[e] / num_ranks;
        left -= instance.counts[e] / num_ranks;
      }
    }
    sources[rng.below(num_ranks) * num_logical + e] += left;
  }
  return sources;
}

/// Separate rings of up to 32 ranks: a rank shares one expert with each of its two neighbours and has others of its
/// own.
inline Instance random_rings(Rng& rng) {
  using random_detail::between;
  const int num_rings = 1 << rng.below(4);
  const int ring = between(rng, 2, 32);
  const int num_fixed = between(rng, 0, 9);
  const int num_ranks = num_rings * ring;
  std::vector<std::int32_t> phy2log;
  for (int rank = 0; rank < num_ranks; ++rank) {
    const int first = rank / ring * ring;
    phy2log.insert(phy2log.end(), {rank, first + (rank - first + 1) % ring});
    for (int i = 0; i < num_fixed; ++i) {
      phy2log.push_back(num_ranks + rank * num_fixed + i);
    }
  }
  const int num_logical = num_ranks * (1 + num_fixed);
  Instance instance{.placement = Placement(phy2log, num_logical, num_ranks),
                    .counts = random_detail::random_counts(rng, num_logical),
                    .base_load = {},
                    .live = {}};
  if (random_detail::chance(rng, 0.3)) {
    instance.base_load = random_detail::random_base(rng, instance);
  }
  return instance;
}

}  // namespace lplb::testing
