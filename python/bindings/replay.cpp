// Replay of a trace, and the pages made of what it found.

#include "lplb/replay.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"
#include "lplb/report.h"

namespace lplb::python {
namespace {

ReplayResult run(const Trace& trace, int num_ranks, int num_nodes, int num_redundant, int window, int refresh,
                 int num_groups, const std::vector<std::string>& strategies, const std::vector<int>& layers,
                 std::uint64_t seed, int num_threads) {
  const nb::gil_scoped_release unlocked;
  return replay(trace, {.num_ranks = num_ranks,
                        .num_nodes = num_nodes,
                        .num_redundant = num_redundant,
                        .window = window,
                        .refresh = refresh,
                        .num_groups = num_groups,
                        .strategies = strategies,
                        .layers = layers,
                        .seed = seed,
                        .num_threads = num_threads});
}

}  // namespace

void bind_replay(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<Distribution>(m, "Distribution")
      .def_ro("mean", &Distribution::mean)
      .def_ro("p50", &Distribution::p50)
      .def_ro("p99", &Distribution::p99)
      .def_ro("max", &Distribution::max);
  nb::class_<StrategyResult>(m, "StrategyResult")
      .def_ro("name", &StrategyResult::name)
      .def_ro("description", &StrategyResult::description)
      .def_ro("skipped", &StrategyResult::skipped)
      .def_ro("imbalance", &StrategyResult::imbalance)
      .def_ro("balancedness", &StrategyResult::balancedness)
      .def_ro("certificate_ranks", &StrategyResult::certificate_ranks)
      .def_ro("cross_rank_fraction", &StrategyResult::cross_rank_fraction)
      .def_ro("cross_node_fraction", &StrategyResult::cross_node_fraction)
      .def_ro("copies_moved", &StrategyResult::copies_moved)
      .def_ro("num_refreshes", &StrategyResult::num_refreshes)
      .def_ro("refreshes_made", &StrategyResult::refreshes_made)
      .def_ro("plan_us", &StrategyResult::plan_us)
      .def_ro("place_us", &StrategyResult::place_us)
      .def_ro("step_imbalance", &StrategyResult::step_imbalance)
      .def_ro("layer_imbalance", &StrategyResult::layer_imbalance);
  nb::class_<ReplayResult>(m, "ReplayResult")
      .def_ro("strategies", &ReplayResult::strategies)
      .def("to_json", &replay_to_json)
      .def("to_html", &replay_to_html, "command"_a);
  m.def("replay", &run, "trace"_a, "num_ranks"_a, "num_nodes"_a, "num_redundant"_a, "window"_a, "refresh"_a,
        "num_groups"_a, "strategies"_a, "layers"_a, "seed"_a, "num_threads"_a);
}

}  // namespace lplb::python
