// Placement policies by name.

#include "lplb/policy.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"

namespace lplb::python {
namespace {

Placement place(std::string_view policy, const Array& load, int num_physical, int num_ranks, int num_nodes,
                int num_groups, std::uint64_t seed) {
  check_axes("place", "load", load, {1});
  const std::vector<double> history = to_reals<double>("place", "load", load);
  const PolicyArgs args{.num_logical = static_cast<int>(history.size()),
                        .num_physical = num_physical,
                        .num_ranks = num_ranks,
                        .num_nodes = num_nodes,
                        .num_groups = num_groups,
                        .seed = seed};
  const nb::gil_scoped_release unlocked;
  return place_layer(policy, args, history);
}

}  // namespace

void bind_policy(nb::module_& m) {
  using namespace nb::literals;
  m.def("policy_names", &policy_names);
  m.def("place", &place, "policy"_a, "load"_a, "num_physical"_a, "num_ranks"_a, "num_nodes"_a, "num_groups"_a,
        "seed"_a);
}

}  // namespace lplb::python
