// Options of every subcommand that reads a trace, loads or a placement.

#include "trace_options.h"

namespace lplb::cli {

void add_trace_options(CLI::App& command, ReadTraceOptions& options) {
  command.add_option("--array", options.array, "Array to read from an .npz that has several")
      ->type_name("NAME")
      ->group("Files");
  command.add_option("--tokens-per-step", options.tokens_per_step, "Token-level files: tokens that make one step")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N")
      ->capture_default_str()
      ->group("Files");
  command.add_option("--experts", options.num_experts, "Token-level files: number of experts; 0 = largest id + 1")
      ->check(CLI::NonNegativeNumber.description(""))
      ->type_name("N")
      ->capture_default_str()
      ->group("Files");
}

void add_placement_options(CLI::App& command, ReadPlacementOptions& options) {
  command.add_option("--ranks", options.num_ranks, "EP ranks, where the file does not say (SGLang's do not)")
      ->check(CLI::Range(1, kMaxRanks).description(""))
      ->type_name("N")
      ->group("Files");
  command.add_option("--nodes", options.num_nodes, "Nodes, where the file does not say")
      ->check(CLI::Range(1, kMaxRanks).description(""))
      ->type_name("N")
      ->group("Files");
}

}  // namespace lplb::cli
