// lplb trace: what is in a trace (info), the same in another format (convert), or a synthetic one (synth).

#include "lplb/trace.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>

#include "lplb/error.h"
#include "lplb/metrics.h"
#include "output.h"
#include "subcommands.h"
#include "table.h"
#include "text.h"
#include "trace_options.h"

namespace lplb::cli {
namespace {

constexpr const char* kInfoFooter =
    "WHAT IT PRINTS\n"
    "  imbalance    largest / mean load of a rank when experts are dealt out in order, without copies: what balancing\n"
    "               has to mend. Mean and worst over steps and layers, for numbers of ranks that divide the experts\n"
    "  hottest      load of the most popular expert / mean load of an expert, on average\n"
    "  correlation  of the experts' loads from one step to the next (Pearson). Near 1: placement can learn the skew "
    "from\n"
    "               history. Low: only the split of each batch can follow it\n"
    "\n"
    "EXAMPLE\n"
    "  lplb trace info data/moe128.npz\n"
    "\n";

constexpr const char* kConvertFooter =
    "  .pt          SGLang's expert-distribution dumps: logical_count, or records with topk_ids_of_layer. Only the\n"
    "               command lplb of the Python package reads them, with torch\n"
    "\n"
    "EXAMPLE\n"
    "  lplb trace convert expert_distribution_recorder.pt --out counts.npz\n";

constexpr const char* kSynthFooter =
    "WHAT IT MAKES\n"
    "  Experts get log-normal popularities with sigma --skew (0 = flat, 1 = a few are hot); --drift is the share of "
    "the\n"
    "  popularity that changes from one step to the next. The same --seed gives the same file on every machine.\n"
    "\n"
    "EXAMPLE\n"
    "  lplb trace synth --experts 256 --layers 4 --steps 32 --sources 32 --skew 1 --drift 0.1 --out synth.npz\n";

/// Loads of experts in one layer over all steps, and what is measured on them.
class TraceMeasures {
 public:
  explicit TraceMeasures(const Trace& trace) : trace_(trace) {
    for (int layer = 0; layer < trace.num_layers; ++layer) {
      std::vector<Tokens> previous;
      for (int step = 0; step < trace.num_steps; ++step) {
        std::vector<Tokens> counts(trace.num_experts, 0);
        add_counts(trace, step, layer, counts);
        measure(counts);
        if (!previous.empty()) {
          correlate(previous, counts);
        }
        previous = std::move(counts);
      }
    }
  }

  struct Skew {
    int num_ranks;
    double sum = 0;
    double worst = 0;
  };

  std::int64_t total_tokens() const { return total_tokens_; }
  double pairs() const { return static_cast<double>(trace_.num_steps) * trace_.num_layers; }
  double hottest() const { return hottest_sum_ / pairs(); }
  double idle_share() const { return static_cast<double>(num_idle_) / (pairs() * trace_.num_experts); }
  const std::vector<Skew>& skews() const { return skews_; }
  std::optional<double> correlation() const {
    return num_correlations_ == 0 ? std::nullopt : std::optional(correlation_sum_ / num_correlations_);
  }

 private:
  void measure(const std::vector<Tokens>& counts) {
    const auto total = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
    total_tokens_ += total;
    num_idle_ += std::ranges::count(counts, 0);
    hottest_sum_ += measure_balance(counts).imbalance;
    for (Skew& skew : skews_) {
      std::vector<std::int64_t> rank_load(skew.num_ranks, 0);
      const std::size_t num_local = counts.size() / rank_load.size();
      for (std::size_t e = 0; e < counts.size(); ++e) {
        rank_load[e / num_local] += counts[e];
      }
      const auto largest = static_cast<double>(std::ranges::max(rank_load));
      const double imbalance = total > 0 ? largest * skew.num_ranks / static_cast<double>(total) : 1.0;
      skew.sum += imbalance;
      skew.worst = std::max(skew.worst, imbalance);
    }
  }

  /// Pearson's r; steps without any variation have none.
  void correlate(const std::vector<Tokens>& a, const std::vector<Tokens>& b) {
    const auto n = static_cast<double>(a.size());
    const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
    const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
    double cov = 0;
    double var_a = 0;
    double var_b = 0;
    for (std::size_t e = 0; e < a.size(); ++e) {
      cov += (a[e] - mean_a) * (b[e] - mean_b);
      var_a += (a[e] - mean_a) * (a[e] - mean_a);
      var_b += (b[e] - mean_b) * (b[e] - mean_b);
    }
    if (var_a > 0 && var_b > 0) {
      correlation_sum_ += cov / std::sqrt(var_a * var_b);
      ++num_correlations_;
    }
  }

  static std::vector<Skew> make_skews(int num_experts) {
    std::vector<Skew> skews;
    for (const int num_ranks : {8, 16, 32, 64}) {
      if (num_experts % num_ranks == 0) {
        skews.push_back({.num_ranks = num_ranks});
      }
    }
    return skews;
  }

  const Trace& trace_;
  std::vector<Skew> skews_ = make_skews(trace_.num_experts);
  std::int64_t total_tokens_ = 0;
  std::int64_t num_idle_ = 0;
  double hottest_sum_ = 0;
  double correlation_sum_ = 0;
  int num_correlations_ = 0;
};

Json to_json(const std::string& path, const Trace& trace, const TraceMeasures& measures) {
  Json skews = Json::array();
  for (const auto& skew : measures.skews()) {
    skews.push_back({{"num_ranks", skew.num_ranks}, {"mean", skew.sum / measures.pairs()}, {"max", skew.worst}});
  }
  const auto correlation = measures.correlation();
  return {{"file", path},
          {"num_steps", trace.num_steps},
          {"num_layers", trace.num_layers},
          {"num_sources", trace.num_sources},
          {"num_experts", trace.num_experts},
          {"total_tokens", measures.total_tokens()},
          {"tokens_per_step", static_cast<double>(measures.total_tokens()) / measures.pairs()},
          {"hottest_over_mean", measures.hottest()},
          {"idle_share", measures.idle_share()},
          {"contiguous_imbalance", std::move(skews)},
          {"step_correlation", correlation ? Json(*correlation) : Json(nullptr)}};
}

void print_info(const std::string& path, const Trace& trace, const TraceMeasures& measures, Output& output) {
  output.print("{}\n", path);
  output.print("  steps {}, layers {}, source ranks {}, experts {}\n", trace.num_steps, trace.num_layers,
               trace.has_sources() ? std::to_string(trace.num_sources) : "unknown", trace.num_experts);
  output.print("  token-expert pairs: {}, {} a step and layer\n", with_commas(measures.total_tokens()),
               with_commas(std::llround(static_cast<double>(measures.total_tokens()) / measures.pairs())));
  output.print("  hottest expert / mean expert: {:.2f}; experts without a token: {:.1f}%\n", measures.hottest(),
               100 * measures.idle_share());
  const auto correlation = measures.correlation();
  output.print("  correlation from one step to the next: {}\n\n",
               correlation ? fmt::format("{:.3f}", *correlation) : "unknown");
  Table table({"imbalance (max / mean), in order, no copies", "mean", "worst"});
  for (const auto& skew : measures.skews()) {
    table.add_row({fmt::format("{} ranks", skew.num_ranks), fmt::format("{:.3f}", skew.sum / measures.pairs()),
                   fmt::format("{:.3f}", skew.worst)});
  }
  if (measures.skews().empty()) {
    table.add_row({"8, 16, 32 or 64 ranks do not divide the experts"});
  }
  output.print_raw(table.render(false));
}

struct InfoOptions {
  std::string path;
  ReadTraceOptions reading;
  Output output;
};

void run_info(InfoOptions& options) {
  const Trace trace = read_trace(options.path, options.reading);
  const TraceMeasures measures(trace);
  print_info(options.path, trace, measures, options.output);
  options.output.finish(to_json(options.path, trace, measures));
}

struct ConvertOptions {
  std::string path;
  std::string out_path;
  ReadTraceOptions reading;
  Output output;
};

void run_convert(ConvertOptions& options) {
  if (options.path.ends_with(".pt")) {
    throw InvalidArgument(fmt::format(
        "{}: only torch can read .pt; use the command lplb of the Python package, which has all of this and that",
        options.path));
  }
  const Trace trace = read_trace(options.path, options.reading);
  write_trace(trace, options.out_path);
  options.output.print("{}: {} steps, {} layers, {} sources, {} experts\n", options.out_path, trace.num_steps,
                       trace.num_layers, trace.num_sources, trace.num_experts);
  options.output.finish(Json{{"file", options.out_path},
                             {"num_steps", trace.num_steps},
                             {"num_layers", trace.num_layers},
                             {"num_sources", trace.num_sources},
                             {"num_experts", trace.num_experts}});
}

struct SynthOptions {
  SynthArgs args;
  std::string out_path;
  Output output;
};

void run_synth(SynthOptions& options) {
  const SynthArgs& args = options.args;
  const Trace trace = synthesize_trace(args);
  write_trace(trace, options.out_path);
  options.output.print("{}: {} steps, {} layers, {} sources, {} experts\n", options.out_path, args.num_steps,
                       args.num_layers, args.num_sources, args.num_experts);
  options.output.finish(Json{{"file", options.out_path},
                             {"num_steps", args.num_steps},
                             {"num_layers", args.num_layers},
                             {"num_sources", args.num_sources},
                             {"num_experts", args.num_experts},
                             {"tokens_per_source", args.tokens_per_source},
                             {"skew", args.skew},
                             {"drift", args.drift},
                             {"seed", args.seed}});
}

void add_info(CLI::App& parent) {
  CLI::App* command = parent.add_subcommand("info", "Say what is in a trace, and how skewed it is");
  const auto options = std::make_shared<InfoOptions>();
  command->add_option("TRACE", options->path, "Recorded expert loads")->required()->type_name("");
  options->output.add_option(*command);
  add_trace_options(*command, options->reading);
  command->footer(std::string(kInfoFooter) + kTraceFormats);
  command->callback([options] { run_info(*options); });
}

void add_convert(CLI::App& parent) {
  CLI::App* command = parent.add_subcommand("convert", "Write a trace in another format");
  const auto options = std::make_shared<ConvertOptions>();
  command->add_option("TRACE", options->path, "Recorded expert loads")->required()->type_name("");
  command->add_option("--out", options->out_path, "File to write: .npz, .npy, .csv or .json")
      ->required()
      ->type_name("FILE");
  options->output.add_option(*command);
  add_trace_options(*command, options->reading);
  command->footer(std::string(kTraceFormats) + kConvertFooter);
  command->callback([options] { run_convert(*options); });
}

void add_synth(CLI::App& parent) {
  CLI::App* command = parent.add_subcommand("synth", "Make a synthetic trace");
  const auto options = std::make_shared<SynthOptions>();
  SynthArgs& args = options->args;
  const auto add_number = [&](const char* name, auto& value, const char* text) {
    command->add_option(name, value, text)->type_name("N")->capture_default_str();
  };
  add_number("--steps", args.num_steps, "Steps (batches)");
  add_number("--layers", args.num_layers, "MoE layers");
  add_number("--sources", args.num_sources, "Source ranks; 1 = unknown");
  add_number("--experts", args.num_experts, "Experts");
  add_number("--tokens", args.tokens_per_source, "Token-expert pairs of a source, step and layer");
  add_number("--skew", args.skew, "Sigma of the log-normal popularities");
  add_number("--drift", args.drift, "Share of the popularity that changes a step, 0..1");
  add_number("--seed", args.seed, "Seed");
  command->add_option("--out", options->out_path, "File to write: .npz, .npy, .csv or .json")
      ->required()
      ->type_name("FILE");
  options->output.add_option(*command);
  command->footer(kSynthFooter);
  command->callback([options] { run_synth(*options); });
}

}  // namespace

void add_trace(CLI::App& app) {
  CLI::App* command = app.add_subcommand("trace", "Look at a trace, convert it, or make a synthetic one");
  command->require_subcommand(1);
  add_info(*command);
  add_convert(*command);
  add_synth(*command);
}

}  // namespace lplb::cli
