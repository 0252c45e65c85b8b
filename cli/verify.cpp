// lplb verify: is a placement file valid, and what does it give the split to work with.

#include <map>
#include <memory>

#include "lplb/placement.h"
#include "lplb/solve.h"
#include "output.h"
#include "subcommands.h"
#include "table.h"
#include "text.h"
#include "trace_options.h"

namespace lplb::cli {
namespace {

constexpr const char* kFooter =
    "WHAT IT PRINTS\n"
    "  copies        how many experts have 1, 2, 3 .. copies, over all layers\n"
    "  colocations   two copies of an expert on one rank: legal, but the second one balances nothing\n"
    "  components    ranks that share experts, directly or over others; load can only move inside a component\n"
    "  Exit code 0: the file is valid (colocations are no error). 3: it is not, and stderr says why.\n"
    "\n"
    "EXAMPLE\n"
    "  lplb verify placement.json\n"
    "  lplb verify sglang.json --ranks 32 --nodes 4\n";

constexpr std::size_t kMostColocationsPrinted = 5;

struct Findings {
  std::map<int, std::int64_t> experts_by_copies;
  std::vector<std::pair<int, Colocation>> colocations;  // with their layer
  std::int64_t num_empty_slots = 0;
  std::vector<int> components;  // [layers]
};

Findings inspect(const std::vector<Placement>& layers) {
  Findings findings;
  for (int layer = 0; layer < static_cast<int>(layers.size()); ++layer) {
    const Placement& placement = layers[layer];
    findings.num_empty_slots += placement.num_physical();
    for (const std::int32_t copies : placement.logcnt()) {
      ++findings.experts_by_copies[copies];
      findings.num_empty_slots -= copies;
    }
    for (const Colocation& colocation : placement.colocations()) {
      findings.colocations.emplace_back(layer, colocation);
    }
    findings.components.push_back(SplitGraph(placement).num_components());
  }
  return findings;
}

Json to_json(const std::string& path, const std::vector<Placement>& layers, const Findings& findings) {
  Json copies = Json::object();
  for (const auto& [num_copies, num_experts] : findings.experts_by_copies) {
    copies[std::to_string(num_copies)] = num_experts;
  }
  Json colocations = Json::array();
  for (const auto& [layer, c] : findings.colocations) {
    colocations.push_back({{"layer", layer}, {"expert", c.expert}, {"rank", c.rank}, {"num_copies", c.num_copies}});
  }
  const Placement& first = layers.front();
  return {{"file", path},
          {"valid", true},
          {"num_layers", layers.size()},
          {"num_logical_experts", first.num_logical()},
          {"num_physical_experts", first.num_physical()},
          {"num_ranks", first.num_ranks()},
          {"num_nodes", first.num_nodes()},
          {"num_empty_slots", findings.num_empty_slots},
          {"experts_by_copies", std::move(copies)},
          {"colocations", std::move(colocations)},
          {"components", findings.components}};
}

void print_findings(const std::string& path, const std::vector<Placement>& layers, const Findings& findings,
                    Output& output) {
  const Placement& first = layers.front();
  output.print("{}: valid\n", path);
  output.print("  {} {}, {} experts in {} slots on {} ranks ({} each), {} {}; {} empty {}\n", layers.size(),
               layers.size() == 1 ? "layer" : "layers", first.num_logical(), first.num_physical(), first.num_ranks(),
               first.slots_per_rank(), first.num_nodes(), first.num_nodes() == 1 ? "node" : "nodes",
               with_commas(findings.num_empty_slots), findings.num_empty_slots == 1 ? "slot" : "slots");
  const auto [fewest, most] = std::ranges::minmax(findings.components);
  output.print("  components: {}{}\n\n", fewest, fewest == most ? "" : fmt::format(" to {}, by layer", most));
  Table table({"copies", "experts (all layers)"});
  for (const auto& [num_copies, num_experts] : findings.experts_by_copies) {
    table.add_row({std::to_string(num_copies), with_commas(num_experts)});
  }
  output.print_raw(table.render(false));
  output.print("\ncolocations: {}\n", with_commas(static_cast<std::int64_t>(findings.colocations.size())));
  for (std::size_t i = 0; i < std::min(findings.colocations.size(), kMostColocationsPrinted); ++i) {
    const auto& [layer, c] = findings.colocations[i];
    output.print("  layer {}: {} copies of expert {} on rank {}\n", layer, c.num_copies, c.expert, c.rank);
  }
  if (findings.colocations.size() > kMostColocationsPrinted) {
    output.print("  and {} more (--json lists them)\n",
                 with_commas(static_cast<std::int64_t>(findings.colocations.size() - kMostColocationsPrinted)));
  }
}

struct VerifyOptions {
  std::string path;
  ReadPlacementOptions reading;
  Output output;
};

void run_verify(VerifyOptions& options) {
  const std::vector<Placement> layers = read_placements(options.path, options.reading);
  const Findings findings = inspect(layers);
  print_findings(options.path, layers, findings, options.output);
  options.output.finish(to_json(options.path, layers, findings));
}

}  // namespace

void add_verify(CLI::App& app) {
  CLI::App* command = app.add_subcommand("verify", "Check a placement file and say what is in it");
  const auto options = std::make_shared<VerifyOptions>();
  command->add_option("PLACEMENT", options->path, "Placement as JSON")->required()->type_name("");
  options->output.add_option(*command);
  add_placement_options(*command, options->reading);
  command->footer(kFooter);
  command->callback([options] { run_verify(*options); });
}

}  // namespace lplb::cli
