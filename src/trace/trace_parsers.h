#pragma once

// The file readers on bytes in memory: what read_trace, read_loads and the fuzzers call.

#include <string>
#include <string_view>

#include "lplb/trace_io.h"
#include "trace/array_file.h"

namespace lplb {

/// A matrix [layers, experts] or the long form as counts [steps, layers, experts] or [steps, layers, sources, experts].
/// Throws DataError.
NdArray parse_csv(std::string_view text, const std::string& source);

/// A file's content, `extension` as in ".npz"; `source` (its path) starts each message. Throws DataError.
Trace parse_trace(ByteSpan bytes, std::string_view extension, const std::string& source,
                  const ReadTraceOptions& options = {});
Loads parse_loads(ByteSpan bytes, std::string_view extension, const std::string& source,
                  const ReadTraceOptions& options = {});

}  // namespace lplb
