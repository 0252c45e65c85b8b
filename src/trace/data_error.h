#pragma once

// Errors about a file: one sentence that starts with the file's path.

#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/check.h"
#include "lplb/error.h"

namespace lplb {

/// Throws DataError "<source>: <parts>".
template <class... Parts>
[[noreturn]] void fail_data(const std::string& source, const Parts&... parts) {
  throw DataError(concat(source, ": ", parts...));
}

/// The same unless `ok`. The parts are evaluated in any case: where there is one check a value and a part costs
/// something, ask first and call fail_data.
template <class... Parts>
void check_data(bool ok, const std::string& source, const Parts&... parts) {
  if (!ok) [[unlikely]] {
    fail_data(source, parts...);
  }
}

/// Text taken from a file, made fit to stand in a message: cut to 60 bytes, control characters and quotes replaced.
inline std::string printable(std::string_view text) {
  constexpr std::size_t kMaxLength = 60;
  std::string result(text.substr(0, kMaxLength));
  for (char& c : result) {
    if (c < ' ' || c > '~' || c == '"') {
      c = '?';
    }
  }
  return text.size() > kMaxLength ? result + "..." : result;
}

/// body(), with running out of memory, and any other exception of the standard library, told as a DataError.
template <class Body>
auto with_data_errors(const std::string& source, Body&& body) {
  try {
    return body();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw DataError(source + ": there is not enough memory to read it");
  } catch (const std::exception& error) {
    throw DataError(source + ": it cannot be read (" + error.what() + ")");
  }
}

}  // namespace lplb
