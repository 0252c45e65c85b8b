#pragma once

// The decisions of one chain of the search, by the same text on the CPU and on a GPU: which move to try, and whether it
// stays. Most moves start where a batch hurts: a rank among the fullest of a lane gives an expert, or a further copy of
// one, to an emptier rank. How the tokens of the lanes are levelled after a move is the caller's work.

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/natural_log.h"
#include "base/rng.h"
#include "base/unroll.h"
#include "lplb/optimize.h"
#include "optimize/arrangement.h"
#include "optimize/lanes.h"
#include "optimize/score.h"
#include "optimize/search_rules.h"

namespace lplb {

inline constexpr int kMaxBlocks = 17;  // of lanes

/// What a chain knows of a block of lanes.
struct ChainBlock {
  int scenario = 0;
  int first_batch = 0;                  // of a recorded block, from the latest backwards
  const float* rank_load = nullptr;     // [G, kLanes]
  std::array<double, kLanes> weight{};  // of the lanes
  std::array<double, kLanes> excess{};
  std::array<double, kLanes> old_excess{};  // before the move that is being judged
};

/// What a scenario adds to the objective.
struct ScenarioValue {
  double excess = 0;
  double score = 0;
};

/// How the temperature falls.
struct Cooling {
  double first_temperature = 0;
  double factor = 1;  // from one move to the next
  int num_cycles = 1;
  std::int64_t num_moves = 0;
};

/// The weight of one lane of excess: largest load above the mean, and a little for all that is above it.
constexpr double lane_excess(float max_load, float squares) {
  constexpr float kExcessWeight = 0.02F;  // of the squared excess of all ranks, beside the largest load's
  return std::max(max_load - 1.0F, 0.0F) + kExcessWeight * squares;
}

struct Chain {
  ArrangementView arrangement{};
  RulesView rules{};
  PlacementObjective objective{};
  Cooling cooling{};
  Rng rng{0};
  int num_blocks = 0;
  ChainBlock* blocks = nullptr;         // [num_blocks], those of a scenario one after the other
  double* pulls = nullptr;              // [num_blocks, kLanes] pull_of() of the lanes, for propose()
  double* block_pulls = nullptr;        // [num_blocks] their sums, lane after lane
  std::int32_t* best = nullptr;         // [G * stride] the best end of a cycle
  std::array<int, kMaxBlocks> order{};  // in which blocks are judged
  std::array<int, kNumScenarios + 1> first_block{};
  std::array<int, kNumScenarios> num_lanes{};  // that count
  std::array<double, kNumScenarios> weight_sum{};
  std::array<ScenarioValue, kNumScenarios> values{};
  std::array<ScenarioValue, kNumScenarios> old_values{};  // before the move that is being judged
  double score = 0;
  double new_score = 0;  // with the move that is being judged, as far as blocks have followed it
  double limit = 0;      // the largest score that the move being judged may have
  double temperature = 0;
  double best_score = 0;
  bool has_best = false;
  bool accepted = false;  // the last move
  int num_moved = 0;
  int old_moved = 0;
  int num_followed = 0;  // blocks that the last move was judged on
  int next_refresh = 0;
  std::int64_t num_tried = 0;
  std::int64_t num_accepted = 0;

  /// Once the blocks are known; score_all() comes when they are filled.
  constexpr void begin() {
    LPLB_ROLL
    for (int slot = 0; slot < arrangement.num_slots(); ++slot) {
      num_moved += rules.moved(arrangement.rank_of(slot), arrangement.expert_at(slot));
    }
    LPLB_ROLL
    for (int i = 0; i < num_blocks; ++i) {
      order[i] = i;
      const int scenario = blocks[i].scenario;
      LPLB_ROLL
      for (int later = scenario; later < kNumScenarios; ++later) {
        first_block[later + 1] = i + 1;
      }
      LPLB_ROLL
      for (const double weight : blocks[i].weight) {
        num_lanes[scenario] += weight > 0 ? 1 : 0;
        weight_sum[scenario] += weight;
      }
    }
  }

  /// Before move `i`.
  constexpr void cool(std::int64_t i) {
    const std::int64_t cooled = i * cooling.num_cycles % cooling.num_moves;
    if (cooled < cooling.num_cycles) {
      if (i > 0) {
        keep_if_best();
      }
      temperature = cooling.first_temperature;
    } else {
      temperature *= cooling.factor;
    }
  }

  constexpr void keep_if_best() {
    if (!has_best || score < best_score) {
      has_best = true;
      best_score = score;
      LPLB_ROLL
      for (int slot = 0; slot < arrangement.num_slots(); ++slot) {
        best[slot] = arrangement.expert_at(slot);
      }
    }
  }

  /// After blocks were filled.
  constexpr void score_all() {
    score = 0;
    LPLB_ROLL
    for (int scenario = 0; scenario < kNumScenarios; ++scenario) {
      values[scenario] = value_of(scenario);
      score += values[scenario].score;
    }
  }

  /// What a scenario adds with the blocks' excess as it is.
  constexpr ScenarioValue value_of(int scenario) const {
    double weighted = 0;
    std::array<double, kMaxTail> buffer{};
    WorstExcess worst(buffer.data(), num_worst(num_lanes[scenario]));
    LPLB_ROLL
    for (int i = first_block[scenario]; i < first_block[scenario + 1]; ++i) {
      LPLB_ROLL
      for (int lane = 0; lane < kLanes; ++lane) {
        weighted += blocks[i].weight[lane] * blocks[i].excess[lane];
        if (blocks[i].weight[lane] > 0) {
          worst.add(blocks[i].excess[lane]);
        }
      }
    }
    return value_from(scenario, weighted, num_lanes[scenario] > 0 ? worst.mean() : 0);
  }

  /// `weighted` is the sum of weight * excess over the lanes, `tail` the mean of the worst tenth of those that count.
  constexpr ScenarioValue value_from(int scenario, double weighted, double tail) const {
    double excess = move_cost(objective, scenario, num_moved);
    if (num_lanes[scenario] > 0) {
      excess = with_tail(weighted, weight_sum[scenario], tail, objective.tail) + excess;
    }
    return {excess, scenario_score(objective, scenario, excess)};
  }

  /// How likely a lane is to be picked: the more its excess weighs in the score.
  constexpr double pull_of(int i, int lane) const {
    const ChainBlock& block = blocks[i];
    return block.weight[lane] * (block.excess[lane] + 1e-4) *
           scenario_slope(objective, block.scenario, values[block.scenario].excess);
  }

  /// A move that keeps the rules; false when none that was drawn does. Under a limit most of what is drawn breaks it.
  constexpr bool propose(Move& move) {
    const int num_draws = rules.max_moved >= 0 ? kLimitedDraws : 1;
    LPLB_ROLL
    for (int i = 0; i < num_draws; ++i) {
      if (draw(move)) {
        return true;
      }
    }
    return false;
  }

  /// Makes the move and draws how much worse it may be.
  constexpr void start(const Move& move) {
    limit = score - temperature * natural_log(1.0 - rng.uniform());
    new_score = score;
    num_followed = 0;
    old_values = values;
    old_moved = num_moved;
    num_moved += moved_by(move);
    arrangement.apply(move);
    ++num_tried;
  }

  /// Judges the move on the first `end` blocks of the order, one after the other, and stops as soon as those judged so
  /// far make its acceptance unlikely; it may go on from there where is_undecided(). `follow(position)` gives the value
  /// of the scenario of block order[position] once that block has followed the move.
  template <class Follow>
  constexpr void judge_until(int end, const Follow& follow) {
    LPLB_ROLL
    while (num_followed < end && is_undecided()) {
      ScenarioValue& value = values[blocks[order[num_followed]].scenario];
      new_score -= value.score;
      value = follow(num_followed++);
      new_score += value.score;
    }
  }
  constexpr bool is_undecided() const {
    return num_followed < num_blocks && new_score <= limit + kDropMargin * temperature;
  }

  /// Accepts the move that was judged, or takes it back, but for the blocks: those are the first num_followed of
  /// `order`, and the caller's work.
  constexpr void finish(const Move& move) {
    accepted = num_followed == num_blocks && new_score <= limit;
    if (accepted) {
      score = new_score;
      ++num_accepted;
    } else {
      drop(move);
    }
  }

 private:
  static constexpr double kTargeted = 0.8;        // moves that start from a full rank; the others start anywhere
  static constexpr double kRestores = 0.2;        // moves that take a moved copy back, where their number is limited
  static constexpr int kLimitedDraws = 8;         // of a move, where their number is limited
  static constexpr double kSwaps = 0.5;           // moves that swap two experts; the others copy one
  static constexpr float kNearlyFullest = 2e-3F;  // of the mean load below the largest
  static constexpr double kDropMargin = 4;        // temperatures above the limit at which a move is dropped early
  static constexpr int kMaxTail = num_worst(kMaxBlocks * kLanes);

  constexpr void drop(const Move& move) {
    arrangement.revert(move);
    values = old_values;
    num_moved = old_moved;
    // The block that showed a bad move is likely to show the next one, too: it goes first.
    const int shown = order[num_followed - 1];
    LPLB_ROLL
    for (int i = num_followed - 1; i > 0; --i) {
      order[i] = order[i - 1];
    }
    order[0] = shown;
  }

  constexpr bool draw(Move& move) {
    if (rules.max_moved >= 0 && rng.uniform() < kRestores) {
      return propose_restore(move);
    }
    int from = 0;
    int to = 0;
    if (rng.uniform() < kTargeted) {
      int lane = 0;
      const ChainBlock& block = pick_lane(lane);
      from = pick_full_rank(block, lane);
      to = pick_empty_rank(block, lane);
    } else {
      from = any_rank();
      to = any_rank();
    }
    if (from == to || arrangement.num_slots(from) == 0 || arrangement.num_slots(to) == 0) {
      return false;
    }
    move.from = any_slot(from);
    if (arrangement.expert_at(move.from) == kNone) {
      return false;
    }
    return rng.uniform() < kSwaps ? propose_swap(to, move) : propose_copy(to, move);
  }

  /// By the sums of the blocks first, then within one.
  constexpr const ChainBlock& pick_lane(int& chosen_lane) {
    double sum = 0;
    LPLB_ROLL
    for (int i = 0; i < num_blocks; ++i) {
      sum += block_pulls[i];
    }
    double left = rng.uniform() * sum;
    int i = 0;
    LPLB_ROLL
    for (; i < num_blocks - 1 && left >= block_pulls[i]; ++i) {
      left -= block_pulls[i];
    }
    chosen_lane = 0;
    LPLB_ROLL
    for (; chosen_lane < kLanes - 1 && left >= pulls[i * kLanes + chosen_lane]; ++chosen_lane) {
      left -= pulls[i * kLanes + chosen_lane];
    }
    return blocks[i];
  }

  static constexpr float load_of(const ChainBlock& block, int rank, int lane) {
    return block.rank_load[rank * kLanes + lane];
  }

  constexpr int pick_full_rank(const ChainBlock& block, int lane) {
    const int num_ranks = arrangement.num_ranks();
    float largest = 0;
    LPLB_UNROLL_BY_4
    for (int rank = 0; rank < num_ranks; ++rank) {
      largest = std::max(largest, load_of(block, rank, lane));
    }
    const float least = largest - kNearlyFullest;
    int chosen = 0;
    int num_seen = 0;
    constexpr int kPart = 32;  // looked at together, so that the loads need not wait for each other
    LPLB_ROLL
    for (int first = 0; first < num_ranks; first += kPart) {
      std::uint32_t full = 0;
      LPLB_UNROLL_BY_4
      for (int i = 0; i < kPart && first + i < num_ranks; ++i) {
        full |= static_cast<std::uint32_t>(load_of(block, first + i, lane) >= least) << i;
      }
      LPLB_ROLL
      for (int i = 0; full >> i != 0 && i < kPart; ++i) {
        if ((full >> i & 1U) != 0 && rng.below(++num_seen) == 0) {
          chosen = first + i;
        }
      }
    }
    return chosen;
  }

  /// The emptiest of three.
  constexpr int pick_empty_rank(const ChainBlock& block, int lane) {
    int chosen = any_rank();
    LPLB_ROLL
    for (int i = 0; i < 2; ++i) {
      const int rank = any_rank();
      chosen = load_of(block, rank, lane) < load_of(block, chosen, lane) ? rank : chosen;
    }
    return chosen;
  }

  constexpr int any_rank() { return static_cast<int>(rng.below(arrangement.num_ranks())); }
  constexpr int any_slot(int rank) {
    return arrangement.first_slot(rank) + static_cast<int>(rng.below(arrangement.num_slots(rank)));
  }

  /// Puts an expert back to a rank where the current placement has it, in the place of one that was moved there: what
  /// gives back a part of the budget.
  constexpr bool propose_restore(Move& move) {
    const int rank = any_rank();
    const int to = pick_slot(rank, [&](std::int32_t e) { return rules.moved(rank, e) > 0; });
    const std::int32_t e = pick_missing(rank);
    if (to == kNone || e == kNone) {
      return false;
    }
    const CopyList copies = arrangement.copies(e);
    move.from = copies[static_cast<int>(rng.below(copies.size()))];
    move.to = to;
    if (arrangement.copies(arrangement.expert_at(to)).size() == 1) {
      move.kind = Move::Kind::kSwap;
      return may_swap(move);
    }
    move.kind = Move::Kind::kReplace;
    move.replaced = arrangement.expert_at(to);
    return rules.may_copy(arrangement, e, rank) && fits_budget(move);
  }

  /// An expert that the current placement has on the rank and this one has not; kNone = there is none.
  constexpr std::int32_t pick_missing(int rank) {
    return pick_one(0, arrangement.num_logical(),
                    [&](std::int32_t e) { return rules.moved(rank, e) == 0 && !arrangement.holds(rank, e); });
  }

  /// A slot of the rank whose expert fits; kNone = there is none.
  template <class Fits>
  constexpr int pick_slot(int rank, const Fits& fits) {
    const int first = arrangement.first_slot(rank);
    return pick_one(first, first + arrangement.num_slots(rank),
                    [&](int slot) { return fits(arrangement.expert_at(slot)); });
  }

  /// One of those in [first, end) that fit, each as likely as the others; kNone = none does.
  template <class Fits>
  constexpr int pick_one(int first, int end, const Fits& fits) {
    int chosen = kNone;
    int num_seen = 0;
    LPLB_ROLL
    for (int i = first; i < end; ++i) {
      if (fits(i) && rng.below(++num_seen) == 0) {
        chosen = i;
      }
    }
    return chosen;
  }

  constexpr bool propose_swap(int to, Move& move) {
    move.kind = Move::Kind::kSwap;
    move.to = any_slot(to);
    return may_swap(move);
  }

  constexpr bool may_swap(const Move& move) const {
    const int from = arrangement.rank_of(move.from);
    const int to = arrangement.rank_of(move.to);
    const std::int32_t given = arrangement.expert_at(move.from);
    const std::int32_t taken = arrangement.expert_at(move.to);
    return given != taken && rules.may_move(arrangement, given, from, to) &&
           rules.may_move(arrangement, taken, to, from) && fits_budget(move);
  }

  /// Over a slot of `to` that is empty or whose expert has other copies.
  constexpr bool propose_copy(int to, Move& move) {
    if (!rules.may_copy(arrangement, arrangement.expert_at(move.from), to)) {
      return false;
    }
    move.kind = Move::Kind::kReplace;
    move.to = pick_slot(to, [&](std::int32_t e) { return e == kNone || arrangement.copies(e).size() > 1; });
    if (move.to == kNone) {
      return false;
    }
    move.replaced = arrangement.expert_at(move.to);
    return fits_budget(move);
  }

  constexpr int moved_by(const Move& move) const {
    const int from = arrangement.rank_of(move.from);
    const int to = arrangement.rank_of(move.to);
    const std::int32_t given = arrangement.expert_at(move.from);
    const std::int32_t taken = arrangement.expert_at(move.to);
    const int change = rules.moved(to, given) - rules.moved(to, taken);
    return move.kind == Move::Kind::kReplace ? change : change + rules.moved(from, taken) - rules.moved(from, given);
  }

  constexpr bool fits_budget(const Move& move) const {
    const int change = moved_by(move);
    return rules.max_moved < 0 || change <= 0 || num_moved + change <= rules.max_moved;
  }
};

}  // namespace lplb
