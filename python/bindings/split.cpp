// The split: the graph of a placement, plans, and the check that does not trust the solver.

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <numeric>
#include <utility>

#include "arrays.h"
#include "base/check.h"
#include "bindings.h"
#include "lplb/certificate.h"
#include "lplb/plan.h"
#include "lplb/solve.h"

namespace lplb::python {
namespace {

/// Tokens per expert of counts [E] or [S, E].
std::vector<Tokens> sum_sources(const SplitGraph& graph, const Array& array, std::span<const Tokens> counts) {
  const std::size_t num_logical = graph.num_logical();
  check_axes("split", "counts", array, {1, 2});
  const bool has_sources = array.ndim() == 2;
  check(array.shape(array.ndim() - 1) == num_logical &&
            (!has_sources || array.shape(0) == static_cast<std::size_t>(graph.num_ranks())),
        "[split] counts has the shape ", shape_text(array), "; it must be [", num_logical, " experts] or [",
        graph.num_ranks(), " source ranks, ", num_logical, " experts]");
  std::vector<std::int64_t> sums(num_logical, 0);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    check(counts[i] >= 0, "[split] counts[", i / num_logical, ", ", i % num_logical, "] is ", counts[i],
          "; it must not be negative");
    sums[i % num_logical] += counts[i];
  }
  const auto total = std::accumulate(sums.begin(), sums.end(), std::int64_t{0});
  check(std::in_range<Tokens>(total), "[split] counts add up to ", total, " tokens; that must be below 2^31");
  return {sums.begin(), sums.end()};
}

Plan split_counts(const SplitGraph& graph, const Array& counts, const nb::object& base_load) {
  const TokensInput input("split", "counts", counts);
  std::vector<Tokens> base;
  if (!base_load.is_none()) {
    const TokensInput given("split", "base_load", nb::cast<Array>(base_load));
    base.assign(given.values().begin(), given.values().end());
  }
  // One workspace a thread: threads may split at the same time, and a shape that was seen allocates nothing.
  thread_local SolveWorkspace workspace;
  const nb::gil_scoped_release unlocked;
  Plan plan;
  if (counts.ndim() == 1) {
    solve(graph, input.values(), base, workspace, plan);
  } else {
    solve(graph, sum_sources(graph, counts, input.values()), base, workspace, plan);
  }
  return plan;
}

std::string check_one(const Placement& placement, const Array& counts, const nb::object& base_load,
                      const nb::object& live, const Plan& plan) {
  const TokensInput tokens("check", "counts", counts);
  std::vector<Tokens> base(base_load.is_none() ? 0 : placement.num_ranks(), 0);
  if (!base_load.is_none()) {
    const TokensInput given("check", "base_load", nb::cast<Array>(base_load));
    base.assign(given.values().begin(), given.values().end());
  }
  return check_plan(placement, tokens.values(), base, to_flags("check", "live", live), plan);
}

template <auto Member>
auto member_view() {
  return [](const Plan& self) { return view(self, std::span(std::as_const(self.*Member))); };
}

}  // namespace

void bind_split(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<SplitGraph>(m, "SplitGraph")
      .def_static(
          "make",
          [](const Placement& placement, const nb::object& live) {
            return SplitGraph(placement, to_flags("split", "live", live));
          },
          "placement"_a, "live"_a.none());
  nb::class_<Plan>(m, "Plan")
      .def_prop_ro("quota", member_view<&Plan::quota>())
      .def_prop_ro("rank_load", member_view<&Plan::rank_load>())
      .def_ro("max_load", &Plan::max_load)
      .def_ro("lower_bound", &Plan::lower_bound)
      .def_ro("digest", &Plan::digest)
      .def_prop_ro("status", [](const Plan& self) { return to_string(self.status); })
      .def_prop_ro("bottleneck_ranks", &bottleneck_ranks);
  m.def("split", &split_counts, "graph"_a, "counts"_a, "base_load"_a.none());
  m.def("check_plan", &check_one, "placement"_a, "counts"_a, "base_load"_a.none(), "live"_a.none(), "plan"_a);
  m.def(
      "confined_experts",
      [](const Placement& placement, const std::vector<std::int32_t>& ranks, const nb::object& live) {
        return confined_experts(placement, ranks, to_flags("confined_experts", "live", live));
      },
      "placement"_a, "ranks"_a, "live"_a.none());
}

}  // namespace lplb::python
