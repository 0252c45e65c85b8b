#pragma once

// The named cases that tests and benchmarks share: placements made from a history of log-normal loads, and batches that
// differ from that history. Names are experts_slots_ranks for EPLB's placements, and LPLB's topologies.

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "lplb/eplb.h"
#include "lplb/topology.h"
#include "support/instance.h"

namespace lplb::testing {

struct NamedCase {
  std::string name;
  int num_experts;
  int num_slots;
  int num_ranks;
  int num_nodes;
  std::string topology;  // empty = placed by EPLB
};

inline const std::vector<NamedCase>& named_cases() {
  static const std::vector<NamedCase> cases = {
      {"256_288_32", 256, 288, 32, 4, ""},           {"256_320_64", 256, 320, 64, 8, ""},
      {"256_512_64", 256, 512, 64, 8, ""},           {"512_1024_128", 512, 1024, 128, 16, ""},
      {"cube_8x2", 256, 272, 8, 1, "cube"},          {"hypercube_16x2", 256, 288, 16, 2, "hypercube"},
      {"torus_8x4x2", 256, 320, 32, 4, "torus:8x4"},
  };
  return cases;
}

/// EPLB over 8 to 1,024 ranks: 8 experts a rank up to 4,096, and one slot more on each rank.
inline NamedCase growth_case(int num_ranks) {
  const int num_experts = std::min(8 * num_ranks, kMaxLogical);
  const int num_slots = num_experts + num_ranks;
  return {"growth_" + std::to_string(num_experts) + "_" + std::to_string(num_slots) + "_" + std::to_string(num_ranks),
          num_experts,
          num_slots,
          num_ranks,
          std::max(1, num_ranks / 8),
          ""};
}

/// One placement and the batches that are solved over it.
struct PlacedBatches {
  Placement placement;
  std::vector<std::vector<Tokens>> batches;  // [num_batches][E]
};

/// Popularity of experts, log-normal with sigma 1, mean about 1. [E]
inline std::vector<double> log_normal_popularity(Rng& rng, int num_experts) {
  std::vector<double> popularity(num_experts);
  for (double& p : popularity) {
    p = std::exp(rng.normal() - 0.5);
  }
  return popularity;
}

/// A batch of about 32,768 tokens a rank: the popularity, disturbed for this batch by a factor that is log-normal with
/// sigma 0.5. [E]
inline std::vector<Tokens> disturbed_batch(Rng& rng, const std::vector<double>& popularity, int num_ranks) {
  const double scale = 32768.0 * num_ranks / static_cast<double>(popularity.size());
  std::vector<Tokens> counts(popularity.size());
  for (std::size_t e = 0; e < counts.size(); ++e) {
    counts[e] = static_cast<Tokens>(scale * popularity[e] * std::exp(0.5 * rng.normal()));
  }
  return counts;
}

inline Placement place_case(const NamedCase& named, const std::vector<Tokens>& history) {
  if (!named.topology.empty()) {
    return place_along_topology(Topology::parse(named.topology),
                                {.num_logical = named.num_experts,
                                 .num_physical = named.num_slots,
                                 .num_ranks = named.num_ranks,
                                 .ranks_per_node = named.num_ranks / named.num_nodes},
                                std::vector<std::int64_t>(history.begin(), history.end()));
  }
  const EplbArgs args{.num_logical = named.num_experts,
                      .num_replicas = named.num_slots,
                      .num_groups = 1,
                      .num_nodes = 1,
                      .num_gpus = named.num_ranks};
  const Placement flat =
      layer_placement(rebalance_experts(std::vector<float>(history.begin(), history.end()), args), 0, args);
  const auto phy2log = flat.phy2log();
  return Placement({phy2log.begin(), phy2log.end()}, named.num_experts, named.num_ranks, named.num_nodes);
}

/// `num_placements` placements, each from a history of its own, with `num_batches` other batches each.
inline std::vector<PlacedBatches> place_and_draw(const NamedCase& named, int num_placements, int num_batches,
                                                 std::uint64_t seed) {
  Rng rng(seed);
  std::vector<PlacedBatches> result;
  for (int i = 0; i < num_placements; ++i) {
    const std::vector<double> popularity = log_normal_popularity(rng, named.num_experts);
    PlacedBatches placed{.placement = place_case(named, disturbed_batch(rng, popularity, named.num_ranks)),
                         .batches = {}};
    for (int b = 0; b < num_batches; ++b) {
      placed.batches.push_back(disturbed_batch(rng, popularity, named.num_ranks));
    }
    result.push_back(std::move(placed));
  }
  return result;
}

}  // namespace lplb::testing
