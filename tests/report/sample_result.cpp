// Loads are 1 + a lasting part + a part that changes every step, both from a small hash, so that the pictures look like
// those of a recorded trace and are the same on every machine. All measures are computed from the loads as defined.

#include "report/sample_result.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace lplb::test {
namespace {

constexpr int kRanks = 32;
constexpr int kLayers = 7;
constexpr int kSteps = 32;
constexpr int kHeatLayer = 5;

struct Character {
  const char* name;
  const char* description;
  double lasting;  // spread of the part that stays
  double noise;    // spread of the part that changes
  double certificate_ranks;
  double plan_us;
  double place_us;
  int copies_moved;
};

constexpr Character kCharacters[] = {
    {"none", "Experts in order, no copies; every token goes to the one copy of its expert.", .55, .18, 0, 0, 0, 0},
    {"eplb", "EPLB's placement; the tokens of an expert divide evenly among its copies.", .09, .17, 0, 0, 96.4, 1318},
    {"eplb+split", "EPLB's placement with the exact split of each batch over the copies.", .004, .02, 5.8, 41.7, 96.4,
     1318},
    {"cube", "Groups of 8 ranks joined as a cube; the heaviest experts copied along its edges, exact split.", .02, .045,
     3.1, 22.9, 18.2, 1402},
    {"hypercube", "Groups of 16 ranks joined as a hypercube; exact split.", .012, .03, 4.6, 27.3, 18.9, 1411},
    {"torus", "One torus of 8 x 4 ranks; exact split.", .006, .022, 7.9, 35.2, 19.5, 1396},
    {"ring", "Groups of 8 ranks in a ring, one copy a rank and direction; exact split.", .03, .055, 2.4, 19.8, 17.7,
     1377},
    {"uniform", "Copies chosen at random with a seed; exact split.", .035, .03, 6.3, 38.1, 12.6, 1734},
    {"optimize", "Chosen for the split over the window's batches; exact split.", .002, .019, 8.8, 36.5, 81234.5, 961},
};

/// About normal, mean 0 and deviation 1, from a mixed integer.
double hash_normal(std::uint64_t key) {
  double sum = 0;
  for (int i = 0; i < 12; ++i) {
    key += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    sum += static_cast<double>((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
  }
  return sum - 6;
}

/// Loads of the ranks relative to their mean.
std::vector<double> rank_loads(const Character& c, int seed, int step, int layer) {
  std::vector<double> loads(kRanks);
  for (int rank = 0; rank < kRanks; ++rank) {
    const auto place = static_cast<std::uint64_t>((seed * kLayers + layer) * kRanks + rank);
    const double depth = 0.7 + 0.1 * layer;
    const double stale = 1 + 0.12 * (step % 8);
    const double z = c.lasting * depth * hash_normal(place) + c.noise * stale * hash_normal(place * 4099 + 131 * step);
    loads[rank] = std::exp(z);
  }
  const double mean = std::accumulate(loads.begin(), loads.end(), 0.0) / kRanks;
  for (double& load : loads) {
    load /= mean;
  }
  return loads;
}

Distribution distribution(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return {
      .mean = mean, .p50 = values[values.size() / 2], .p99 = values[values.size() * 99 / 100], .max = values.back()};
}

Distribution times(double us) { return us == 0 ? Distribution{} : Distribution{us * 1.06, us, us * 1.71, us * 2.9}; }

void measure(const Character& c, int seed, StrategyResult& s) {
  std::vector<double> imbalances;
  std::vector<double> balances;
  s.step_imbalance.assign(kSteps, 0);
  s.layer_imbalance.assign(kLayers, 0);
  for (int step = 0; step < kSteps; ++step) {
    for (int layer = 0; layer < kLayers; ++layer) {
      const std::vector<double> loads = rank_loads(c, seed, step, layer);
      const auto top = std::max_element(loads.begin(), loads.end());
      imbalances.push_back(*top);
      balances.push_back(1 / *top);
      s.step_imbalance[step] += *top / kLayers;
      s.layer_imbalance[layer] += *top / kSteps;
      if (*top > s.worst_imbalance) {
        s.worst_imbalance = *top;
        s.worst_step = step + 8;
        s.worst_layer = layer;
        s.worst_rank = static_cast<int>(top - loads.begin());
      }
      if (layer == kHeatLayer) {
        s.rank_load.insert(s.rank_load.end(), loads.begin(), loads.end());
      }
    }
  }
  s.imbalance = distribution(imbalances);
  s.balancedness = distribution(balances);
}

StrategyResult skipped(const std::string& name, const std::string& reason) {
  StrategyResult s;
  s.name = name;
  s.skipped = reason;
  return s;
}

}  // namespace

ReplayResult sample_result() {
  ReplayResult result;
  result.trace_name = "moe128/prefill_mixed";
  result.num_steps = 40;
  result.num_layers = kLayers;
  result.num_experts = 128;
  result.num_sources = 32;
  result.tokens_per_step = 524288;
  result.num_ranks = kRanks;
  result.num_nodes = 4;
  result.num_redundant = 2;
  result.window = 8;
  result.refresh = 8;
  result.heatmap_layer = kHeatLayer;
  result.layers.resize(kLayers);
  std::iota(result.layers.begin(), result.layers.end(), 0);
  result.judged_steps.resize(kSteps);
  std::iota(result.judged_steps.begin(), result.judged_steps.end(), 8);
  for (const Character& c : kCharacters) {
    StrategyResult s;
    s.name = c.name;
    s.description = c.description;
    const int seed = static_cast<int>(result.strategies.size());
    measure(c, seed, s);
    s.certificate_ranks = c.certificate_ranks;
    s.cross_rank_fraction = 0.968 - 0.0061 * seed;
    s.cross_node_fraction = 0.751 - 0.0093 * seed;
    s.copies_moved = c.copies_moved;
    s.num_refreshes = 4;
    s.refreshes_made = c.copies_moved > 0 ? 21 : 0;
    s.plan_us = times(c.plan_us);
    s.place_us = times(c.place_us);
    result.strategies.push_back(s);
  }
  result.strategies.back().limits = {.imbalance = 1.021,
                                     .ranks = {{7, 0.9}, {12, 0.6}, {30, 0.25}},
                                     .experts = {{101, 0.75, 0.125, 3, 0.0123}, {4, 0.5, 0.0625, 19, 0.0045}}};
  return result;
}

ReplayResult hostile_result() {
  ReplayResult result = sample_result();
  result.trace_name = "</script><script>document.title='broken'</script><!--<b>\xff\"\\";
  result.num_sources = 1;
  result.seed = 18446744073709551615ULL;
  for (StrategyResult& s : result.strategies) {
    s.cross_rank_fraction = -1;
    s.cross_node_fraction = -1;
    s.description = "<img src=x onerror=\"document.title='broken'\"> {{data}}";
    if (s.name == "cube" || s.name == "hypercube") {
      s = skipped(s.name, "a " + s.name + " <b>needs</b> a multiple of its ranks");
    }
  }
  return result;
}

ReplayResult empty_result() {
  ReplayResult result = sample_result();
  for (StrategyResult& s : result.strategies) {
    s = skipped(s.name, "does not apply");
  }
  return result;
}

}  // namespace lplb::test
