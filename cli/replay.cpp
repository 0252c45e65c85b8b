// lplb replay: what each strategy would have done on a recorded trace, as a table, JSON and a page.

#include "lplb/replay.h"

#include <cmath>
#include <memory>

#include "lplb/error.h"
#include "lplb/report.h"
#include "output.h"
#include "subcommands.h"
#include "table.h"
#include "text.h"
#include "trace_options.h"

namespace lplb::cli {
namespace {

constexpr const char* kFooter =
    "WHAT IT DOES\n"
    "  At every refresh each strategy computes a placement from the last --window steps alone. The steps that follow,\n"
    "  until the next refresh, are then divided over the copies and measured. Nothing looks ahead.\n"
    "\n"
    "STRATEGIES\n"
    "  none        experts in order, no copies: what you have without balancing\n"
    "  eplb        EPLB placement, every expert divided evenly over its copies\n"
    "  eplb+split  the same placement, every batch divided exactly (the optimum, to the token)\n"
    "  cube, hypercube, torus, ring\n"
    "              LPLB placement along that topology + exact split; a topology smaller than the ranks repeats as\n"
    "              groups; torus is nodes x ranks a node\n"
    "  uniform     copies at random (--seed) + exact split\n"
    "  Also, when named:\n"
    "  optimize    chosen for the exact split over the single steps of the window, starting from the placement "
    "before;\n"
    "              takes --effort, --max-moved and --refresh-if-worth. The slowest: by some 20 to 200 ms a refresh "
    "and\n"
    "              layer on one core. docs/placement.md says how it searches\n"
    "  optimize:5%, optimize:12\n"
    "              the same with at most so many copies moved at a refresh of a layer, whatever --max-moved says\n"
    "  eplb-distinct, eplb-distinct+split\n"
    "              no two copies of an expert on one rank\n"
    "  torus:8x4, ring:8, hypercube:32\n"
    "              any topology in that form\n"
    "\n"
    "EXAMPLE\n"
    "  lplb replay data/moe128.npz --ranks 32 --nodes 4 --redundant 2 --report report.html\n"
    "  imbalance is the largest rank load / the mean rank load, for one step and one layer. 1.00 is perfect; at 1.25\n"
    "  the other ranks wait until the fullest one has done a quarter more than its share.\n"
    "  lplb replay data/moe128.npz --ranks 32 --strategy torus,optimize,optimize:5% --refresh-if-worth 0.001\n"
    "  asks at every refresh whether a new placement gains more than its moves cost, if moving one copy takes as long "
    "as\n"
    "  a thousandth of a balanced step.\n"
    "\n";

struct ReplayOptions {
  std::string trace_path;
  ReadTraceOptions reading;
  ReplayArgs args;
  std::string layers;
  std::string max_moved;
  double cost_per_copy = -1;
  double hysteresis = RefreshPolicy{}.hysteresis;
  std::string report_path;
  std::string command;
  Output output;
};

/// The strategy with the lowest mean imbalance, on a tie the lower p99, then fewer moves; -1 when all were skipped.
int find_best(const ReplayResult& result) {
  int best = -1;
  const auto key = [&](int s) {
    const StrategyResult& strategy = result.strategies[s];
    return std::tuple(strategy.imbalance.mean, strategy.imbalance.p99, strategy.copies_moved);
  };
  for (int s = 0; s < static_cast<int>(result.strategies.size()); ++s) {
    if (result.strategies[s].skipped.empty() && (best < 0 || key(s) < key(best))) {
      best = s;
    }
  }
  return best;
}

std::vector<std::string> make_row(const StrategyResult& s, std::size_t num_layers) {
  if (!s.skipped.empty()) {
    return {s.name, "skipped"};
  }
  const bool splits = s.plan_us.max > 0;
  const bool refreshes = s.num_refreshes > 1;
  return {s.name,
          fmt::format("{:.3f}", s.imbalance.mean),
          fmt::format("{:.3f}", s.imbalance.p50),
          fmt::format("{:.3f}", s.imbalance.p99),
          fmt::format("{:.3f}", s.imbalance.max),
          fmt::format("{:.3f}", s.balancedness.mean),
          splits ? fmt::format("{:.1f}", s.certificate_ranks) : "-",
          s.cross_node_fraction < 0 ? "-" : fmt::format("{:.1f}%", 100 * s.cross_node_fraction),
          refreshes ? fmt::format("{}/{}", s.refreshes_made, (s.num_refreshes - 1) * num_layers) : "-",
          refreshes ? fmt::format("{:.1f}", static_cast<double>(s.copies_moved) / (s.num_refreshes - 1)) : "-",
          splits ? fmt::format("{:.1f}", s.plan_us.p50) : "-",
          splits ? fmt::format("{:.1f}", s.plan_us.p99) : "-"};
}

std::string render_table(const ReplayResult& result, int best) {
  Table table({"strategy", "imbalance\nmean", "\np50", "\np99", "\nworst", "balanced-\nness", "certif.\nranks",
               "across\nnodes", "refreshes\nmade", "copies\nmoved", "plan us\np50", "\np99"});
  for (const StrategyResult& strategy : result.strategies) {
    table.add_row(make_row(strategy, result.layers.size()));
  }
  if (best >= 0) {
    table.mark_row(best);
  }
  return table.render(Output::color());
}

void print_header(const ReplayResult& r, Output& output) {
  output.print("{}: {} steps, {} layers, {} experts, {}; {} token-expert pairs a step and layer\n", r.trace_name,
               r.num_steps, r.num_layers, r.num_experts,
               r.num_sources > 1 ? fmt::format("{} source ranks", r.num_sources) : "no source ranks",
               with_commas(std::llround(r.tokens_per_step)));
  output.print("{} ranks on {} {}, {} redundant {} a rank; placed from {} {}, every {}; judged on {} {} of {} {}\n\n",
               r.num_ranks, r.num_nodes, r.num_nodes == 1 ? "node" : "nodes", r.num_redundant,
               r.num_redundant == 1 ? "slot" : "slots", r.window, r.window == 1 ? "step" : "steps", r.refresh,
               r.judged_steps.size(), r.judged_steps.size() == 1 ? "step" : "steps", r.layers.size(),
               r.layers.size() == 1 ? "layer" : "layers");
}

void print_notes(const ReplayResult& r, int best, Output& output) {
  output.print("\nA row is a strategy, measured on each of {} pairs of a step and a layer.\n",
               with_commas(static_cast<std::int64_t>(r.judged_steps.size() * r.layers.size())));
  output.print_raw(
      "  imbalance      largest rank load / mean rank load; 1 is perfect, worst is the largest of all pairs\n"
      "  balancedness   mean rank load / largest rank load, on average\n"
      "  certif. ranks  size, on average, of the set of ranks that proves the split optimal: tokens that cannot leave\n"
      "                 these ranks / their number, rounded up, is the largest load. Few: a few experts need copies\n"
      "  across nodes   token-expert pairs that leave their node, when the nearest copy with room is served first\n"
      "  refreshes made of a layer, after the first placement, that moved a copy / all\n"
      "  copies moved   expert copies that ranks fetch at a refresh, all layers together, on average\n"
      "  plan us        time of one exact split on one core of this machine, in microseconds\n");
  for (const StrategyResult& s : r.strategies) {
    if (!s.skipped.empty()) {
      output.print("{} skipped: {}\n", s.name, s.skipped);
    }
  }
  if (best >= 0) {
    const StrategyResult& s = r.strategies[best];
    output.print("* lowest mean imbalance: {} ({}). Its worst: {:.3f} at step {}, layer {}, on rank {}.\n", s.name,
                 s.description, s.worst_imbalance, s.worst_step, s.worst_layer, s.worst_rank);
  }
}

void run_replay(ReplayOptions& options) {
  const Trace trace = read_trace(options.trace_path, options.reading);
  if (!options.layers.empty()) {
    options.args.layers = parse_indices("--layers", options.layers);
  }
  if (!options.max_moved.empty()) {
    options.args.optimize.max_moved = parse_move_limit("--max-moved", options.max_moved);
  }
  if (options.cost_per_copy >= 0) {
    options.args.optimize.refresh_policy = {.cost_per_copy = options.cost_per_copy, .hysteresis = options.hysteresis};
  }
  ReplayResult result;
  {
    Progress progress("replay");
    options.args.progress = [&](std::int64_t done, std::int64_t total) { progress.show(done, total); };
    result = replay(trace, options.args);
  }
  const int best = find_best(result);
  print_header(result, options.output);
  options.output.print_raw(render_table(result, best));
  print_notes(result, best, options.output);
  if (!options.report_path.empty()) {
    write_text(options.report_path, replay_to_html(result, options.command));
    options.output.print("Report: {}\n", options.report_path);
  }
  options.output.finish(replay_to_json(result));
}

void add_shape_options(CLI::App& command, ReplayArgs& args) {
  command.add_option("--ranks", args.num_ranks, "EP ranks (GPUs)")->required()->type_name("N");
  command.add_option("--nodes", args.num_nodes, "Nodes; ranks are numbered node by node")
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--redundant", args.num_redundant, "Redundant slots on every rank")
      ->type_name("N")
      ->capture_default_str();
  command
      .add_option("--groups", args.num_groups, "Expert groups for EPLB; a multiple of --nodes makes it hierarchical")
      ->type_name("N")
      ->capture_default_str();
}

void add_optimize_options(CLI::App& command, ReplayOptions& options) {
  constexpr const char* kGroup = "Strategy optimize";
  command.add_option("--effort", options.args.optimize.num_moves, "Moves that a chain of the search tries")
      ->check(CLI::NonNegativeNumber.description(""))
      ->type_name("N")
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--max-moved", options.max_moved,
                  "Copies that a refresh of a layer may move, as a number or a part of the slots. Default: any number")
      ->type_name("N|N%")
      ->group(kGroup);
  CLI::Option* worth =
      command
          .add_option(
              "--refresh-if-worth", options.cost_per_copy,
              "Refresh a layer only where that gains more than its moves cost. COST of moving one copy: its time "
              "/ time of a balanced step")
          ->check(CLI::NonNegativeNumber.description(""))
          ->type_name("COST")
          ->group(kGroup);
  command.add_option("--hysteresis", options.hysteresis, "By which factor the gain must exceed the cost")
      ->check(CLI::Range(1.0, 1e9).description(""))
      ->type_name("N")
      ->capture_default_str()
      ->needs(worth)
      ->group(kGroup);
}

void add_replay_options(CLI::App& command, ReplayOptions& options) {
  ReplayArgs& args = options.args;
  command.add_option("TRACE", options.trace_path, "Recorded expert loads")->required()->type_name("");
  add_shape_options(command, args);
  command.add_option("--strategy", args.strategies, "Strategy to judge; again for more. Default: those above \"Also\"")
      ->type_name("NAME")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--window", args.window, "Steps that a placement is computed from")
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--refresh", args.refresh, "Steps until the next placement")
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--layers", options.layers, "Layers to judge, like 0,3-6. Default: all")->type_name("LIST");
  command.add_option("--seed", args.seed, "Seed of the strategies uniform and optimize")
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--threads", args.num_threads, "Threads; 0 = one per core. Results do not depend on it")
      ->check(CLI::Range(0, 4096).description(""))
      ->type_name("N")
      ->capture_default_str();
  add_optimize_options(command, options);
  command.add_option("--report", options.report_path, "Write a page with charts, one HTML file, to FILE")
      ->type_name("FILE");
  options.output.add_option(command);
  add_trace_options(command, options.reading);
}

}  // namespace

void add_replay(CLI::App& app, const std::vector<std::string>& command_line) {
  CLI::App* command = app.add_subcommand("replay", "Replay a recorded trace under each strategy and compare them");
  const auto options = std::make_shared<ReplayOptions>();
  options->command = shell_command(command_line);
  add_replay_options(*command, *options);
  command->footer(std::string(kFooter) + kTraceFormats);
  command->callback([options] { run_replay(*options); });
}

}  // namespace lplb::cli
