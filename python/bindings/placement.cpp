// Placements: the class, and the files that hold them.

#include "lplb/placement.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>

#include "arrays.h"
#include "bindings.h"
#include "lplb/trace_io.h"

namespace lplb::python {
namespace {

Placement make_placement(const Array& phy2log, int num_logical, int num_ranks, int num_nodes) {
  check_axes("Placement", "phy2log", phy2log, {1});
  const IntegerInput<std::int32_t> slots("Placement", "phy2log", phy2log);
  return {{slots.values().begin(), slots.values().end()}, num_logical, num_ranks, num_nodes};
}

NumpyArray<std::int32_t> log2phy(const Placement& placement) {
  const auto num_logical = static_cast<std::size_t>(placement.num_logical());
  return give(placement.log2phy(), {num_logical, static_cast<std::size_t>(placement.max_replicas())});
}

std::vector<std::tuple<int, int, int>> colocations(const Placement& placement) {
  std::vector<std::tuple<int, int, int>> found;
  for (const Colocation& each : placement.colocations()) {
    found.emplace_back(each.expert, each.rank, each.num_copies);
  }
  return found;
}

std::vector<Placement> read(const std::string& path, int num_ranks, int num_nodes, int num_logical) {
  const nb::gil_scoped_release unlocked;
  return read_placements(path, {.num_ranks = num_ranks, .num_nodes = num_nodes, .num_logical = num_logical});
}

void write(const std::vector<Placement>& layers, const std::string& path, bool sglang) {
  const nb::gil_scoped_release unlocked;
  write_placements(layers, path, sglang ? PlacementForm::kSglang : PlacementForm::kComplete);
}

}  // namespace

void bind_placement(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<Placement>(m, "Placement")
      .def_static("make", &make_placement, "phy2log"_a, "num_logical"_a, "num_ranks"_a, "num_nodes"_a)
      .def_prop_ro("num_logical", &Placement::num_logical)
      .def_prop_ro("num_physical", &Placement::num_physical)
      .def_prop_ro("num_ranks", &Placement::num_ranks)
      .def_prop_ro("num_nodes", &Placement::num_nodes)
      .def_prop_ro("max_replicas", &Placement::max_replicas)
      .def_prop_ro("phy2log", [](const Placement& self) { return view(self, self.phy2log()); })
      .def_prop_ro("logcnt", [](const Placement& self) { return view(self, self.logcnt()); })
      .def("log2phy", &log2phy)
      .def("colocations", &colocations)
      .def(
          "equals", [](const Placement& self, const Placement& other) { return self == other; }, "other"_a);
  m.def("contiguous_placement", &contiguous_placement, "num_logical"_a, "num_ranks"_a, "num_nodes"_a);
  m.def("count_moved_copies", &count_moved_copies, "current"_a, "target"_a);
  m.def("read_placements", &read, "path"_a, "num_ranks"_a, "num_nodes"_a, "num_logical"_a);
  m.def("write_placements", &write, "layers"_a, "path"_a, "sglang"_a);
}

}  // namespace lplb::python
