// Layers in parallel; and slots shared out over layers by marginal gain: each layer starts with the fewest slots, and a
// row of slots (one a rank) goes, again and again, to the layer whose expected imbalance it lowers most. Greedy is
// optimal where gains diminish, which they do but for noise.

#include "planner/layer_search.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"
#include "planner/placement_judge.h"
#include "planner/placement_search.h"

namespace lplb {
namespace {

constexpr const char* kName = "[optimize_layers] ";
constexpr std::int64_t kTrialMoves = 1500;  // of a chain that only estimates what further slots give

class LayerOptimizer {
 public:
  LayerOptimizer(std::span<const Tokens> windows, int num_layers, const OptimizeArgs& args,
                 std::span<const Placement> current)
      : windows_(windows), num_layers_(num_layers), args_(args), current_(current) {
    check(num_layers >= 1 && !windows.empty() && windows.size() % num_layers == 0, kName, "windows has ",
          windows.size(), " entries; it must be [L, T, E] with L = ", num_layers);
    check(current.empty() || static_cast<int>(current.size()) == num_layers, kName, "current has ", current.size(),
          " placements for ", num_layers, " layers");
    for (int layer = 0; layer < num_layers; ++layer) {
      check_window("optimize_layers", window(layer), args.rules.num_logical);
    }
  }

  /// Each layer on a thread, or, with `run_chains`, the chains of all layers together.
  LayersResult run(int total_slots, const ChainRunner& run_chains) {
    std::vector<std::vector<std::int32_t>> slots(num_layers_);
    LayersResult result;
    if (total_slots > 0) {
      slots = share_out(total_slots);
    }
    std::vector<std::optional<OptimizeResult>> found(num_layers_);
    if (run_chains) {
      search_together(slots, run_chains, found);
    } else {
      parallel_for(num_layers_, args_.num_threads, [&](int layer, int) {
        found[layer] = optimize(layer, slots[layer], args_.num_moves);
        tell_progress(1);
      });
    }
    for (auto& layer : found) {
      const Placement& placement = layer->placement;
      result.num_slots.push_back(
          total_slots > 0 ? std::accumulate(slots[result.layers.size()].begin(), slots[result.layers.size()].end(), 0)
                          : placement.num_physical());
      result.layers.push_back(std::move(*layer));
    }
    return result;
  }

 private:
  std::span<const Tokens> window(int layer) const {
    const std::size_t size = windows_.size() / num_layers_;
    return windows_.subspan(layer * size, size);
  }

  void tell_progress(int num_more) {
    if (args_.progress) {
      const std::lock_guard lock(mutex_);
      num_done_ += num_more;
      args_.progress(num_done_, num_layers_);
    }
  }

  OptimizeArgs args_of(int layer, const std::vector<std::int32_t>& slots, std::int64_t num_moves) {
    OptimizeArgs args = args_;
    args.num_threads = 1;
    // Within a layer too, so that a callback that throws ends the search soon.
    args.progress = [this](std::int64_t, std::int64_t) { tell_progress(0); };
    args.seed = args_.seed + static_cast<std::uint64_t>(layer);
    args.num_moves = num_moves;
    if (!slots.empty()) {
      args.rules.slots = slots;
    }
    args.current = current_.empty() ? args_.current : &current_[layer];
    return args;
  }

  OptimizeResult optimize(int layer, const std::vector<std::int32_t>& slots, std::int64_t num_moves) {
    return optimize_placement(window(layer), args_of(layer, slots, num_moves));
  }

  void search_together(const std::vector<std::vector<std::int32_t>>& slots, const ChainRunner& run_chains,
                       std::vector<std::optional<OptimizeResult>>& found) {
    std::vector<std::unique_ptr<PlacementSearch>> searches(num_layers_);
    parallel_for(num_layers_, args_.num_threads, [&](int layer, int) {
      searches[layer] = std::make_unique<PlacementSearch>(window(layer), args_of(layer, slots[layer], args_.num_moves));
    });
    std::vector<AnnealJob> jobs;
    for (const auto& search : searches) {
      std::ranges::move(search->jobs(), std::back_inserter(jobs));
    }
    std::vector<AnnealResult> ends = run_chains(jobs);
    const std::size_t num_chains = ends.size() / num_layers_;
    parallel_for(num_layers_, args_.num_threads, [&](int layer, int) {
      const auto first = ends.begin() + static_cast<std::ptrdiff_t>(layer * num_chains);
      const auto last = first + static_cast<std::ptrdiff_t>(num_chains);
      found[layer] = searches[layer]->finish({std::make_move_iterator(first), std::make_move_iterator(last)});
      tell_progress(1);
    });
  }

  /// Layers take turns with what does not divide.
  std::vector<std::int32_t> dealt(int layer, int num_slots) const {
    return deal_slots(num_slots, args_.rules.num_ranks, args_.rules.live, layer);
  }

  /// Expected excess imbalance of a layer with so many slots; each is computed once.
  double estimate(int layer, int num_slots) {
    const auto slots = dealt(layer, num_slots);
    const OptimizeResult result = optimize(layer, slots, std::min(kTrialMoves, args_.num_moves));
    return result.score.imbalance[static_cast<int>(Scenario::kNoise)];
  }

  std::vector<std::vector<std::int32_t>> share_out(int total_slots) {
    const PlacementRules& rules = args_.rules;
    check(rules.num_ranks >= 1 && rules.num_ranks <= kMaxRanks, kName, "num_ranks (", rules.num_ranks,
          ") must be in 1..", kMaxRanks);
    check(rules.live.empty() || static_cast<int>(rules.live.size()) == rules.num_ranks, kName, "live has ",
          rules.live.size(), " entries; it must have one for each of the ", rules.num_ranks, " ranks");
    const auto num_dead = std::ranges::count(rules.live, std::uint8_t{0});
    const int row = rules.num_ranks - static_cast<int>(num_dead);
    check(row > 0, kName, "no rank is alive");
    const std::int64_t least = static_cast<std::int64_t>(num_layers_) * args_.rules.num_logical;
    check(total_slots >= least, kName, "total_slots (", total_slots, ") must be at least ", num_layers_, " layers of ",
          args_.rules.num_logical, " experts");
    std::vector<int> num_slots(num_layers_, args_.rules.num_logical);
    std::vector<double> now(num_layers_);
    std::vector<double> next(num_layers_);
    const auto look_ahead = [&](int layer, int) { next[layer] = estimate(layer, num_slots[layer] + row); };
    parallel_for(num_layers_, args_.num_threads,
                 [&](int layer, int) { now[layer] = estimate(layer, num_slots[layer]); });
    parallel_for(num_layers_, args_.num_threads, look_ahead);
    std::int64_t left = total_slots - least;
    while (left > 0) {
      int best = 0;
      for (int layer = 1; layer < num_layers_; ++layer) {
        if (now[layer] - next[layer] > now[best] - next[best]) {
          best = layer;
        }
      }
      const int given = static_cast<int>(std::min<std::int64_t>(left, row));
      num_slots[best] += given;
      left -= given;
      now[best] = std::min(now[best], next[best]);
      if (left > 0) {
        look_ahead(best, 0);
      }
    }
    std::vector<std::vector<std::int32_t>> slots;
    for (int layer = 0; layer < num_layers_; ++layer) {
      slots.push_back(dealt(layer, num_slots[layer]));
    }
    return slots;
  }

  std::span<const Tokens> windows_;
  int num_layers_;
  const OptimizeArgs& args_;
  std::span<const Placement> current_;
  std::mutex mutex_;  // of num_done_ and the callback
  std::int64_t num_done_ = 0;
};

}  // namespace

LayersResult optimize_layers_by(const ChainRunner& run_chains, std::span<const Tokens> windows, int num_layers,
                                const OptimizeArgs& args, std::span<const Placement> current, int total_slots) {
  return LayerOptimizer(windows, num_layers, args, current).run(total_slots, run_chains);
}

LayersResult optimize_layers(std::span<const Tokens> windows, int num_layers, const OptimizeArgs& args,
                             std::span<const Placement> current, int total_slots) {
  return optimize_layers_by({}, windows, num_layers, args, current, total_slots);
}

}  // namespace lplb
