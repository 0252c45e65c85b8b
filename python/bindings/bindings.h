#pragma once

// One function a part of the module lplb._core. Everything here is private to the Python package: python/lplb checks
// devices, wraps what comes back in the caller's kind of array, and is what users see.

#include <nanobind/nanobind.h>

namespace lplb::python {

void bind_errors(nanobind::module_& m);
void bind_placement(nanobind::module_& m);
void bind_topology(nanobind::module_& m);
void bind_policy(nanobind::module_& m);
void bind_eplb(nanobind::module_& m);
void bind_split(nanobind::module_& m);
void bind_routing(nanobind::module_& m);
void bind_metrics(nanobind::module_& m);
void bind_trace(nanobind::module_& m);
void bind_replay(nanobind::module_& m);
void bind_optimize(nanobind::module_& m);
void bind_cuda_stages(nanobind::module_& m);
void bind_cuda_planner(nanobind::module_& m);
void bind_command(nanobind::module_& m);

}  // namespace lplb::python
