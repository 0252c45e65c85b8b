#pragma once

// A component of up to 32 or 64 ranks whose classes are all pairs, by one warp in registers. A lane has one or two
// ranks and holds their loads; both ends of a pair hold the pair (partner, own amount, the other's), a register set a
// color. A step on a color is one shuffle: both ends compute the mirrored move from the same integers, so nothing is
// written to memory and nothing is synchronized. docs/solver.md specifies the orders.

#include <algorithm>

#include "solve/simt.h"
#include "solve/solve_arrays.h"
#include "solve/sweeps.h"
#include "solve/warp_component.h"

namespace lplb::cuda {

template <class Simt, int kRanksPerLane, int kColors>
class PairSolver {
  using Ranks = RankSet<Simt, kRanksPerLane>;

 public:
  LPLB_DEVICE PairSolver(const SolveTask& task, const SolveArrays& arrays) : c_(task, arrays) {}

  LPLB_DEVICE void run() {
    start();
    c_.balance(*this);
    write();
  }

  /// The same from and to registers: `fixed` is the load of this lane's rank that cannot move, `totals` the tokens of
  /// its pairs.
  LPLB_DEVICE void run(int fixed, const PairWord (&pairs)[kColors], const int (&totals)[kColors]) {
    static_assert(kRanksPerLane == 1);
    c_.load[0] = fixed;
    LPLB_UNROLL
    for (int color = 0; color < kColors; ++color) {
      start_pair(color, 0, pairs[color], totals[color]);
    }
    const int all_fixed[1] = {fixed};
    c_.start_bound(all_fixed);
    c_.balance(*this);
  }
  LPLB_DEVICE int amount(int color) const { return amount_[color][0]; }
  LPLB_DEVICE const WarpComponent<Simt, kRanksPerLane>& component() const { return c_; }

  /// More than 32 ranks are two a lane.
  LPLB_DEVICE static constexpr SweepRule rule() { return sweep_rule(false, kRanksPerLane * kWarpSize); }

  LPLB_DEVICE int equalize(int max_sweeps) {
    return c_.task.has_cycle != 0 ? equalize_pairs<true>(max_sweeps) : equalize_pairs<false>(max_sweeps);
  }

  LPLB_DEVICE void find_outlets() {
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      c_.outlets[i] = Ranks{};
    }
    each_color([&](int color) {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        c_.outlets[i].add_if(amount_[color][i] > 0, partner_[color][i]);
      }
    });
  }

  /// Level by level, farthest first; on a level all ranks push at once, each by its colors in order.
  LPLB_DEVICE void push_wave() {
    int room[kRanksPerLane];
    int limit[kColors][kRanksPerLane];  // what a rank can push by a color
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      room[i] = c_.room(i);
    }
    each_color([&](int color) {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        const int most = std::min(amount_[color][i], of_partner(room, color, i));
        limit[color][i] = c_.nearer[i].has(partner_[color][i]) ? most : 0;
      }
    });
    LPLB_ROLL
    for (int distance = c_.depth; distance > 0; --distance) {
      push_level(distance, limit);
    }
  }

 private:
  /// Calls visit(color) for every color of the component: the first four, which most have, without a question.
  template <class Visit>
  LPLB_DEVICE void each_color(const Visit& visit) {
    LPLB_UNROLL
    for (int color = 0; color < std::min(4, kColors); ++color) {
      visit(color);
    }
    LPLB_UNROLL
    for (int color = 4; color < kColors; ++color) {
      if (color < c_.task.num_colors) {
        visit(color);
      }
    }
  }

  /// What the partner of rank i by that color has in `values`.
  LPLB_DEVICE int of_partner(const int (&values)[kRanksPerLane], int color, int i) const {
    const int partner = partner_[color][i];
    int value = Simt::shuffle(values[0], partner);
    LPLB_UNROLL
    for (int word = 1; word < kRanksPerLane; ++word) {
      const int here = Simt::shuffle(values[word], partner);
      value = partner >= word * kWarpSize ? here : value;
    }
    return value;
  }

  static constexpr int kFours = (kColors + 3) / 4;
  struct alignas(16) FourPairs {
    PairWord color[4];
  };

  LPLB_DEVICE void start() {
    int fixed[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      rank_[i] = section<int>(c_.arrays.image, c_.task.ranks)[c_.rank_at(i)];
      fixed[i] = c_.is_rank(i) ? c_.arrays.fixed_load[c_.task.first_rank + c_.rank_at(i)] : 0;
      c_.load[i] = fixed[i];
      LPLB_UNROLL
      for (int four = 0; four < kFours; ++four) {
        const FourPairs pairs = section<FourPairs>(c_.arrays.image, c_.task.pairs)[c_.rank_at(i) * kFours + four];
        LPLB_UNROLL
        for (int color = 4 * four; color < std::min(4 * four + 4, kColors); ++color) {
          start_pair(color, i, pairs.color[color % 4], c_.arrays.tokens_at(pairs.color[color % 4] >> 16));
        }
      }
    }
    c_.start_bound(fixed);
  }

  LPLB_DEVICE void start_pair(int color, int i, PairWord pair, int total) {
    const int half = total >> 1;
    partner_[color][i] = static_cast<int>(pair & 255);
    amount_[color][i] = (pair & kPairIsLower) != 0 ? total - half : half;
    others_[color][i] = total - amount_[color][i];
    c_.load[i] += amount_[color][i];
  }

  /// Phase 1, as WarpComponent::equalize has it. While the warp finds the fullest rank, the first color of the next
  /// sweep is under way; it is taken back where there is none.
  template <bool kOverRelax>
  LPLB_DEVICE int equalize_pairs(int max_sweeps) {
    FirstColor before_next = first_color();
    int most = Ranks::largest(c_.load);
    level<kOverRelax>(0);
    int excess = most - c_.outcome.target;
    LPLB_ROLL
    for (int num_left = max_sweeps; num_left > 0 && excess > 0; --num_left) {
      each_color([&](int color) {
        if (color > 0) {
          level<kOverRelax>(color);
        }
      });
      ++c_.outcome.num_sweeps;
      before_next = first_color();
      most = Ranks::largest(c_.load);
      level<kOverRelax>(0);
      const int before = excess;
      excess = most - c_.outcome.target;
      if (excess > most_left(before, rule())) {
        break;
      }
    }
    take_back(before_next);
    return excess;
  }

  /// What a step on the first color changes.
  struct FirstColor {
    int load[kRanksPerLane];
    int amount[kRanksPerLane];
    int others[kRanksPerLane];
  };
  LPLB_DEVICE FirstColor first_color() const {
    FirstColor state;
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      state.load[i] = c_.load[i];
      state.amount[i] = amount_[0][i];
      state.others[i] = others_[0][i];
    }
    return state;
  }
  LPLB_DEVICE void take_back(const FirstColor& state) {
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      c_.load[i] = state.load[i];
      amount_[0][i] = state.amount[i];
      others_[0][i] = state.others[i];
    }
  }

  template <bool kOverRelax>
  LPLB_DEVICE void level(int color) {
    int others_load[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      others_load[i] = of_partner(c_.load, color, i);
    }
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      const int wish = wished_move(c_.load[i] - others_load[i], kOverRelax ? ~0 : 0);
      give(color, i, std::max(std::min(wish, amount_[color][i]), -others_[color][i]));
    }
  }

  LPLB_DEVICE void give(int color, int i, int move) {
    amount_[color][i] -= move;
    others_[color][i] += move;
    c_.load[i] -= move;
  }

  LPLB_DEVICE void push_level(int distance, const int (&limit)[kColors][kRanksPerLane]) {
    int excess[kRanksPerLane];
    LPLB_UNROLL
    for (int i = 0; i < kRanksPerLane; ++i) {
      excess[i] = c_.distance[i] == distance ? std::max(c_.load[i] - c_.outcome.target, 0) : 0;
    }
    each_color([&](int color) {
      int move[kRanksPerLane];
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        move[i] = std::min(excess[i], limit[color][i]);
        excess[i] -= move[i];
      }
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        give(color, i, move[i] - of_partner(move, color, i));
      }
    });
  }

  LPLB_DEVICE void write() {
    c_.write_loads(rank_);
    each_color([&](int color) {
      LPLB_UNROLL
      for (int i = 0; i < kRanksPerLane; ++i) {
        if (c_.is_rank(i) && color < c_.task.num_colors) {
          c_.arrays.amounts[c_.task.first_amount + color * c_.task.num_ranks + c_.rank_at(i)] = amount_[color][i];
        }
      }
    });
  }

  WarpComponent<Simt, kRanksPerLane> c_;
  int rank_[kRanksPerLane];              // by its number in the placement
  int partner_[kColors][kRanksPerLane];  // the rank itself where the color has no pair
  int amount_[kColors][kRanksPerLane];   // tokens of the pair here
  int others_[kColors][kRanksPerLane];   // and on the partner
};

}  // namespace lplb::cuda
