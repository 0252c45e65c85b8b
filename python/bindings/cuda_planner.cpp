// The planner on the GPU: launches, replacements in the order of a stream, and the addresses of what it keeps.

#include "lplb/cuda_planner.h"

#include <nanobind/nanobind.h>

#include "arrays.h"
#include "bindings.h"
#include "device_memory.h"

namespace lplb::python {
namespace {

using cuda::Planner;
using Unlocked = nb::call_guard<nb::gil_scoped_release>;

/// Calls `use` with the routing and the room for its physical ids.
template <class Use>
void with_ids(const Ids& ids, Address physical, Use&& use) {
  with_routing(ids, 0, [&](const auto& routing) { use(routing, physical_span(routing, physical)); });
}

void construct(Planner* self, const Placement& placement, std::int64_t max_ids, int source_rank, bool checks) {
  new (self) Planner(placement, {.max_ids = max_ids, .source_rank = source_rank, .checks = checks});
}

void set_live_ranks(Planner& self, const nb::object& live, Address stream) {
  const std::vector<std::uint8_t> flags = to_flags("set_live_ranks", "live", live);
  const nb::gil_scoped_release unlocked;
  self.set_live_ranks(flags, to_stream(stream));
}

void set_base_load(Planner& self, const Array& base_load, Address stream) {
  const TokensInput tokens("set_base_load", "base_load", base_load);
  const nb::gil_scoped_release unlocked;
  self.set_base_load(tokens.values(), to_stream(stream));
}

void count(Planner& self, const Ids& ids, Address stream) {
  with_routing(ids, 0, [&](const auto& routing) { self.count(routing, to_stream(stream)); });
}

void remap(Planner& self, const Ids& ids, const Memory& source_counts, Address physical, Address stream) {
  with_ids(ids, physical, [&](const auto& routing, const auto& room) {
    self.remap(routing, to_span<const Tokens>(source_counts), room, {}, to_stream(stream));
  });
}

void remap_by_table(Planner& self, const Ids& ids, const Memory& table, Address physical, Address stream) {
  with_ids(ids, physical, [&](const auto& routing, const auto& room) {
    self.remap_by_table(routing, to_span<const Tokens>(table), room, to_stream(stream));
  });
}

void run(Planner& self, const Ids& ids, Address physical, Address stream) {
  with_ids(ids, physical,
           [&](const auto& routing, const auto& room) { self.run(routing, room, {}, to_stream(stream)); });
}

/// Addresses that stay for the life of the planner: quota, rank_load, in_bottleneck, counts, and the summary's words.
nb::dict views(const Planner& self) {
  const cuda::PlanView plan = self.plan_view();
  nb::dict found;
  found["quota"] = to_memory(plan.quota);
  found["rank_load"] = to_memory(plan.rank_load);
  found["in_bottleneck"] = to_memory(plan.in_bottleneck);
  found["counts"] = to_memory(self.counts());
  found["summary"] = Memory{reinterpret_cast<Address>(plan.summary), sizeof(*plan.summary) / sizeof(Tokens)};
  return found;
}

}  // namespace

void bind_cuda_planner(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<Planner>(m, "CudaPlanner")
      .def("__init__", &construct, "placement"_a, "max_ids"_a, "source_rank"_a, "checks"_a, Unlocked())
      .def(
          "set_placement",
          [](Planner& self, const Placement& placement, Address stream) {
            self.set_placement(placement, to_stream(stream));
          },
          "placement"_a, "stream"_a, Unlocked())
      .def("set_live_ranks", &set_live_ranks, "live"_a.none(), "stream"_a)
      .def("set_base_load", &set_base_load, "base_load"_a, "stream"_a)
      .def("count", &count, "ids"_a, "stream"_a)
      .def(
          "plan",
          [](Planner& self, const Memory& counts, Address stream) {
            self.plan(to_span<const Tokens>(counts), to_stream(stream));
          },
          "counts"_a, "stream"_a)
      .def("remap", &remap, "ids"_a, "source_counts"_a, "physical"_a, "stream"_a)
      .def("remap_by_table", &remap_by_table, "ids"_a, "table"_a, "physical"_a, "stream"_a)
      .def("run", &run, "ids"_a, "physical"_a, "stream"_a)
      .def("views", &views)
      .def(
          "read_plan", [](const Planner& self, Address stream) { return self.read_plan(to_stream(stream)); },
          "stream"_a, Unlocked())
      .def(
          "read_status", [](Planner& self, Address stream) { return self.read_status(to_stream(stream)); }, "stream"_a,
          Unlocked());
}

}  // namespace lplb::python
