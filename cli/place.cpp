// lplb place: placements of all layers from a history of loads, and the balance to expect of them.

#include "place.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "lplb/error.h"
#include "lplb/solve.h"
#include "subcommands.h"
#include "table.h"
#include "text.h"
#include "windows.h"

namespace lplb::cli {
namespace {

constexpr const char* kFooter =
    "POLICIES\n"
    "  none           experts in order, no copies\n"
    "  eplb           DeepSeek's EPLB; hierarchical when --groups is a multiple of --nodes\n"
    "  eplb-distinct  the same, never two copies of an expert on one rank where that can be avoided\n"
    "  cube, hypercube, torus, ring, or a topology like torus:8x4\n"
    "                 LPLB's placement: each rank's heaviest experts copied along the topology\n"
    "  uniform        copies at random (--seed), whatever the load\n"
    "  optimize       chosen for the exact split over the single batches of the window, and for batches that the "
    "window\n"
    "                 has not shown; keeps to the rules given below. docs/placement.md says how it searches\n"
    "\n"
    "WHAT IT PRINTS\n"
    "  imbalance is the largest rank load / the mean rank load of a layer, on these very loads: 1 is perfect.\n"
    "  even division: each expert's load divided evenly over its copies. exact split: divided as well as possible.\n"
    "  optimize shows the exact split alone, on four kinds of batches: window (as recorded), noise (they differ from "
    "each\n"
    "  other as those of the window do), drift (three times as much), shift (the same loads on other experts, as when "
    "the\n"
    "  domain of the text changes); and which ranks and experts bind the worst layer: all copies of such an expert are "
    "in\n"
    "  the set of ranks that proves the split optimal.\n"
    "\n"
    "EXAMPLE\n"
    "  lplb place data/moe128.npz --policy eplb --ranks 32 --nodes 4 --redundant 2 --out placement.json\n"
    "  lplb place data/moe128.npz --policy optimize --ranks 32 --current placement.json --max-moved 5% --trade-off\n"
    "  placement.json has physical_to_logical_map [layers, slots], ranks and nodes; with --sglang the map alone, which "
    "is\n"
    "  what SGLang's --init-expert-location takes.\n"
    "  LOADS is a trace (summed over its steps and sources; for optimize its last --window steps, one by one) or an\n"
    "  array [layers, experts] or [experts].\n"
    "\n";

double imbalance_of_even(const Placement& placement, std::span<const double> load) {
  std::vector<double> rank_load(placement.num_ranks(), 0.0);
  for (int slot = 0; slot < placement.num_physical(); ++slot) {
    const std::int32_t expert = placement.phy2log()[slot];
    if (expert != kNone) {
      rank_load[placement.rank_of(slot)] += load[expert] / placement.logcnt()[expert];
    }
  }
  const double total = std::accumulate(rank_load.begin(), rank_load.end(), 0.0);
  return total > 0 ? std::ranges::max(rank_load) * static_cast<double>(rank_load.size()) / total : 1.0;
}

double imbalance_of_split(const Placement& placement, std::span<const double> load) {
  const std::vector<Tokens> tokens = to_tokens(load);
  const auto total = std::accumulate(tokens.begin(), tokens.end(), std::int64_t{0});
  const Plan plan = split(placement, tokens);
  return total > 0 ? static_cast<double>(plan.max_load) * placement.num_ranks() / static_cast<double>(total) : 1.0;
}

void print_row(Table& table, const std::string& name, const std::vector<Expectation>& layers,
               double Expectation::*field) {
  double sum = 0;
  double worst = 0;
  std::size_t worst_layer = 0;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    sum += layers[layer].*field;
    if (layers[layer].*field > worst) {
      worst = layers[layer].*field;
      worst_layer = layer;
    }
  }
  table.add_row({name, fmt::format("{:.3f}", sum / static_cast<double>(layers.size())), fmt::format("{:.3f}", worst),
                 std::to_string(worst_layer)});
}

void print_summary(const PlaceOptions& options, const std::vector<Placement>& layers,
                   const std::vector<Expectation>& expectations, Output& output) {
  const PolicyArgs& args = options.args;
  output.print("{}: {}\n", options.policy, describe_policy(options.policy, args));
  output.print("{} {}, {} experts in {} slots on {} ranks of {} {}\n\n", layers.size(),
               layers.size() == 1 ? "layer" : "layers", args.num_logical, layers.front().num_physical(), args.num_ranks,
               args.num_nodes, args.num_nodes == 1 ? "node" : "nodes");
  Table table({"imbalance expected on these loads", "mean", "worst", "layer"});
  print_row(table, "in order, no copies", expectations, &Expectation::before);
  print_row(table, "this placement, even division", expectations, &Expectation::even);
  print_row(table, "this placement, exact split", expectations, &Expectation::exact);
  output.print_raw(table.render(false));
  std::size_t num_colocations = 0;
  for (const Placement& placement : layers) {
    num_colocations += placement.colocations().size();
  }
  if (num_colocations > 0) {
    output.print("\n{} times two or more copies of an expert share a rank; eplb-distinct avoids that\n",
                 with_commas(static_cast<std::int64_t>(num_colocations)));
  }
}

/// Places every layer with its own seed.
std::vector<Placement> place_layers(const PlaceOptions& options, const Loads& loads,
                                    std::vector<Expectation>& expectations) {
  std::vector<Placement> layers;
  PolicyArgs args = options.args;
  Progress progress("place");
  for (int layer = 0; layer < loads.num_layers; ++layer) {
    const auto first = loads.values.begin() + static_cast<std::ptrdiff_t>(layer) * loads.num_experts;
    const std::vector<double> load(first, first + loads.num_experts);
    layers.push_back(place_layer(options.policy, args, load));
    expectations.push_back(expect(layers.back(), load, args.num_ranks));
    ++args.seed;
    progress.show(layer + 1, loads.num_layers);
  }
  return layers;
}

void check_policy(const CLI::App& command, const PlaceOptions& options) {
  const std::vector<std::string> names = policy_names();
  const bool known = options.policy == "optimize" || options.policy.find(':') != std::string::npos ||
                     std::ranges::find(names, options.policy) != names.end();
  if (!known) {
    throw InvalidArgument(fmt::format("policy (\"{}\") must be {}, optimize, or a topology like torus:8x4",
                                      options.policy, fmt::join(names, ", ")));
  }
  for (const CLI::Option* option : command.get_options()) {
    if (options.policy != "optimize" && option->get_group() == kOptimizeGroup && option->count() > 0) {
      throw InvalidArgument(fmt::format("{} is for --policy optimize", option->get_name()));
    }
  }
}

void run_place(PlaceOptions& options) {
  const Loads loads = read_loads(options.loads_path, options.reading);
  set_num_physical(options, loads.num_experts);
  std::vector<Expectation> expectations;
  const std::vector<Placement> layers = place_layers(options, loads, expectations);
  print_summary(options, layers, expectations, options.output);
  const std::string description = describe_policy(options.policy, options.args);
  finish_place(options, layers, place_to_json(options, description, layers, expectations));
}

void add_options(CLI::App& command, PlaceOptions& options) {
  command.add_option("LOADS", options.loads_path, "Loads that the placement is computed from")
      ->required()
      ->type_name("");
  command.add_option("--policy", options.policy, "How to place, see below")->type_name("NAME")->capture_default_str();
  command.add_option("--ranks", options.args.num_ranks, "EP ranks (GPUs)")->required()->type_name("N");
  command.add_option("--nodes", options.args.num_nodes, "Nodes; ranks are numbered node by node")
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--groups", options.args.num_groups, "Expert groups, for EPLB and optimize")
      ->type_name("N")
      ->capture_default_str();
  CLI::Option* replicas = command.add_option("--replicas", options.num_replicas, "Slots of all ranks together")
                              ->check(CLI::PositiveNumber.description(""))
                              ->type_name("N");
  command.add_option("--redundant", options.num_redundant, "Instead: redundant slots on every rank. Default: 2")
      ->check(CLI::NonNegativeNumber.description(""))
      ->type_name("N")
      ->excludes(replicas);
  command.add_option("--seed", options.args.seed, "Seed of the policies uniform and optimize")
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--out", options.out_path, "Write the placement as JSON to FILE; \"-\" prints it alone")
      ->type_name("FILE|-");
  command.add_flag("--sglang", options.for_sglang, "Write the map alone, as SGLang's --init-expert-location takes it");
  options.output.add_option(command);
  add_optimize_options(command, options.optimize);
  add_trace_options(command, options.reading);
}

}  // namespace

Expectation expect(const Placement& placement, std::span<const double> load, int num_live) {
  const Placement before = contiguous_placement(placement.num_logical(), placement.num_ranks());
  const double live = static_cast<double>(num_live) / placement.num_ranks();
  return {.before = imbalance_of_even(before, load),
          .even = live * imbalance_of_even(placement, load),
          .exact = live * imbalance_of_split(placement, load)};
}

void set_num_physical(PlaceOptions& options, int num_logical) {
  const bool none = options.policy == "none";
  const int num_redundant = options.num_redundant >= 0 ? options.num_redundant : none ? 0 : 2;
  const std::int64_t num_physical =
      options.num_replicas >= 0 ? options.num_replicas
                                : num_logical + static_cast<std::int64_t>(num_redundant) * options.args.num_ranks;
  if (num_physical > kMaxPhysical) {
    throw InvalidArgument(fmt::format("{} slots are too many; at most {}", with_commas(num_physical), kMaxPhysical));
  }
  if (none && num_physical != num_logical) {
    throw InvalidArgument(
        fmt::format("--policy none makes no copies: leave --redundant out, or give --replicas {}", num_logical));
  }
  options.args.num_logical = num_logical;
  options.args.num_physical = static_cast<int>(num_physical);
}

Json place_to_json(const PlaceOptions& options, const std::string& description, const std::vector<Placement>& layers,
                   const std::vector<Expectation>& expectations) {
  Json expected = Json::array();
  std::size_t num_colocations = 0;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    expected.push_back({{"layer", layer},
                        {"no_copies", expectations[layer].before},
                        {"even_division", expectations[layer].even},
                        {"exact_split", expectations[layer].exact}});
    num_colocations += layers[layer].colocations().size();
  }
  return {{"policy", options.policy},
          {"description", description},
          {"num_layers", layers.size()},
          {"num_logical_experts", options.args.num_logical},
          {"num_physical_experts", layers.front().num_physical()},
          {"num_ranks", options.args.num_ranks},
          {"num_nodes", options.args.num_nodes},
          {"num_groups", options.args.num_groups},
          {"num_colocations", num_colocations},
          {"imbalance", std::move(expected)},
          {"placement", Json::parse(placements_to_json(layers))}};
}

void finish_place(PlaceOptions& options, const std::vector<Placement>& layers, const Json& json) {
  options.output.print("\n{}\n", options.out_path.empty() ? "Nothing was written: add --out placement.json to keep it"
                                                          : fmt::format("Placement: {}", options.out_path));
  const PlacementForm form = options.for_sglang ? PlacementForm::kSglang : PlacementForm::kComplete;
  if (options.out_path == "-") {
    options.output.claim_stdout(placements_to_json(layers, form));
  } else if (!options.out_path.empty()) {
    write_placements(layers, options.out_path, form);
  }
  options.output.finish(json);
}

void add_place(CLI::App& app) {
  CLI::App* command = app.add_subcommand("place", "Compute where the copies of every expert live");
  const auto options = std::make_shared<PlaceOptions>();
  add_options(*command, *options);
  command->footer(std::string(kFooter) + kTraceFormats);
  command->callback([command, options] {
    check_policy(*command, *options);
    if (options->policy == "optimize") {
      run_place_optimize(*options);
    } else {
      run_place(*options);
    }
  });
}

}  // namespace lplb::cli
