// Topologies, and LPLB's placement along them.

#include "lplb/topology.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>

#include "arrays.h"
#include "bindings.h"

namespace lplb::python {
namespace {

std::size_t rows(const Topology& topology) { return topology.group_size(); }
std::size_t columns(const Topology& topology) { return topology.num_redundants(); }

Topology from_r2o(const Array& r2o, const std::string& name) {
  check_axes("Topology.from_r2o", "r2o", r2o, {2});
  const IntegerInput<std::int32_t> ranks("Topology.from_r2o", "r2o", r2o);
  return Topology::from_r2o({ranks.values().begin(), ranks.values().end()}, static_cast<int>(r2o.shape(0)),
                            static_cast<int>(r2o.shape(1)), name);
}

NumpyArray<std::int32_t> matrix(const Topology& self) {
  return give(std::vector<std::int32_t>(self.r2o().begin(), self.r2o().end()), {rows(self), columns(self)});
}

std::tuple<Topology, int, std::string> recommend(int num_ranks, int num_nodes, int num_redundants) {
  auto found = recommend_topology(num_ranks, num_nodes, num_redundants);
  return {std::move(found.topology), found.num_groups, std::move(found.reason)};
}

Placement place(const Topology& topology, const nb::object& workload, int num_logical, int num_physical, int num_ranks,
                int ranks_per_node) {
  const TopologyPlacementArgs args{.num_logical = num_logical,
                                   .num_physical = num_physical,
                                   .num_ranks = num_ranks,
                                   .ranks_per_node = ranks_per_node};
  if (workload.is_none()) {
    return place_along_topology(topology, args, {});
  }
  const IntegerInput<std::int64_t> history("place_along_topology", "workload", nb::cast<Array>(workload));
  const nb::gil_scoped_release unlocked;
  return place_along_topology(topology, args, history.values());
}

NumpyArray<std::int32_t> original_first(const Placement& placement, int num_local) {
  return give(original_first_log2phy(placement, num_local), {static_cast<std::size_t>(placement.num_logical()), 2});
}

}  // namespace

void bind_topology(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<Topology>(m, "Topology")
      .def_static("cube", &Topology::cube)
      .def_static("hypercube", &Topology::hypercube, "num_ranks"_a)
      .def_static("torus", &Topology::torus, "m"_a, "n"_a)
      .def_static("ring", &Topology::ring, "n"_a)
      .def_static("parse", &Topology::parse, "text"_a)
      .def_static("from_r2o", &from_r2o, "r2o"_a, "name"_a)
      .def_prop_ro("name", &Topology::name)
      .def_prop_ro("group_size", &Topology::group_size)
      .def_prop_ro("num_redundants", &Topology::num_redundants)
      .def("r2o", &matrix)
      .def("o2r",
           [](const Topology& self) {
             return give(self.o2r(), {rows(self), columns(self)});
           })
      .def("first_columns", &Topology::first_columns, "num_columns"_a)
      .def("neighbours", &Topology::neighbours, "rank"_a)
      .def("degrees", &Topology::degrees)
      .def("connected", &Topology::connected)
      .def("diameter", &Topology::diameter)
      .def("num_cross_node_edges", &Topology::num_cross_node_edges, "ranks_per_node"_a);
  m.def("recommend_topology", &recommend, "num_ranks"_a, "num_nodes"_a, "num_redundants"_a);
  m.def("place_along_topology", &place, "topology"_a, "workload"_a.none(), "num_logical"_a, "num_physical"_a,
        "num_ranks"_a, "ranks_per_node"_a);
  m.def("original_first_log2phy", &original_first, "placement"_a, "num_local"_a);
}

}  // namespace lplb::python
