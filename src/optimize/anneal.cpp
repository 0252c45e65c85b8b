// One chain. Most moves start where a batch hurts: a rank among the fullest of a lane gives an expert, or a further
// copy of one, to an emptier rank. A move is dropped as soon as the blocks judged so far make its acceptance unlikely.

#include "optimize/anneal.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace lplb {
namespace {

constexpr double kTargeted = 0.8;        // moves that start from a full rank; the others start anywhere
constexpr double kRestores = 0.2;        // moves that take a moved copy back, where their number is limited
constexpr double kSwaps = 0.5;           // moves that swap two experts; the others copy one
constexpr float kNearlyFullest = 2e-3F;  // of the mean load below the largest
constexpr float kExcessWeight = 0.02F;   // of the squared excess of all ranks, beside the largest load's
constexpr int kRestartSweeps = 20;
constexpr double kDropMargin = 4;  // temperatures above the limit at which a move is dropped early

class Chain {
 public:
  Chain(Arrangement arrangement, const ScenarioSampler& sampler, const SearchRules& rules, const AnnealArgs& args)
      : arrangement_(std::move(arrangement)),
        sampler_(sampler),
        rules_(rules),
        args_(args),
        rng_(mix64(args.seed)),
        dirty_(arrangement_.num_ranks()) {
    make_blocks();
    for (int slot = 0; slot < static_cast<int>(arrangement_.phy2log().size()); ++slot) {
      num_moved_ += rules_.moved(arrangement_.rank_of(slot), arrangement_.expert_at(slot));
    }
    order_.resize(blocks_.size());
    std::iota(order_.begin(), order_.end(), 0);
    old_values_.resize(blocks_.size());
    score_ = total_score();
  }

  AnnealResult run() {
    AnnealResult result;
    const double cooling = std::log(args_.last_temperature / args_.first_temperature);
    for (std::int64_t i = 0; i < args_.num_moves; ++i) {
      if (i % 64 == 0 && args_.go_on && !args_.go_on(i)) {
        break;
      }
      const std::int64_t cooled = i * args_.num_cycles % args_.num_moves;  // of num_moves
      if (i > 0 && cooled < args_.num_cycles) {
        keep_if_best(result);
      }
      temperature_ = args_.first_temperature *
                     std::exp(cooling * static_cast<double>(cooled) / static_cast<double>(args_.num_moves));
      Move move;
      if (propose(move)) {
        ++result.num_moves;
        result.num_accepted += try_move(move) ? 1 : 0;
      }
      if (i % args_.redraw_interval == 0) {
        refresh_block();
      }
    }
    keep_if_best(result);
    return result;
  }

 private:
  struct Judged {
    int scenario;
    int first_batch = 0;  // of a recorded block
    LaneBlock lanes;
    std::array<double, kLanes> weight;  // of the lanes
    std::array<double, kLanes> excess;
  };

  void keep_if_best(AnnealResult& result) const {
    if (result.phy2log.empty() || score_ < result.score) {
      result.phy2log = arrangement_.phy2log();
      result.score = score_;
    }
  }

  void make_blocks() {
    const int num_slots = static_cast<int>(arrangement_.phy2log().size());
    for (int scenario = 0; scenario < kNumScenarios; ++scenario) {
      int num_blocks = args_.num_blocks[scenario];
      if (scenario == 0) {
        num_blocks = std::min(num_blocks, (sampler_.num_batches() + kLanes - 1) / kLanes);
      } else if (args_.objective.weight[scenario] <= 0 && args_.objective.linear[scenario] <= 0) {
        num_blocks = 0;
      }
      for (int i = 0; i < num_blocks; ++i) {
        blocks_.push_back({.scenario = scenario,
                           .first_batch = i * kLanes,
                           .lanes = LaneBlock(arrangement_.num_logical(), arrangement_.num_ranks(), num_slots),
                           .weight = {},
                           .excess = {}});
        fill_block(blocks_.back());
      }
    }
  }

  void fill_block(Judged& block) {
    block.weight.fill(1.0);
    if (block.scenario == 0) {
      // The latest batches, each once; lanes that are left over repeat one and count nothing.
      for (int lane = 0; lane < kLanes; ++lane) {
        const int from_end = block.first_batch + lane;
        const bool real = from_end < sampler_.num_batches();
        const int batch = sampler_.num_batches() - 1 - (real ? from_end : 0);
        sampler_.put_recorded(batch, lane, block.lanes.weights());
        block.weight[lane] = real ? sampler_.recorded_weight(batch) : 0;
      }
    } else {
      sampler_.draw(static_cast<Scenario>(block.scenario), rng_, block.lanes.weights());
    }
    block.lanes.restart(arrangement_, kRestartSweeps);
    measure(block, block.excess);
  }

  void refresh_block() {
    Judged& block = blocks_[next_refresh_];
    next_refresh_ = (next_refresh_ + 1) % blocks_.size();
    fill_block(block);
    score_ = total_score();
  }

  static void measure(const Judged& block, std::array<double, kLanes>& excess) {
    LaneValues max_load;
    LaneValues squares;
    block.lanes.measure(max_load, squares);
    for (int lane = 0; lane < kLanes; ++lane) {
      excess[lane] = std::max(max_load[lane] - 1.0F, 0.0F) + kExcessWeight * squares[lane];
    }
  }

  /// Excess of a scenario over the blocks as they stand.
  double excess_of(int scenario) {
    values_.clear();
    lane_weights_.clear();
    for (const Judged& block : blocks_) {
      if (block.scenario == scenario) {
        for (int lane = 0; lane < kLanes; ++lane) {
          if (block.weight[lane] > 0) {
            values_.push_back(block.excess[lane]);
            lane_weights_.push_back(block.weight[lane]);
          }
        }
      }
    }
    return scenario_excess(values_, lane_weights_, args_.objective.tail) +
           move_cost(args_.objective, scenario, num_moved_);
  }

  double score_of(int scenario) { return scenario_score(args_.objective, scenario, excess_[scenario]); }

  double total_score() {
    double score = 0;
    for (int scenario = 0; scenario < kNumScenarios; ++scenario) {
      excess_[scenario] = excess_of(scenario);
      score += score_of(scenario);
    }
    return score;
  }

  /// A lane, likelier the more its excess weighs in the score.
  std::pair<const Judged*, int> pick_lane() {
    const auto pull = [&](const Judged& block, int lane) {
      return block.weight[lane] * (block.excess[lane] + 1e-4) *
             scenario_slope(args_.objective, block.scenario, excess_[block.scenario]);
    };
    double sum = 0;
    for (const Judged& block : blocks_) {
      for (int lane = 0; lane < kLanes; ++lane) {
        sum += pull(block, lane);
      }
    }
    double left = rng_.uniform() * sum;
    for (const Judged& block : blocks_) {
      for (int lane = 0; lane < kLanes; ++lane) {
        left -= pull(block, lane);
        if (left < 0) {
          return {&block, lane};
        }
      }
    }
    return {&blocks_.front(), 0};
  }

  int pick_full_rank(const Judged& block, int lane) {
    const auto loads = block.lanes.rank_load();
    float largest = 0;
    for (const LaneValues& load : loads) {
      largest = std::max(largest, load[lane]);
    }
    int chosen = 0;
    int num_seen = 0;
    for (int rank = 0; rank < static_cast<int>(loads.size()); ++rank) {
      if (loads[rank][lane] >= largest - kNearlyFullest && rng_.below(++num_seen) == 0) {
        chosen = rank;
      }
    }
    return chosen;
  }

  int any_rank() { return static_cast<int>(rng_.below(arrangement_.num_ranks())); }

  /// The emptiest of three.
  int pick_empty_rank(const Judged& block, int lane) {
    const auto loads = block.lanes.rank_load();
    int chosen = any_rank();
    for (int i = 0; i < 2; ++i) {
      const int rank = any_rank();
      chosen = loads[rank][lane] < loads[chosen][lane] ? rank : chosen;
    }
    return chosen;
  }

  bool propose(Move& move) {
    if (rules_.max_moved >= 0 && rng_.uniform() < kRestores) {
      return propose_restore(move);
    }
    int from = 0;
    int to = 0;
    if (rng_.uniform() < kTargeted) {
      const auto [block, lane] = pick_lane();
      from = pick_full_rank(*block, lane);
      to = pick_empty_rank(*block, lane);
    } else {
      from = any_rank();
      to = any_rank();
    }
    if (from == to || arrangement_.num_slots(from) == 0 || arrangement_.num_slots(to) == 0) {
      return false;
    }
    move.from = arrangement_.first_slot(from) + static_cast<int>(rng_.below(arrangement_.num_slots(from)));
    if (arrangement_.expert_at(move.from) == kNone) {
      return false;
    }
    return rng_.uniform() < kSwaps ? propose_swap(to, move) : propose_copy(to, move);
  }

  /// Puts an expert back to a rank where the current placement has it, in the place of one that was moved there: what
  /// gives back a part of the budget.
  bool propose_restore(Move& move) {
    const int rank = any_rank();
    const int to = pick_slot(rank, [&](std::int32_t e) { return rules_.moved(rank, e) > 0; });
    const std::int32_t e = pick_missing(rank);
    if (to < 0 || e == kNone) {
      return false;
    }
    const auto& copies = arrangement_.copies(e);
    move.from = copies[rng_.below(copies.size())];
    if (arrangement_.copies(arrangement_.expert_at(to)).size() == 1) {
      move.kind = Move::Kind::kSwap;
      move.to = to;
      return may_swap(move);
    }
    move = {.kind = Move::Kind::kReplace, .from = move.from, .to = to, .replaced = arrangement_.expert_at(to)};
    return rules_.may_copy(arrangement_, e, rank) && fits_budget(move);
  }

  /// An expert that the current placement has on the rank and this one has not; kNone = there is none.
  std::int32_t pick_missing(int rank) {
    std::int32_t chosen = kNone;
    int num_seen = 0;
    for (std::int32_t e = 0; e < arrangement_.num_logical(); ++e) {
      if (rules_.moved(rank, e) == 0 && !arrangement_.holds(rank, e) && rng_.below(++num_seen) == 0) {
        chosen = e;
      }
    }
    return chosen;
  }

  /// A slot of the rank whose expert fits; -1 = there is none.
  template <class Fits>
  int pick_slot(int rank, Fits&& fits) {
    int chosen = -1;
    int num_seen = 0;
    const int first = arrangement_.first_slot(rank);
    for (int slot = first; slot < first + arrangement_.num_slots(rank); ++slot) {
      if (fits(arrangement_.expert_at(slot)) && rng_.below(++num_seen) == 0) {
        chosen = slot;
      }
    }
    return chosen;
  }

  bool propose_swap(int to, Move& move) {
    move.kind = Move::Kind::kSwap;
    move.to = arrangement_.first_slot(to) + static_cast<int>(rng_.below(arrangement_.num_slots(to)));
    return may_swap(move);
  }

  bool may_swap(const Move& move) const {
    const int from = arrangement_.rank_of(move.from);
    const int to = arrangement_.rank_of(move.to);
    const std::int32_t given = arrangement_.expert_at(move.from);
    const std::int32_t taken = arrangement_.expert_at(move.to);
    return given != taken && rules_.may_move(arrangement_, given, from, to) &&
           rules_.may_move(arrangement_, taken, to, from) && fits_budget(move);
  }

  /// Over a slot of `to` that is empty or whose expert has other copies.
  bool propose_copy(int to, Move& move) {
    if (!rules_.may_copy(arrangement_, arrangement_.expert_at(move.from), to)) {
      return false;
    }
    move.kind = Move::Kind::kReplace;
    move.to = pick_slot(to, [&](std::int32_t e) { return e == kNone || arrangement_.copies(e).size() > 1; });
    if (move.to < 0) {
      return false;
    }
    move.replaced = arrangement_.expert_at(move.to);
    return fits_budget(move);
  }

  int moved_by(const Move& move) const {
    const int from = arrangement_.rank_of(move.from);
    const int to = arrangement_.rank_of(move.to);
    const std::int32_t given = arrangement_.expert_at(move.from);
    const std::int32_t taken = arrangement_.expert_at(move.to);
    const int change = rules_.moved(to, given) - rules_.moved(to, taken);
    return move.kind == Move::Kind::kReplace ? change : change + rules_.moved(from, taken) - rules_.moved(from, given);
  }

  bool fits_budget(const Move& move) const {
    const int change = moved_by(move);
    return rules_.max_moved < 0 || change <= 0 || num_moved_ + change <= rules_.max_moved;
  }

  bool try_move(const Move& move) {
    const double limit = score_ - temperature_ * std::log(1.0 - rng_.uniform());
    const auto old_excess = excess_;
    const int old_moved = num_moved_;
    num_moved_ += moved_by(move);
    arrangement_.apply(move);
    double score = score_;
    const std::size_t num_followed = follow(move, limit + kDropMargin * temperature_, score);
    if (num_followed == blocks_.size() && score <= limit) {
      for (Judged& block : blocks_) {
        block.lanes.keep();
      }
      score_ = score;
      return true;
    }
    arrangement_.revert(move);
    for (std::size_t i = 0; i < num_followed; ++i) {
      Judged& block = blocks_[order_[i]];
      block.lanes.take_back();
      block.excess = old_values_[i];
    }
    excess_ = old_excess;
    num_moved_ = old_moved;
    // The block that showed a bad move is likely to show the next one, too: it goes first.
    const auto shown = order_.begin() + static_cast<std::ptrdiff_t>(num_followed) - 1;
    std::rotate(order_.begin(), shown, shown + 1);
    return false;
  }

  /// Follows a move block by block, and stops once the score is above the limit. Returns the number of blocks.
  std::size_t follow(const Move& move, double limit, double& score) {
    std::size_t num_followed = 0;
    while (num_followed < blocks_.size() && score <= limit) {
      Judged& block = blocks_[order_[num_followed]];
      block.lanes.follow(arrangement_, move, dirty_, args_.relax);
      old_values_[num_followed++] = block.excess;
      measure(block, block.excess);
      score -= score_of(block.scenario);
      excess_[block.scenario] = excess_of(block.scenario);
      score += score_of(block.scenario);
    }
    return num_followed;
  }

  Arrangement arrangement_;
  const ScenarioSampler& sampler_;
  const SearchRules& rules_;
  const AnnealArgs& args_;
  Rng rng_;
  DirtyRanks dirty_;
  std::vector<Judged> blocks_;
  std::vector<int> order_;                              // in which blocks are judged
  std::vector<std::array<double, kLanes>> old_values_;  // of the blocks in order_, before the move
  std::array<double, kNumScenarios> excess_ = {};
  std::vector<double> values_;
  std::vector<double> lane_weights_;
  std::size_t next_refresh_ = 0;
  int num_moved_ = 0;
  double score_ = 0;
  double temperature_ = 0;
};

}  // namespace

AnnealResult anneal(Arrangement arrangement, const ScenarioSampler& sampler, const SearchRules& rules,
                    const AnnealArgs& args) {
  return Chain(std::move(arrangement), sampler, rules, args).run();
}

}  // namespace lplb
