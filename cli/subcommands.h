#pragma once

// One function a subcommand: each adds its options, its help and what it does.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace lplb::cli {

/// `command_line` is what the user typed; the report shows it.
void add_replay(CLI::App& app, const std::vector<std::string>& command_line);
void add_bench(CLI::App& app);
void add_place(CLI::App& app);
void add_split(CLI::App& app);
void add_topology(CLI::App& app);
void add_trace(CLI::App& app);
void add_verify(CLI::App& app);

}  // namespace lplb::cli
