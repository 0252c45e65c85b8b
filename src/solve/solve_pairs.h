#pragma once

// A component of up to 32 or 64 ranks whose classes are all pairs, by one warp in registers. A lane has one or two
// ranks and holds their loads; both ends of a pair hold the pair (partner, own amount, the other's), a register set a
// color. A step on a color is one shuffle: both ends compute the mirrored move from the same integers, so nothing is
// written to memory and nothing is synchronized. docs/solver.md specifies the orders.

#include <algorithm>
#include <limits>

#include "solve/rank_set.h"
#include "solve/simt.h"
#include "solve/solve_image.h"

namespace lplb::cuda {

template <class Simt, int kRanksPerLane, int kColors>
class PairSolver {
  static constexpr int kWords = kRanksPerLane;
  using Ranks = RankSet<Simt, kWords>;

 public:
  LPLB_DEVICE PairSolver(const SolveTask& task, const SolveArrays& arrays)
      : task_(task), arrays_(arrays), lane_(Simt::lane()) {}

  LPLB_DEVICE SolveOutcome run() {
    start();
    equalize();
    finish();
    write();
    return outcome_;
  }

 private:
  LPLB_DEVICE bool is_rank(int i) const { return lane_ + i * kWarpSize < task_.num_ranks; }

  /// Calls visit(color) for every color of the component: the first four, which most have, without a question.
  template <class Visit>
  LPLB_DEVICE void each_color(const Visit& visit) {
    LPLB_UNROLL
    for (int color = 0; color < 4; ++color) {
      visit(color);
    }
    if (kColors > 4 && task_.num_colors > 4) {
      LPLB_UNROLL
      for (int color = 4; color < kColors; ++color) {
        visit(color);
      }
    }
  }

  /// What the partner of rank i by that color has in `values`.
  LPLB_DEVICE int of_partner(const int (&values)[kRanksPerLane], int color, int i) const {
    const int partner = partner_[i][color];
    int value = Simt::shuffle(values[0], partner);
    LPLB_UNROLL
    for (int word = 1; word < kWords; ++word) {
      const int here = Simt::shuffle(values[word], partner);
      value = partner >= word * kWarpSize ? here : value;
    }
    return value;
  }

  struct alignas(16) FourPairs {
    PairWord color[4];
  };

  LPLB_DEVICE void start() {
    int fixed[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const int here = lane_ + i * kWarpSize;
      rank_[i] = section<int>(arrays_.image, task_.ranks)[here];
      fixed[i] = arrays_.fixed_load[rank_[i]];
      load_[i] = fixed[i];
      LPLB_UNROLL
      for (int four = 0; four < kColors / 4; ++four) {
        const FourPairs pairs = section<FourPairs>(arrays_.image, task_.arcs)[here * (kColors / 4) + four];
        LPLB_UNROLL
        for (int color = 0; color < 4; ++color) {
          start_pair(4 * four + color, i, pairs.color[color]);
        }
      }
    }
    bottleneck_ = Ranks::start_bound(load_, fixed, task_, outcome_.target);
  }

  LPLB_DEVICE void start_pair(int color, int i, PairWord pair) {
    const int total = arrays_.class_total[pair >> 16];
    const int half = total >> 1;
    partner_[i][color] = static_cast<int>(pair & 255);
    amount_[i][color] = (pair >> 8 & 1) != 0 ? total - half : half;
    others_[i][color] = total - amount_[i][color];
    load_[i] += amount_[i][color];
  }

  LPLB_DEVICE void equalize() {
    if (task_.has_cycle != 0) {
      sweep<true>();
    } else {
      sweep<false>();
    }
  }

  template <bool kOverRelax>
  LPLB_DEVICE void sweep() {
    int excess = Ranks::largest(load_) - outcome_.target;
    LPLB_ROLL
    while (outcome_.num_sweeps < kMaxSweeps && excess > 0) {
      each_color([&](int color) { level<kOverRelax>(color); });
      ++outcome_.num_sweeps;
      const int before = excess;
      excess = Ranks::largest(load_) - outcome_.target;
      if (excess > before - before / 8) {
        break;
      }
    }
  }

  template <bool kOverRelax>
  LPLB_DEVICE void level(int color) {
    int others_load[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      others_load[i] = of_partner(load_, color, i);
    }
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const int wish = wished_move(load_[i] - others_load[i], kOverRelax ? ~0 : 0);
      give(color, i, std::max(std::min(wish, amount_[i][color]), -others_[i][color]));
    }
  }

  LPLB_DEVICE void give(int color, int i, int move) {
    amount_[i][color] -= move;
    others_[i][color] += move;
    load_[i] -= move;
  }

  LPLB_DEVICE void finish() {
    LPLB_ROLL
    for (int round = max_rounds(task_.num_ranks); round > 0; --round) {
      Ranks above;
      LPLB_UNROLL
      for (int i = 0; i < kWords; ++i) {
        above.word[i] = Simt::ballot(load_[i] > outcome_.target);
      }
      if (above.is_empty()) {
        return;
      }
      const Ranks missing = above.without(search_distances(above));
      if (missing.is_empty()) {
        push_wave();
      } else {
        raise_target(missing);
      }
    }
  }

  /// Labels ranks by their distance to the nearest sink until all above the target are reached; returns the reached.
  LPLB_DEVICE Ranks search_distances(const Ranks& above) {
    Ranks reached;
    LPLB_UNROLL
    for (int i = 0; i < kWords; ++i) {
      outlets_[i] = Ranks{};
      const bool is_sink = is_rank(i) && load_[i] < outcome_.target;
      reached.word[i] = Simt::ballot(is_sink);
      distance_[i] = is_sink ? 0 : kUnreached;
    }
    each_color([&](int color) {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        outlets_[i].add_if(amount_[i][color] > 0, partner_[i][color]);
      }
    });
    LPLB_ROLL
    for (depth_ = 0; !above.without(reached).is_empty();) {
      Ranks found;
      bool is_found[kRanksPerLane];
      LPLB_UNROLL
      for (int i = 0; i < kWords; ++i) {
        is_found[i] = distance_[i] == kUnreached && outlets_[i].meets(reached);
        found.word[i] = Simt::ballot(is_found[i]);
      }
      if (found.is_empty()) {
        break;
      }
      ++depth_;
      LPLB_UNROLL
      for (int i = 0; i < kWords; ++i) {
        if (is_found[i]) {
          distance_[i] = depth_;
          outlets_[i] = outlets_[i].common(reached);  // nearer ones would have labelled this rank before
        }
      }
      reached = reached.joined(found);
    }
    return reached;
  }

  LPLB_DEVICE void push_wave() {
    ++outcome_.num_waves;
    unsigned outlets[kRanksPerLane];  // colors over which a rank pushes; each partner has one color
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      outlets[i] = 0;
      LPLB_UNROLL
      for (int color = 0; color < kColors; ++color) {
        outlets[i] |= outlets_[i].has(partner_[i][color]) ? 1U << color : 0;
      }
    }
    LPLB_ROLL
    for (int distance = depth_; distance > 0; --distance) {
      unsigned mine[kRanksPerLane];
      unsigned all = 0;
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        mine[i] = distance_[i] == distance && load_[i] > outcome_.target ? outlets[i] : 0;
        all |= mine[i];
      }
      const unsigned colors = Simt::reduce_or(all);
      LPLB_UNROLL
      for (int color = 0; color < kColors; ++color) {
        if ((colors >> color & 1) != 0) {
          push(color, mine);
        }
      }
    }
  }

  /// A giver offers what it can give, every other rank the complement of its room, which is negative; so each end knows
  /// whether the pair has a giver, and both take the smaller of the two.
  LPLB_DEVICE void push(int color, const unsigned (&mine)[kRanksPerLane]) {
    int offer[kRanksPerLane];
    int answer[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const int excess = load_[i] - outcome_.target;
      const int room = distance_[i] == 0 ? -excess : std::numeric_limits<int>::max();
      offer[i] = (mine[i] >> color & 1) != 0 && excess > 0 ? std::min(excess, amount_[i][color]) : ~room;
    }
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      answer[i] = of_partner(offer, color, i);
    }
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const int taken = answer[i] >= 0 ? -std::min(answer[i], ~offer[i]) : 0;
      give(color, i, offer[i] >= 0 ? std::min(offer[i], ~answer[i]) : taken);
    }
  }

  LPLB_DEVICE void raise_target(const Ranks& missing) {
    ++outcome_.num_raises;
    bottleneck_ = Ranks::closure(missing, outlets_);
    outcome_.target = bottleneck_.ceil_mean(load_);
  }

  LPLB_DEVICE void write() {
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      if (is_rank(i)) {
        arrays_.load[rank_[i]] = load_[i];
        arrays_.in_bottleneck[rank_[i]] = bottleneck_.has_own(i, lane_) ? 1 : 0;
      }
    }
    each_color([&](int color) {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        if (is_rank(i) && color < task_.num_colors) {
          arrays_.amounts[task_.first_amount + color * task_.num_ranks + lane_ + i * kWarpSize] = amount_[i][color];
        }
      }
    });
  }

  static constexpr int kUnreached = std::numeric_limits<int>::max();

  const SolveTask task_;
  const SolveArrays& arrays_;
  const int lane_;
  int rank_[kRanksPerLane];
  int load_[kRanksPerLane];
  int partner_[kRanksPerLane][kColors];  // the rank itself where the color has no pair
  int amount_[kRanksPerLane][kColors];   // tokens of the pair here
  int others_[kRanksPerLane][kColors];   // and on the partner
  Ranks outlets_[kRanksPerLane];         // ranks that can take tokens from this one; once labelled, the nearer ones
  Ranks bottleneck_;
  int distance_[kRanksPerLane];
  int depth_;  // largest distance of the last search
  SolveOutcome outcome_;
};

}  // namespace lplb::cuda
