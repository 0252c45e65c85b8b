// Traces: recorded counts, the files that hold them, and synthetic ones.

#include "lplb/trace.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "arrays.h"
#include "base/check.h"
#include "bindings.h"
#include "lplb/trace_io.h"

namespace lplb::python {
namespace {

int extent(const Array& array, std::size_t axis) { return static_cast<int>(array.shape(axis)); }

/// counts [steps, layers, E] or [steps, layers, S, E].
Trace make_trace(const Array& counts, const std::string& name) {
  check_axes("Trace", "counts", counts, {3, 4});
  const TokensInput tokens("Trace", "counts", counts);
  for (std::size_t i = 0; i < tokens.values().size(); ++i) {
    check(tokens.values()[i] >= 0, "[Trace] counts[", i, "] is ", tokens.values()[i], "; it must not be negative");
  }
  check(counts.size() > 0, "[Trace] counts has the shape ", shape_text(counts), "; it must hold something");
  const bool has_sources = counts.ndim() == 4;
  return {.name = name,
          .num_steps = extent(counts, 0),
          .num_layers = extent(counts, 1),
          .num_sources = has_sources ? extent(counts, 2) : 1,
          .num_experts = extent(counts, counts.ndim() - 1),
          .counts = {tokens.values().begin(), tokens.values().end()}};
}

NumpyArray<const Tokens> counts_view(const Trace& trace) {
  const std::size_t shape[] = {static_cast<std::size_t>(trace.num_steps), static_cast<std::size_t>(trace.num_layers),
                               static_cast<std::size_t>(trace.num_sources),
                               static_cast<std::size_t>(trace.num_experts)};
  return {trace.counts.data(), 4, shape, nb::find(trace)};
}

Trace read(const std::string& path, int tokens_per_step, int num_experts, const std::string& array, bool token_level) {
  const nb::gil_scoped_release unlocked;
  return read_trace(
      path,
      {.tokens_per_step = tokens_per_step, .num_experts = num_experts, .array = array, .token_level = token_level});
}

void write(const Trace& trace, const std::string& path) {
  const nb::gil_scoped_release unlocked;
  write_trace(trace, path);
}

Trace synthesize(int num_steps, int num_layers, int num_sources, int num_experts, int tokens_per_source, double skew,
                 double drift, std::uint64_t seed) {
  const nb::gil_scoped_release unlocked;
  return synthesize_trace({.num_steps = num_steps,
                           .num_layers = num_layers,
                           .num_sources = num_sources,
                           .num_experts = num_experts,
                           .tokens_per_source = tokens_per_source,
                           .skew = skew,
                           .drift = drift,
                           .seed = seed});
}

}  // namespace

void bind_trace(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<Trace>(m, "Trace")
      .def_static("make", &make_trace, "counts"_a, "name"_a)
      .def_ro("name", &Trace::name)
      .def_ro("num_steps", &Trace::num_steps)
      .def_ro("num_layers", &Trace::num_layers)
      .def_ro("num_sources", &Trace::num_sources)
      .def_ro("num_experts", &Trace::num_experts)
      .def("counts", &counts_view);
  m.def("read_trace", &read, "path"_a, "tokens_per_step"_a, "num_experts"_a, "array"_a, "token_level"_a);
  m.def("write_trace", &write, "trace"_a, "path"_a);
  m.def("synthesize_trace", &synthesize, "num_steps"_a, "num_layers"_a, "num_sources"_a, "num_experts"_a,
        "tokens_per_source"_a, "skew"_a, "drift"_a, "seed"_a);
}

}  // namespace lplb::python
