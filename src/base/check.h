#pragma once

// Building the messages of InvalidArgument: check(ok, "[function] text ", value, " more text").

#include <sstream>
#include <string>

#include "lplb/error.h"

namespace lplb {

/// "[function] ..." from parts that an ostream takes.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Throws InvalidArgument with the concatenated parts unless `ok`. The message is only built on failure.
template <class... Parts>
void check(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]] {
    throw InvalidArgument(concat(parts...));
  }
}

}  // namespace lplb
