// EPLB's three functions, with int64 arrays as the reference returns them.

#include "lplb/eplb.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>

#include "arrays.h"
#include "bindings.h"

namespace lplb::python {
namespace {

using Maps = NumpyArray<std::int64_t>;

/// The weights [L, n] as float, which is what the reference computes in.
struct Weights {
  Weights(const char* function, const Array& array) : values(to_reals<float>(function, "weight", array)) {
    check_axes(function, "weight", array, {2});
    num_layers = array.shape(0);
    num_items = array.shape(1);
  }
  std::vector<float> values;
  std::size_t num_layers = 0;
  std::size_t num_items = 0;
};

Maps widen(const std::vector<std::int32_t>& values, std::initializer_list<std::size_t> shape) {
  return give(std::vector<std::int64_t>(values.begin(), values.end()), shape);
}

EplbArgs make_args(const Weights& weight, int num_replicas, int num_groups, int num_nodes, int num_gpus, bool distinct,
                   int num_threads) {
  return {.num_layers = static_cast<int>(weight.num_layers),
          .num_logical = static_cast<int>(weight.num_items),
          .num_replicas = num_replicas,
          .num_groups = num_groups,
          .num_nodes = num_nodes,
          .num_gpus = num_gpus,
          .distinct = distinct,
          .num_threads = num_threads};
}

std::tuple<Maps, Maps, Maps> rebalance(const Array& array, int num_replicas, int num_groups, int num_nodes,
                                       int num_gpus, bool distinct, int num_threads) {
  const Weights weight("rebalance_experts", array);
  const EplbArgs args = make_args(weight, num_replicas, num_groups, num_nodes, num_gpus, distinct, num_threads);
  const EplbResult found = [&] {
    const nb::gil_scoped_release unlocked;
    return rebalance_experts(weight.values, args);
  }();
  return {widen(found.phy2log, {weight.num_layers, static_cast<std::size_t>(found.num_physical)}),
          widen(found.log2phy, {weight.num_layers, weight.num_items, static_cast<std::size_t>(found.max_replicas)}),
          widen(found.logcnt, {weight.num_layers, weight.num_items})};
}

std::vector<Placement> place_layers(const Array& array, int num_replicas, int num_groups, int num_nodes, int num_gpus,
                                    bool distinct, int num_threads) {
  const Weights weight("rebalance_experts", array);
  const EplbArgs args = make_args(weight, num_replicas, num_groups, num_nodes, num_gpus, distinct, num_threads);
  const nb::gil_scoped_release unlocked;
  const EplbResult found = rebalance_experts(weight.values, args);
  std::vector<Placement> layers;
  for (int layer = 0; layer < found.num_layers; ++layer) {
    layers.push_back(layer_placement(found, layer, args));
  }
  return layers;
}

std::tuple<Maps, Maps> pack(const Array& array, int num_packs) {
  const Weights weight("balanced_packing", array);
  const PackingResult found = [&] {
    const nb::gil_scoped_release unlocked;
    return balanced_packing(weight.values, static_cast<int>(weight.num_layers), static_cast<int>(weight.num_items),
                            num_packs);
  }();
  return {widen(found.pack_index, {weight.num_layers, weight.num_items}),
          widen(found.rank_in_pack, {weight.num_layers, weight.num_items})};
}

std::tuple<Maps, Maps, Maps> replicate(const Array& array, int num_physical) {
  const Weights weight("replicate_experts", array);
  const ReplicationResult found = [&] {
    const nb::gil_scoped_release unlocked;
    return replicate_experts(weight.values, static_cast<int>(weight.num_layers), static_cast<int>(weight.num_items),
                             num_physical);
  }();
  const std::size_t num_slots = weight.num_layers == 0 ? 0 : found.phy2log.size() / weight.num_layers;
  return {widen(found.phy2log, {weight.num_layers, num_slots}), widen(found.rank, {weight.num_layers, num_slots}),
          widen(found.logcnt, {weight.num_layers, weight.num_items})};
}

}  // namespace

void bind_eplb(nb::module_& m) {
  using namespace nb::literals;
  m.def("rebalance_experts", &rebalance, "weight"_a, "num_replicas"_a, "num_groups"_a, "num_nodes"_a, "num_gpus"_a,
        "distinct"_a, "num_threads"_a);
  m.def("place_layers", &place_layers, "weight"_a, "num_replicas"_a, "num_groups"_a, "num_nodes"_a, "num_gpus"_a,
        "distinct"_a, "num_threads"_a);
  m.def("balanced_packing", &pack, "weight"_a, "num_packs"_a);
  m.def("replicate_experts", &replicate, "weight"_a, "num_physical"_a);
}

}  // namespace lplb::python
