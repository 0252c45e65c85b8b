// Placements that know which split will follow. Arguments come as the structs of the C++ interface, so that defaults
// are its own; results go back as tuples, to which the package gives names.

#include "lplb/optimize.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "arrays.h"
#include "base/check.h"
#include "bindings.h"
#include "lplb/cuda_optimize.h"
#include "search.h"

namespace lplb::python {
namespace {

using ByScenario = std::array<double, kNumScenarios>;
using ScoreTuple = std::tuple<double, ByScenario, ByScenario>;
using ResultTuple = std::tuple<Placement, ScoreTuple, std::string, ScoreTuple, double, int, std::int64_t, std::int64_t>;
using RankTuple = std::tuple<int, double>;
using ExpertTuple = std::tuple<int, double, double, int, double>;

ScoreTuple to_tuple(const PlacementScore& score) { return {score.objective, score.imbalance, score.tail_imbalance}; }

PlacementScore to_score(const ScoreTuple& score) {
  return {.objective = std::get<0>(score), .imbalance = std::get<1>(score), .tail_imbalance = std::get<2>(score)};
}

ResultTuple to_tuple(OptimizeResult result) {
  return {std::move(result.placement), to_tuple(result.score), std::move(result.start), to_tuple(result.start_score),
          result.best_start_objective, result.num_moved,       result.num_moves,        result.num_accepted};
}

std::vector<ResultTuple> to_tuples(std::vector<OptimizeResult> results) {
  std::vector<ResultTuple> tuples;
  for (OptimizeResult& result : results) {
    tuples.push_back(to_tuple(std::move(result)));
  }
  return tuples;
}

/// The caller's arguments with what only a call knows: how many experts there are, what is there now, who listens.
OptimizeArgs complete(const OptimizeArgs& args, const Array& window, const Placement* current,
                      decltype(OptimizeArgs::progress) progress) {
  OptimizeArgs completed = args;
  completed.rules.num_logical = static_cast<int>(window.shape(window.ndim() - 1));
  completed.current = current;
  completed.progress = std::move(progress);
  return completed;
}

ResultTuple optimize(const Array& window, const OptimizeArgs& args, const Placement* current,
                     const nb::object& progress) {
  const TokensInput tokens("optimize_placement", "window", window);
  return to_tuple(run_search(progress, [&](auto report) {
    return optimize_placement(tokens.values(), complete(args, window, current, report));
  }));
}

std::vector<ResultTuple> trade_off(const Array& window, const OptimizeArgs& args, const Placement* current,
                                   const std::vector<int>& limits, const nb::object& progress) {
  const TokensInput tokens("optimize_trade_off", "window", window);
  return to_tuples(run_search(progress, [&](auto report) {
    return optimize_trade_off(tokens.values(), complete(args, window, current, report), limits);
  }));
}

std::tuple<std::vector<ResultTuple>, std::vector<int>> layers(const Array& windows, const OptimizeArgs& args,
                                                              const std::vector<Placement>& current, int total_slots,
                                                              const nb::object& progress, std::optional<int> device) {
  const TokensInput tokens("optimize_layers", "windows", windows);
  const int num_layers = static_cast<int>(windows.shape(0));
  LayersResult result = run_search(progress, [&](auto report) {
    const OptimizeArgs completed = complete(args, windows, nullptr, report);
    return device ? cuda::optimize_layers(tokens.values(), num_layers, completed, current, total_slots, *device)
                  : optimize_layers(tokens.values(), num_layers, completed, current, total_slots);
  });
  return {to_tuples(std::move(result.layers)), std::move(result.num_slots)};
}

void check_experts(const char* function, const Array& window, const Placement& placement) {
  check(window.shape(window.ndim() - 1) == static_cast<std::size_t>(placement.num_logical()), "[", function,
        "] window has the shape ", shape_text(window), "; it must be [batches, ", placement.num_logical(), " experts]");
}

ScoreTuple score(const Array& window, const Placement& placement, const OptimizeArgs& args) {
  check_experts("score_placement", window, placement);
  const TokensInput tokens("score_placement", "window", window);
  const OptimizeArgs completed = complete(args, window, nullptr, {});
  const nb::gil_scoped_release unlocked;
  return to_tuple(score_placement(tokens.values(), placement, completed.objective, completed.rules, completed.seed));
}

std::tuple<double, std::vector<RankTuple>, std::vector<ExpertTuple>> limits(const Array& window,
                                                                            const Placement& placement,
                                                                            std::optional<int> most) {
  check_experts("find_limits", window, placement);
  const TokensInput tokens("find_limits", "window", window);
  const nb::gil_scoped_release unlocked;
  const PlacementLimits found =
      most ? find_limits(tokens.values(), placement, *most) : find_limits(tokens.values(), placement);
  std::vector<RankTuple> ranks;
  for (const RankLimit& each : found.ranks) {
    ranks.emplace_back(each.rank, each.frequency);
  }
  std::vector<ExpertTuple> experts;
  for (const ExpertLimit& each : found.experts) {
    experts.emplace_back(each.expert, each.frequency, each.tokens, each.copy_on, each.gain);
  }
  return {found.imbalance, std::move(ranks), std::move(experts)};
}

std::tuple<bool, double, double> decide(const RefreshPolicy& policy, const ScoreTuple& now, const ScoreTuple& then,
                                        int num_moved, int num_batches) {
  const RefreshDecision found = decide_refresh(policy, to_score(now), to_score(then), num_moved, num_batches);
  return {found.refresh, found.gain, found.cost};
}

void bind_arguments(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<PlacementRules>(m, "PlacementRules")
      .def_rw("num_ranks", &PlacementRules::num_ranks)
      .def_rw("num_nodes", &PlacementRules::num_nodes)
      .def_rw("slots_per_rank", &PlacementRules::slots_per_rank)
      .def_rw("copies_within", &PlacementRules::copies_within)
      .def_rw("num_groups", &PlacementRules::num_groups)
      .def(
          "set_slots",
          [](PlacementRules& self, const char* function, const Array& slots) {
            check_axes(function, "slots", slots, {1});
            const IntegerInput<std::int32_t> given(function, "slots", slots);
            self.slots.assign(given.values().begin(), given.values().end());
          },
          "function"_a, "slots"_a)
      .def(
          "set_live",
          [](PlacementRules& self, const char* function, const Array& live) {
            check_axes(function, "live", live, {1});
            self.live = to_flags(function, "live", nb::cast(live));
          },
          "function"_a, "live"_a);
  nb::class_<PlacementObjective>(m, "PlacementObjective")
      .def_rw("weight", &PlacementObjective::weight)
      .def_rw("floor", &PlacementObjective::floor)
      .def_rw("linear", &PlacementObjective::linear)
      .def_rw("tail", &PlacementObjective::tail)
      .def_rw("move_price", &PlacementObjective::move_price);
  nb::class_<OptimizeArgs>(m, "OptimizeArgs")
      .def(nb::init<>())
      .def_rw("rules", &OptimizeArgs::rules)
      .def_rw("objective", &OptimizeArgs::objective)
      .def_rw("max_moved", &OptimizeArgs::max_moved)
      .def_rw("num_moves", &OptimizeArgs::num_moves)
      .def_rw("num_chains", &OptimizeArgs::num_chains)
      .def_rw("time_limit_s", &OptimizeArgs::time_limit_s)
      .def_rw("seed", &OptimizeArgs::seed)
      .def_rw("num_threads", &OptimizeArgs::num_threads);
  nb::class_<RefreshPolicy>(m, "RefreshPolicy")
      .def(nb::init<>())
      .def_rw("cost_per_copy", &RefreshPolicy::cost_per_copy)
      .def_rw("hysteresis", &RefreshPolicy::hysteresis)
      .def_rw("least_gain", &RefreshPolicy::least_gain);
}

}  // namespace

void bind_optimize(nb::module_& m) {
  using namespace nb::literals;
  bind_arguments(m);
  m.def("optimize_placement", &optimize, "window"_a, "args"_a, "current"_a.none(), "progress"_a.none());
  m.def("optimize_trade_off", &trade_off, "window"_a, "args"_a, "current"_a, "limits"_a, "progress"_a.none());
  m.def("optimize_layers", &layers, "windows"_a, "args"_a, "current"_a, "total_slots"_a, "progress"_a.none(),
        "device"_a.none());
  m.def("score_placement", &score, "window"_a, "placement"_a, "args"_a);
  m.def("find_limits", &limits, "window"_a, "placement"_a, "most"_a.none());
  m.def("decide_refresh", &decide, "policy"_a, "now"_a, "then"_a, "num_moved"_a, "num_batches"_a);
}

}  // namespace lplb::python
