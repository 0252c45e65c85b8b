// lplb bench placement: how good the placements of "optimize" are beside all other strategies, over a suite of traces.

#include <algorithm>
#include <memory>

#include "lplb/error.h"
#include "lplb/placement_bench.h"
#include "lplb/trace_io.h"
#include "output.h"
#include "subcommands.h"
#include "table.h"
#include "text.h"

namespace lplb::cli {
namespace {

constexpr const char* kBundledTrace = "data/moe128.npz";
constexpr double kLeastGain = 0.002;  // of a free choice, for which a part of it means something

constexpr const char* kFooter =
    "WHAT IT DOES\n"
    "  For each trace, number of ranks (those that divide its experts) and of redundant slots a rank, every strategy "
    "of\n"
    "  lplb replay is replayed: placed from the last --window steps, judged on the --refresh steps that follow. A "
    "number\n"
    "  is the mean imbalance (largest rank load / mean rank load) over these steps and all layers; 1 is perfect.\n"
    "\n"
    "WHAT IT PRINTS\n"
    "  vs best      imbalance of optimize / that of the best other strategy in the row\n"
    "  limit        what that ratio should keep to: 1.005, and 1.015 where the trace changes to what the past has not\n"
    "               shown; \"yes\" or \"NO\" says whether it does\n"
    "  geometric mean over the rows of (imbalance - 1 + 0.002) for each strategy, of optimize over the same rows, and "
    "the\n"
    "               ratio of the two; \"*\" marks the best single other strategy of those that apply everywhere\n"
    "  second table on traces that drift: imbalance when the first placement stays, with a limit on the copies that a\n"
    "               refresh of a layer moves (--max-moved), and with a free choice; which part of the gain of a free "
    "choice\n"
    "               the limit keeps; and the copies that either moves, in percent of the slots\n"
    "\n"
    "SUITE\n"
    "  A JSON file that lists traces; benchmarks/placement_suite.json is one, and docs/placement.md explains its "
    "fields.\n"
    "  Default: data/moe128.npz alone, as found from the root of the repository.\n"
    "\n"
    "EXAMPLE\n"
    "  lplb bench placement --ranks 32 --copies 2\n"
    "  lplb bench placement benchmarks/placement_suite.json --traces ../shared/traces --json placement.json\n";

struct BenchOptions {
  std::string suite_path;
  std::string traces_folder;
  PlacementBenchArgs args;
  Output output;
};

std::vector<SuiteTrace> read_suite(const BenchOptions& options) {
  if (!options.suite_path.empty()) {
    return read_trace_suite(options.suite_path, options.traces_folder);
  }
  if (!options.traces_folder.empty()) {
    throw InvalidArgument("--traces is where the files of a SUITE are; give one");
  }
  return {{.trace = regroup_sources(read_trace(kBundledTrace), 1), .changes = true, .drifts = true}};
}

std::string shape_text(const std::string& trace, int num_ranks, int num_copies) {
  return fmt::format("{}, {} + {}", trace, num_ranks, num_copies);
}

void print_cells(const PlacementBench& bench, Output& output) {
  std::vector<std::string> headers = {"trace, ranks + copies a rank"};
  for (const std::string& strategy : bench.strategies) {
    const std::size_t cut = strategy.find('+');
    headers.push_back(strategy == "eplb-distinct+split" ? "distinct\n+split"
                      : cut == strategy.npos            ? strategy
                                                        : strategy.substr(0, cut) + "\n" + strategy.substr(cut));
  }
  headers.insert(headers.end(), {"vs\nbest", "limit", "holds"});
  Table table(headers);
  for (const BenchCell& cell : bench.cells) {
    std::vector<std::string> row = {shape_text(cell.trace, cell.num_ranks, cell.num_copies)};
    for (const double imbalance : cell.imbalance) {
      row.push_back(imbalance > 0 ? fmt::format("{:.3f}", imbalance) : "-");
    }
    row.push_back(fmt::format("{:.4f}", cell.ratio));
    row.push_back(fmt::format("{:.3f}", cell.limit));
    row.emplace_back(cell.holds() ? "yes" : "NO");
    table.add_row(row);
  }
  output.print_raw(table.render(false));
}

std::int64_t count_held(const PlacementBench& bench) {
  return std::ranges::count_if(bench.cells, [](const BenchCell& cell) { return cell.holds(); });
}

void print_means(const PlacementBench& bench, Output& output) {
  output.print("\nThe limit holds in {} of {} rows.\n\n", count_held(bench), bench.cells.size());
  Table table({"geometric mean of (imbalance - 1 + 0.002)", "rows", "mean", "optimize", "ratio"});
  for (std::size_t s = 0; s + 1 < bench.strategies.size(); ++s) {
    const BenchMean& mean = bench.means[s];
    if (mean.num_cells > 0) {
      table.add_row({bench.strategies[s], std::to_string(mean.num_cells), fmt::format("{:.4f}", mean.mean),
                     fmt::format("{:.4f}", mean.optimize), fmt::format("{:.3f}", mean.optimize / mean.mean)});
      if (static_cast<int>(s) == bench.best_single) {
        table.mark_row(table.num_rows() - 1);
      }
    }
  }
  output.print_raw(table.render(Output::color()));
}

std::vector<std::string> move_row(const std::string& name, const MoveCell& cell) {
  const auto percent = [](double part) { return fmt::format("{:.1f}%", 100 * part); };
  return {name,
          fmt::format("{:.3f}", cell.stay),
          fmt::format("{:.3f}", cell.limited),
          fmt::format("{:.3f}", cell.free),
          cell.stay - cell.free < kLeastGain ? "-" : fmt::format("{:.0f}%", 100 * gain_kept(cell)),
          percent(cell.limited_moved),
          percent(cell.free_moved)};
}

void print_moves(const PlacementBench& bench, Output& output) {
  if (bench.moves.empty()) {
    return;
  }
  const std::string limit = "at most\n" + bench.max_moved;
  Table table({"traces that drift, ranks + copies a rank", "first\nstays", limit, "free\nchoice", "gain\nkept",
               "moved,\n" + bench.max_moved, "moved,\nfree"});
  for (const MoveCell& cell : bench.moves) {
    table.add_row(move_row(shape_text(cell.trace, cell.num_ranks, cell.num_copies), cell));
  }
  table.add_row(move_row("mean", bench.all_moves));
  output.print("\n");
  output.print_raw(table.render(false));
}

Json cells_to_json(const PlacementBench& bench) {
  Json cells = Json::array();
  for (const BenchCell& cell : bench.cells) {
    Json imbalance = Json::object();
    for (std::size_t s = 0; s < bench.strategies.size(); ++s) {
      imbalance[bench.strategies[s]] = cell.imbalance[s] > 0 ? Json(cell.imbalance[s]) : Json(nullptr);
    }
    cells.push_back({{"trace", cell.trace},
                     {"changes", cell.changes},
                     {"ranks", cell.num_ranks},
                     {"copies", cell.num_copies},
                     {"imbalance", std::move(imbalance)},
                     {"best_other", bench.strategies[cell.best_other]},
                     {"ratio", cell.ratio},
                     {"limit", cell.limit},
                     {"holds", cell.holds()}});
  }
  return cells;
}

Json move_to_json(const MoveCell& cell) {
  return {{"trace", cell.trace},
          {"ranks", cell.num_ranks},
          {"copies", cell.num_copies},
          {"stay", cell.stay},
          {"limited", cell.limited},
          {"free", cell.free},
          {"gain_kept", cell.stay - cell.free < kLeastGain ? Json(nullptr) : Json(gain_kept(cell))},
          {"limited_moved", cell.limited_moved},
          {"free_moved", cell.free_moved}};
}

Json to_json(const BenchOptions& options, const PlacementBench& bench) {
  Json means = Json::array();
  for (std::size_t s = 0; s < bench.strategies.size(); ++s) {
    const BenchMean& mean = bench.means[s];
    means.push_back({{"strategy", bench.strategies[s]},
                     {"cells", mean.num_cells},
                     {"mean", mean.mean},
                     {"optimize", mean.optimize}});
  }
  Json moves = Json::array();
  for (const MoveCell& cell : bench.moves) {
    moves.push_back(move_to_json(cell));
  }
  const PlacementBenchArgs& args = options.args;
  const BenchMean* best = bench.best_single < 0 ? nullptr : &bench.means[bench.best_single];
  return {{"config",
           {{"window", args.window},
            {"refresh", args.refresh},
            {"effort", args.optimize.num_moves},
            {"max_moved", args.max_moved},
            {"seed", args.seed}}},
          {"num_cells", bench.cells.size()},
          {"num_held", count_held(bench)},
          {"best_single", best == nullptr ? Json(nullptr) : Json(bench.strategies[bench.best_single])},
          {"optimize_over_best_single", best == nullptr ? Json(nullptr) : Json(best->optimize / best->mean)},
          {"geometric_means", std::move(means)},
          {"cells", cells_to_json(bench)},
          {"all_moves", bench.moves.empty() ? Json(nullptr) : move_to_json(bench.all_moves)},
          {"moves", std::move(moves)}};
}

void run_bench(BenchOptions& options) {
  const std::vector<SuiteTrace> traces = read_suite(options);
  PlacementBench bench;
  {
    Progress progress("bench");
    options.args.progress = [&](std::int64_t done, std::int64_t total) { progress.show(done, total); };
    bench = bench_placements(traces, options.args);
  }
  print_cells(bench, options.output);
  print_means(bench, options.output);
  print_moves(bench, options.output);
  options.output.finish(to_json(options, bench));
}

void add_options(CLI::App& command, BenchOptions& options) {
  PlacementBenchArgs& args = options.args;
  command.add_option("SUITE", options.suite_path, "Traces to judge on, see below")->type_name("");
  command.add_option("--traces", options.traces_folder, "Folder that the suite's paths start from. Default: its own")
      ->type_name("DIR");
  const auto add = [&](const char* name, auto& value, const char* text, const char* type = "N") {
    return command.add_option(name, value, text)->type_name(type)->capture_default_str();
  };
  add("--ranks", args.ranks, "Numbers of EP ranks", "LIST")->delimiter(',');
  add("--copies", args.copies, "Numbers of redundant slots a rank", "LIST")->delimiter(',');
  add("--window", args.window, "Steps that a placement is computed from");
  add("--refresh", args.refresh, "Steps until the next placement");
  add("--max-moved", args.max_moved, "Limit on moved copies, in the second table", "N|N%");
  add("--effort", args.optimize.num_moves, "Moves that a chain of the search tries");
  add("--seed", args.seed, "Seed of uniform and optimize");
  add("--threads", args.num_threads, "Threads; 0 = one per core. Results do not depend on it")
      ->check(CLI::Range(0, 4096).description(""));
  options.output.add_option(command);
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "Measure how good decisions are");
  bench->require_subcommand(1);
  CLI::App* command = bench->add_subcommand("placement", "Compare the strategy optimize with all others");
  const auto options = std::make_shared<BenchOptions>();
  add_options(*command, *options);
  command->footer(kFooter);
  command->callback([options] { run_bench(*options); });
}

}  // namespace lplb::cli
