// Measures of balance and traffic, as plain tuples; the package gives them their names.

#include "lplb/metrics.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/tuple.h>

#include <tuple>

#include "arrays.h"
#include "bindings.h"

namespace lplb::python {
namespace {

std::tuple<double, double, double, double, double> measure(const Array& loads) {
  const TokensInput tokens("Metrics", "loads", loads);
  const Balance found = measure_balance(tokens.values());
  return {found.mean, found.max, found.imbalance, found.balancedness, found.excess};
}

std::tuple<std::int64_t, std::int64_t, std::int64_t> traffic(const Placement& placement, const Array& table) {
  const TokensInput tokens("Metrics", "tokens", table);
  const Traffic found = measure_traffic(placement, tokens.values());
  return {found.total, found.cross_rank, found.cross_node};
}

}  // namespace

void bind_metrics(nb::module_& m) {
  using namespace nb::literals;
  m.def("measure_balance", &measure, "loads"_a);
  m.def("measure_traffic", &traffic, "placement"_a, "tokens"_a);
}

}  // namespace lplb::python
