// The module lplb._core: a list of its parts.

#include "bindings.h"

NB_MODULE(_core, m) {
  using namespace lplb::python;
  m.doc() = "The C++ library as Python sees it. Private: use the package lplb.";
  bind_errors(m);
  bind_placement(m);
  bind_topology(m);
  bind_policy(m);
  bind_eplb(m);
  bind_split(m);
  bind_routing(m);
  bind_metrics(m);
  bind_trace(m);
  bind_replay(m);
  bind_optimize(m);
  bind_cuda_stages(m);
  bind_cuda_planner(m);
  bind_command(m);
}
