#pragma once

// The command `lplb` as a function: the executable and the Python package are two ways to start it.

#include <string>
#include <vector>

namespace lplb::cli {

/// Runs `command_line` (the program's name first) and returns its exit code: 0 done, 2 wrong usage, 3 data, 4 device.
/// Prints to stdout and stderr; does not throw.
int run_command(const std::vector<std::string>& command_line);

}  // namespace lplb::cli
