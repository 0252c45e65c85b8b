// The library's exceptions in Python: all are lplb.Error, and a caller's fault is a ValueError as well.

#include <nanobind/nanobind.h>

#include "bindings.h"
#include "lplb/error.h"

namespace nb = nanobind;

namespace lplb::python {

void bind_errors(nb::module_& m) {
  // The translator of a derived type must be asked first, and the last one registered is.
  const nb::exception<Error> error(m, "Error");
  const nb::object value_error = nb::make_tuple(error, nb::handle(PyExc_ValueError));
  const nb::object runtime_error = nb::make_tuple(error, nb::handle(PyExc_RuntimeError));
  nb::exception<InvalidArgument>(m, "InvalidArgument", value_error);
  nb::exception<DataError>(m, "DataError", runtime_error);
  nb::exception<CudaError>(m, "CudaError", runtime_error);
}

}  // namespace lplb::python
