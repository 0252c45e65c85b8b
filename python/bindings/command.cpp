// The command `lplb`: the same program as the executable.

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "command.h"

namespace nb = nanobind;

namespace lplb::python {

void bind_command(nb::module_& m) {
  using namespace nb::literals;
  m.def("run_command", &cli::run_command, "command_line"_a, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace lplb::python
