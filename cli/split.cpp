// lplb split: the exact split of one batch over a placement, with the proof in words.

#include <algorithm>
#include <memory>
#include <numeric>

#include "batch.h"
#include "lplb/apportion.h"
#include "lplb/certificate.h"
#include "lplb/error.h"
#include "lplb/metrics.h"
#include "lplb/solve.h"
#include "output.h"
#include "subcommands.h"
#include "text.h"
#include "trace_options.h"

namespace lplb::cli {
namespace {

constexpr const char* kFooter =
    "WHAT IT PRINTS\n"
    "  rank loads     tokens that each rank works on; \"*\" marks the ranks of the certificate, \"-\" a dead rank\n"
    "  certificate    ranks that hold every copy of some experts: those experts' tokens cannot leave these ranks, so\n"
    "                 the fullest of them has at least tokens / ranks, rounded up. When the split reaches that "
    "number,\n"
    "                 no other split is better. These experts are the ones to give more copies\n"
    "  quotas         for experts with more than one copy: how many tokens each copy gets\n"
    "\n"
    "EXAMPLES\n"
    "  lplb split --placement placement.json --counts data/moe128.npz --layer 3 --step 10\n"
    "  lplb split --placement placement.json --counts counts.npy --dead 3,17\n"
    "\n"
    "  --counts is a trace (--step and --layer choose), [layers, experts], [experts], or with --rows sources\n"
    "  [source ranks, experts]. A placement or a file of one layer serves every --layer.\n"
    "\n";

constexpr std::size_t kMostQuotasPrinted = 12;
constexpr int kRanksPerLine = 8;

struct SplitOptions {
  std::string placement_path;
  ReadPlacementOptions reading;
  BatchOptions batch;
  std::string dead;
  std::string base_load_path;
  bool all = false;
  Output output;
};

/// A solved batch, and what the words are made of.
struct Solved {
  const Placement& placement;
  const Batch& batch;
  std::vector<Tokens> base_load;   // [G], empty = none
  std::vector<std::uint8_t> live;  // [G], empty = all
  Plan plan;
  std::vector<std::int32_t> ranks;    // of the certificate
  std::vector<std::int32_t> experts;  // confined to them, most tokens first
  std::int64_t confined_tokens = 0;   // of these experts, and the base load of these ranks
  Balance balance;                    // over live ranks

  bool is_live(int rank) const { return live.empty() || live[rank] != 0; }
};

Solved solve_batch(const SplitOptions& options, const Placement& placement, const Batch& batch) {
  Solved solved{.placement = placement,
                .batch = batch,
                .base_load = {},
                .live = {},
                .plan = {},
                .ranks = {},
                .experts = {},
                .balance = {}};
  if (!options.dead.empty()) {
    solved.live = parse_dead(options.dead, placement.num_ranks());
  }
  if (!options.base_load_path.empty()) {
    solved.base_load = read_row(options.base_load_path, placement.num_ranks());
  }
  solved.plan = split(placement, batch.counts, solved.base_load, solved.live);
  const std::string fault = check_plan(placement, batch.counts, solved.base_load, solved.live, solved.plan);
  if (!fault.empty()) {
    throw Error(fmt::format("the plan does not pass its own check: {}", fault));
  }
  solved.ranks = bottleneck_ranks(solved.plan);
  solved.experts = confined_experts(placement, solved.ranks, solved.live);
  std::ranges::stable_sort(solved.experts, std::greater<>(), [&](std::int32_t e) { return batch.counts[e]; });
  for (const std::int32_t expert : solved.experts) {
    solved.confined_tokens += batch.counts[expert];
  }
  std::vector<Tokens> live_loads;
  for (int rank = 0; rank < placement.num_ranks(); ++rank) {
    if (solved.is_live(rank)) {
      live_loads.push_back(solved.plan.rank_load[rank]);
    }
  }
  for (const std::int32_t rank : solved.ranks) {
    solved.confined_tokens += solved.base_load.empty() ? 0 : solved.base_load[rank];
  }
  solved.balance = measure_balance(live_loads);
  return solved;
}

std::string certificate_in_words(const Solved& solved) {
  const std::size_t num_ranks = solved.ranks.size();
  const std::string bound = with_commas(solved.plan.lower_bound);
  const auto num_live = solved.live.empty() ? solved.placement.num_ranks() : std::ranges::count(solved.live, 1);
  if (num_ranks > 1 && static_cast<std::int64_t>(num_ranks) == num_live) {
    return fmt::format("all {} {}ranks together have {} tokens; no split can do better than {} tokens, their mean",
                       num_ranks, solved.live.empty() ? "" : "live ", with_commas(solved.confined_tokens), bound);
  }
  std::string text = fmt::format("{} {}", num_ranks == 1 ? "rank" : "ranks", in_words(solved.ranks, 12));
  if (!solved.experts.empty()) {
    text +=
        fmt::format(" {} all {}copies of {} {}", num_ranks == 1 ? "holds" : "hold", solved.live.empty() ? "" : "live ",
                    solved.experts.size() == 1 ? "expert" : "experts", in_words(solved.experts, 4));
  }
  if (!solved.base_load.empty()) {
    text += fmt::format("{} {} base load", solved.experts.empty() ? "" : ", and", num_ranks == 1 ? "has" : "have");
  }
  return fmt::format("{}: {} tokens that cannot leave; no split can do better than {} tokens", text,
                     with_commas(solved.confined_tokens), bound);
}

void print_rank_loads(const Solved& solved, Output& output) {
  const Placement& placement = solved.placement;
  const int per_line = std::min(kRanksPerLine, placement.ranks_per_node());
  const std::size_t width = with_commas(solved.plan.max_load).size() + 1;
  output.print_raw("rank loads\n");
  for (int first = 0; first < placement.num_ranks();) {
    const int node = placement.node_of_rank(first);
    const int end = std::min(first + per_line, (node + 1) * placement.ranks_per_node());
    output.print("  node {:<3} ranks {:>4}..{:<4}", node, first, end - 1);
    for (int rank = first; rank < end; ++rank) {
      const bool limiting = std::ranges::binary_search(solved.ranks, rank);
      const std::string cell =
          solved.is_live(rank) ? with_commas(solved.plan.rank_load[rank]) + (limiting ? "*" : " ") : std::string("- ");
      output.print(" {:>{}}", cell, width);
    }
    output.print_raw("\n");
    first = end;
  }
}

void print_quotas(const Solved& solved, bool all, Output& output) {
  const Placement& placement = solved.placement;
  std::vector<std::int32_t> experts;
  for (int e = 0; e < placement.num_logical(); ++e) {
    if (placement.logcnt()[e] > 1) {
      experts.push_back(e);
    }
  }
  std::ranges::stable_sort(experts, std::greater<>(), [&](std::int32_t e) { return solved.batch.counts[e]; });
  output.print("\nquotas of the {} experts with more than one copy, most tokens first\n", experts.size());
  const std::size_t num_printed = all ? experts.size() : std::min(experts.size(), kMostQuotasPrinted);
  for (std::size_t i = 0; i < num_printed; ++i) {
    std::string parts;
    for (const std::int32_t slot : placement.replicas(experts[i])) {
      parts += fmt::format("{}rank {}: {}", parts.empty() ? "" : "; ", placement.rank_of(slot),
                           with_commas(solved.plan.quota[slot]));
    }
    output.print("  expert {:<4} {:>9} tokens   {}\n", experts[i], with_commas(solved.batch.counts[experts[i]]), parts);
  }
  if (num_printed < experts.size()) {
    output.print("  and {} more (--all shows them)\n", experts.size() - num_printed);
  }
}

/// Empty when the sources of the batch are not ranks.
Json measure_sources(const Solved& solved) {
  const Placement& placement = solved.placement;
  const int num_sources = solved.batch.num_sources;
  const bool dead = !solved.live.empty();  // tokens of a dead rank have no place to start from
  if (num_sources <= 1 || num_sources % placement.num_ranks() != 0 || dead) {
    return nullptr;
  }
  const Trace one{.name = "",
                  .num_steps = 1,
                  .num_layers = 1,
                  .num_sources = num_sources,
                  .num_experts = placement.num_logical(),
                  .counts = solved.batch.source_counts};
  std::vector<Tokens> table(static_cast<std::size_t>(placement.num_ranks()) * placement.num_physical());
  apportion(placement, regroup_sources(one, placement.num_ranks()).counts, solved.plan.quota, table);
  const Traffic traffic = measure_traffic(placement, table);
  return {{"total", traffic.total}, {"cross_rank", traffic.cross_rank}, {"cross_node", traffic.cross_node}};
}

Json to_json(const Solved& solved, const SplitOptions& options, const Json& traffic) {
  const Plan& plan = solved.plan;
  std::vector<int> dead;
  for (int rank = 0; rank < solved.placement.num_ranks(); ++rank) {
    if (!solved.is_live(rank)) {
      dead.push_back(rank);
    }
  }
  return {{"placement", options.placement_path},
          {"counts", options.batch.counts_path},
          {"layer", options.batch.layer},
          {"step", options.batch.step},
          {"status", to_string(plan.status)},
          {"max_load", plan.max_load},
          {"lower_bound", plan.lower_bound},
          {"imbalance", solved.balance.imbalance},
          {"balancedness", solved.balance.balancedness},
          {"rank_load", plan.rank_load},
          {"quota", plan.quota},
          {"dead_ranks", dead},
          {"certificate",
           {{"ranks", solved.ranks},
            {"experts", solved.experts},
            {"tokens", solved.confined_tokens},
            {"bound", plan.lower_bound},
            {"text", certificate_in_words(solved)}}},
          {"traffic", traffic},
          {"digest", fmt::format("{:016x}", plan.digest)}};
}

void run_split(SplitOptions& options) {
  const std::vector<Placement> layers = read_placements(options.placement_path, options.reading);
  const Batch batch = read_batch(options.batch, layers);
  const Placement& placement = layers[batch.placement_layer];
  const Solved solved = solve_batch(options, placement, batch);
  const Plan& plan = solved.plan;
  const Json traffic = measure_sources(solved);

  Output& output = options.output;
  const auto total = std::accumulate(batch.counts.begin(), batch.counts.end(), std::int64_t{0});
  output.print("layer {}, step {}: {} token-expert pairs over {} experts, {} slots, {} ranks\n", options.batch.layer,
               options.batch.step, with_commas(total), placement.num_logical(), placement.num_physical(),
               placement.num_ranks());
  output.print("status: {}; largest rank load {} = lower bound {}; imbalance (max / mean) {:.4f}\n",
               to_string(plan.status), with_commas(plan.max_load), with_commas(plan.lower_bound),
               solved.balance.imbalance);
  output.print("certificate: {}\n", certificate_in_words(solved));
  if (!traffic.is_null()) {
    output.print("{:.1f}% of the pairs leave their rank, {:.1f}% their node\n",
                 100 * traffic["cross_rank"].get<double>() / std::max(1.0, traffic["total"].get<double>()),
                 100 * traffic["cross_node"].get<double>() / std::max(1.0, traffic["total"].get<double>()));
  }
  output.print_raw("\n");
  print_rank_loads(solved, output);
  print_quotas(solved, options.all, output);
  output.print("\nplan digest {:016x}: equal on every rank that made the same plan\n", plan.digest);
  output.finish(to_json(solved, options, traffic));
}

void add_options(CLI::App& command, SplitOptions& options) {
  command.add_option("--placement", options.placement_path, "Placement as JSON")->required()->type_name("P.json");
  command.add_option("--counts", options.batch.counts_path, "Tokens per expert of the batch")
      ->required()
      ->type_name("FILE");
  command.add_option("--layer", options.batch.layer, "Layer of the placement and of the counts")
      ->type_name("L")
      ->capture_default_str();
  command.add_option("--step", options.batch.step, "Step of the counts")->type_name("S")->capture_default_str();
  command
      .add_option_function<std::string>(
          "--rows", [&options](const std::string& rows) { options.batch.rows_are_sources = rows == "sources"; },
          "What the rows of a two-dimensional file are: layers or sources")
      ->check(CLI::IsMember({"layers", "sources"}).description(""))
      ->type_name("WHAT");
  command.add_option("--dead", options.dead, "Ranks that are down, like 3,17 or 8-15")->type_name("LIST");
  command
      .add_option("--base-load", options.base_load_path,
                  "Tokens that each rank works on in any case, one number a rank")
      ->type_name("FILE");
  command.add_flag("--all", options.all, "Print the quotas of all experts, however many");
  options.output.add_option(command);
  add_placement_options(command, options.reading);
  add_trace_options(command, options.batch.reading);
}

}  // namespace

void add_split(CLI::App& app) {
  CLI::App* command = app.add_subcommand("split", "Divide one batch over a placement exactly, with proof");
  const auto options = std::make_shared<SplitOptions>();
  add_options(*command, *options);
  command->footer(std::string(kFooter) + kTraceFormats);
  command->callback([options] { run_split(*options); });
}

}  // namespace lplb::cli
