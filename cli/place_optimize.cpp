// lplb place --policy optimize: the rules from the options, the placement chosen for the split over a window of
// batches, and what it is compared with: experts in order, EPLB, the placement before, and the starts of the search.

#include "place_optimize.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "batch.h"
#include "lplb/error.h"
#include "text.h"

namespace lplb::cli {
namespace {

constexpr double kTradeOffPercents[] = {0, 1, 2, 5, 10, 20, 50};

bool is_list(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789,") == std::string::npos;
}

/// Slots of each rank. [G]
std::vector<std::int32_t> parse_slots(const std::string& text, int num_ranks) {
  std::vector<std::int32_t> slots;
  if (is_list(text)) {
    const std::vector<int> listed = parse_indices("--slots", text);
    slots.assign(listed.begin(), listed.end());
  } else {
    const std::vector<Tokens> row = read_row(text, num_ranks);
    slots.assign(row.begin(), row.end());
  }
  if (static_cast<int>(slots.size()) != num_ranks) {
    throw InvalidArgument(
        fmt::format("--slots has {} numbers; it must have one for each of the {} ranks", slots.size(), num_ranks));
  }
  return slots;
}

class OptimizePlacer {
 public:
  explicit OptimizePlacer(PlaceOptions& options)
      : options_(options),
        windows_(read_windows(options.loads_path, options.reading, options.optimize.window)),
        limit_(options.optimize.max_moved.empty() ? MoveLimit{}
                                                  : parse_move_limit("--max-moved", options.optimize.max_moved)) {
    set_num_physical(options, windows_.num_experts);
    set_rules();
    read_current();
    args_.objective.move_price = options.optimize.move_price;
    args_.num_moves = options.optimize.num_moves;
    args_.time_limit_s = options.optimize.time_limit_s;
    args_.seed = options.args.seed;
    args_.num_threads = options.optimize.num_threads;
  }

  const LayerWindows& windows() const { return windows_; }
  int num_live() const {
    const auto& live = args_.rules.live;
    return live.empty() ? options_.args.num_ranks : static_cast<int>(std::ranges::count(live, 1));
  }

  OptimizedPlaces run() {
    OptimizedPlaces places;
    if (options_.optimize.trade_off) {
      trace_curve(places);
    } else {
      optimize(places);
    }
    judge(places);
    const auto& scores = places.judged.back().layers;
    const auto worst = std::ranges::max_element(
        scores, {}, [](const PlacementScore& score) { return score.imbalance[static_cast<int>(Scenario::kRecorded)]; });
    places.worst_layer = static_cast<int>(worst - scores.begin());
    places.limits = find_limits(windows_.layer(places.worst_layer), places.result.layers[places.worst_layer].placement);
    return places;
  }

 private:
  void set_rules() {
    const PolicyArgs& shape = options_.args;
    PlacementRules& rules = args_.rules;
    rules = {.num_logical = shape.num_logical,
             .num_ranks = shape.num_ranks,
             .num_nodes = shape.num_nodes,
             .copies_within = options_.optimize.copies_within,
             .num_groups = shape.num_groups};
    if (shape.num_ranks < 1 || shape.num_ranks > kMaxRanks) {
      throw InvalidArgument(fmt::format("--ranks ({}) must be in 1..{}", shape.num_ranks, kMaxRanks));
    }
    if (!options_.optimize.dead.empty()) {
      rules.live = parse_dead(options_.optimize.dead, shape.num_ranks);
    }
    if (!options_.optimize.slots.empty()) {
      rules.slots = parse_slots(options_.optimize.slots, shape.num_ranks);
      return;
    }
    if (options_.optimize.total_slots > 0) {     // shared out later; until then, just enough
      const int live = std::max(num_live(), 1);  // never 0: parse_dead leaves one
      rules.slots.assign(shape.num_ranks, (shape.num_logical + live - 1) / live);
      return;
    }
    rules.slots = deal_slots(shape.num_physical, shape.num_ranks);
  }

  void read_current() {
    const std::string& path = options_.optimize.current_path;
    if (path.empty()) {
      if (limit_.given() || options_.optimize.move_price > 0 || options_.optimize.trade_off) {
        throw InvalidArgument("--max-moved, --move-price and --trade-off are about moves from a --current placement");
      }
      return;
    }
    current_ = read_placements(path, {.num_ranks = options_.args.num_ranks, .num_logical = windows_.num_experts});
    if (static_cast<int>(current_.size()) != windows_.num_layers) {
      throw InvalidArgument(fmt::format("{} places {} layers, {} has {}", path, current_.size(), options_.loads_path,
                                        windows_.num_layers));
    }
  }

  /// Slots of a layer that may be used.
  int num_slots() const {
    if (options_.optimize.total_slots > 0) {
      return options_.optimize.total_slots / windows_.num_layers;
    }
    int sum = 0;
    for (int rank = 0; rank < options_.args.num_ranks; ++rank) {
      sum += args_.rules.live.empty() || args_.rules.live[rank] ? args_.rules.slots[rank] : 0;
    }
    return sum;
  }

  void optimize(OptimizedPlaces& places) {
    Progress progress("place");
    args_.progress = [&](std::int64_t done, std::int64_t total) { progress.show(done, total); };
    args_.max_moved = limit_.of(num_slots());
    if (windows_.num_layers == 1 && options_.optimize.total_slots == 0) {
      args_.current = current_.empty() ? nullptr : current_.data();
      OptimizeResult layer = optimize_placement(windows_.counts, args_);
      places.result.num_slots.push_back(num_slots());
      places.result.layers.push_back(std::move(layer));
    } else {
      places.result =
          optimize_layers(windows_.counts, windows_.num_layers, args_, current_, options_.optimize.total_slots);
    }
  }

  /// The limits of the curve, ascending; the asked one is among them.
  std::vector<MoveLimit> curve_limits() const {
    std::vector<MoveLimit> limits;
    for (const double percent : kTradeOffPercents) {
      limits.push_back({.percent = percent});
    }
    if (limit_.given()) {
      limits.push_back(limit_);
    }
    const auto allowed = [&](const MoveLimit& limit) { return limit.of(num_slots()); };
    std::ranges::stable_sort(limits, {}, allowed);
    const int least = least_moved();
    std::erase_if(limits, [&](const MoveLimit& limit) { return allowed(limit) < least; });
    limits.erase(std::unique(limits.begin(), limits.end(),
                             [&](const MoveLimit& a, const MoveLimit& b) { return allowed(a) == allowed(b); }),
                 limits.end());
    limits.emplace_back();
    return limits;
  }

  /// Copies that must move in the layer that is hit hardest: experts that live ranks do not hold.
  int least_moved() const {
    int most = 0;
    for (const Placement& placement : current_) {
      int num_lost = 0;
      for (int e = 0; e < placement.num_logical(); ++e) {
        num_lost += std::ranges::none_of(placement.replicas(e), [&](int slot) {
          const int rank = placement.rank_of(slot);
          const bool live = args_.rules.live.empty() || args_.rules.live[rank] != 0;
          return live && slot - rank * placement.slots_per_rank() < args_.rules.slots[rank];
        });
      }
      most = std::max(most, num_lost);
    }
    return most;
  }

  void trace_curve(OptimizedPlaces& places) {
    const std::vector<MoveLimit> limits = curve_limits();
    std::vector<int> allowed;
    for (const MoveLimit& limit : limits) {
      places.curve.push_back({.limit = limit});
      allowed.push_back(limit.of(num_slots()));
    }
    Progress progress("trade-off");
    for (int layer = 0; layer < windows_.num_layers; ++layer) {
      OptimizeArgs args = args_;
      args.current = &current_[layer];
      args.seed = args_.seed + static_cast<std::uint64_t>(layer);
      std::vector<OptimizeResult> curve = optimize_trade_off(windows_.layer(layer), args, allowed);
      for (std::size_t i = 0; i < curve.size(); ++i) {
        places.curve[i].layers.push_back(std::move(curve[i]));
      }
      progress.show(layer + 1, windows_.num_layers);
    }
    const int wanted = limit_.of(num_slots());
    const auto chosen = std::ranges::find(allowed, wanted);
    if (chosen == allowed.end()) {
      throw InvalidArgument(fmt::format("--max-moved ({}) is less than the {} copies that must move",
                                        options_.optimize.max_moved, least_moved()));
    }
    places.chosen = chosen - allowed.begin();
    places.result.layers = places.curve[places.chosen].layers;
    places.result.num_slots.assign(windows_.num_layers, num_slots());
  }

  /// Any placement of a layer by name, judged; the reason where it does not apply.
  template <class Place>
  Judged judge_all(const std::string& name, Place&& place) const {
    Judged judged{.name = name};
    try {
      for (int layer = 0; layer < windows_.num_layers; ++layer) {
        judged.layers.push_back(score_placement(windows_.layer(layer), place(layer), args_.objective, args_.rules,
                                                args_.seed + static_cast<std::uint64_t>(layer)));
      }
    } catch (const InvalidArgument& error) {
      judged.layers.clear();
      const std::string message = error.what();
      const auto prefix = message.find("] ");
      judged.obstacle = prefix == message.npos ? message : message.substr(prefix + 2);
    }
    return judged;
  }

  Placement place_eplb(int layer) const {
    const auto& slots = args_.rules.slots;
    const bool even = std::ranges::adjacent_find(slots, std::not_equal_to<>()) == slots.end();
    if (!even || !args_.rules.live.empty() || options_.optimize.total_slots > 0) {
      throw InvalidArgument("it needs as many slots on each rank, all ranks alive");
    }
    PolicyArgs shape = options_.args;
    shape.num_physical = num_slots();
    return place_layer("eplb", shape, windows_.load(layer));
  }

  void judge(OptimizedPlaces& places) const {
    const PolicyArgs& shape = options_.args;
    if (args_.rules.live.empty()) {
      places.judged.push_back(judge_all("in order, no copies", [&](int) {
        return contiguous_placement(shape.num_logical, shape.num_ranks, shape.num_nodes);
      }));
    }
    places.judged.push_back(judge_all("EPLB + split", [&](int layer) { return place_eplb(layer); }));
    if (!current_.empty()) {
      places.judged.push_back(judge_all("current placement", [&](int layer) { return current_[layer]; }));
    }
    Judged start{.name = "start of the search"};
    Judged chosen{.name = "this placement"};
    for (const OptimizeResult& layer : places.result.layers) {
      start.layers.push_back(layer.start_score);
      chosen.layers.push_back(layer.score);
    }
    places.judged.push_back(std::move(start));
    places.judged.push_back(std::move(chosen));
  }

  PlaceOptions& options_;
  LayerWindows windows_;
  MoveLimit limit_;
  OptimizeArgs args_;
  std::vector<Placement> current_;
};

/// Placements in one shape: with the slots of the largest layer on each rank, those that a layer has not left empty.
std::vector<Placement> same_shape(const LayersResult& result) {
  int stride = 0;
  for (const OptimizeResult& layer : result.layers) {
    stride = std::max(stride, layer.placement.slots_per_rank());
  }
  std::vector<Placement> placements;
  for (const OptimizeResult& layer : result.layers) {
    const Placement& placement = layer.placement;
    std::vector<std::int32_t> phy2log(static_cast<std::size_t>(stride) * placement.num_ranks(), kNone);
    for (int slot = 0; slot < placement.num_physical(); ++slot) {
      const int rank = placement.rank_of(slot);
      phy2log[rank * stride + slot - rank * placement.slots_per_rank()] = placement.phy2log()[slot];
    }
    placements.emplace_back(std::move(phy2log), placement.num_logical(), placement.num_ranks(), placement.num_nodes());
  }
  return placements;
}

}  // namespace

void run_place_optimize(PlaceOptions& options) {
  OptimizePlacer placer(options);
  const OptimizedPlaces places = placer.run();
  const std::vector<Placement> layers = same_shape(places.result);
  std::vector<Expectation> expectations;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    expectations.push_back(expect(layers[layer], placer.windows().load(static_cast<int>(layer)), placer.num_live()));
  }
  print_optimized(options, placer.windows(), places, options.output);
  Json json = place_to_json(options, "chosen for the exact split over the window's batches", layers, expectations);
  add_optimized_json(options, placer.windows(), places, json);
  finish_place(options, layers, json);
}

void add_optimize_options(CLI::App& command, OptimizeOptions& options) {
  const auto add = [&](const char* name, auto& value, const char* text, const char* type) {
    return command.add_option(name, value, text)->type_name(type)->group(kOptimizeGroup);
  };
  const auto not_negative = CLI::NonNegativeNumber.description("");
  add("--window", options.window, "Last steps of the trace that count; 0 = all", "N")
      ->check(not_negative)
      ->capture_default_str();
  add("--effort", options.num_moves, "Moves that a chain of the search tries", "N")
      ->check(not_negative)
      ->capture_default_str();
  add("--time-limit", options.time_limit_s, "Seconds for a layer; the result then depends on the machine", "S")
      ->check(not_negative);
  CLI::Option* slots = add("--slots", options.slots, "Slots of each rank, as 5,5,4,4 or a file with a row", "LIST|FILE")
                           ->excludes("--replicas")
                           ->excludes("--redundant");
  CLI::Option* current = add("--current", options.current_path, "Placement that is there now", "FILE");
  add("--max-moved", options.max_moved, "Copies of a layer that may move, as a number or a part of the slots", "N|N%");
  add("--move-price", options.move_price,
      "Excess imbalance that a moved copy costs: its time / time of a layer's experts until the next placement", "X")
      ->check(not_negative);
  CLI::Option* trade_off =
      command.add_flag("--trade-off", options.trade_off, "Print the balance that is to be had for more and more moves")
          ->group(kOptimizeGroup)
          ->needs(current);
  add("--total-slots", options.total_slots, "Slots of all layers together, shared out where they help most", "N")
      ->check(CLI::PositiveNumber.description(""))
      ->excludes(slots)
      ->excludes(trade_off)
      ->excludes("--replicas")
      ->excludes("--redundant");
  add("--copies-within", options.copies_within, "Copies of an expert stay within blocks of N ranks; 0 = anywhere", "N")
      ->check(not_negative);
  add("--dead", options.dead, "Ranks that hold nothing, like 3,17", "RANKS");
  add("--threads", options.num_threads, "Threads; 0 = one per core. Results do not depend on it", "N")
      ->check(CLI::Range(0, 4096).description(""))
      ->capture_default_str();
}

}  // namespace lplb::cli
