#pragma once

// The short way of a block, for few splits over placements whose components are small graphs of pairs: from the lane
// tables and the counts to the plan in registers, with two barriers of the block between. pair_lanes.h says which
// placements those are; the kernel falls back on solve_block() for any other.

#include <cstdint>

#include "solve/block_input.h"
#include "solve/block_output.h"
#include "solve/block_state.h"
#include "solve/pair_lanes.h"
#include "solve/solve_block.h"
#include "solve/solve_pairs.h"

namespace lplb::cuda {

/// The last warps solve a component each and hand out its copies of pairs; the others do what else there is.
template <class Simt, class Kind>
class PairsBlock {
  using Solver = PairSolver<Simt, 1, kLaneColors>;
  using Output = BlockOutput<Simt, Kind>;

 public:
  LPLB_DEVICE PairsBlock(const SolveArgs& args, unsigned* shared, int split) : block_(args, shared, split) {
    block_.arrays.image = block_.source;
  }

  /// Returns whether the image has lane tables, and no more components than the launch has a warp for. The tables are
  /// asked for first: theirs is the longest way.
  template <class Wait>
  LPLB_DEVICE bool stage(Wait wait) {
    wait();
    const unsigned* const tables = block_.source + block_.args.lanes_begin;
    const int task = Simt::num_warps() - 1 - block_.thread / kWarpSize;
    if (task < block_.args.num_lane_tasks) {
      load_table(tables + kLaneTableHeader + task * kLaneTaskWords);
    }
    BlockInput<Simt, Kind> input(block_);
    const int first = input.first_count();
    block_.num_tasks = of_all(static_cast<int>(tables[0]));
    input.clear_block_sums();
    input.put_counts(first);
    Simt::sync_block();
    return block_.num_tasks > 0 && block_.num_tasks <= block_.args.num_lane_tasks;
  }

  LPLB_DEVICE void run() {
    Output output(block_);
    SolveArrays arrays = block_.arrays;
    arrays.image = reciprocals();
    Solver solver(task(), arrays);
    const bool is_solver = block_.first_task() < block_.num_tasks;
    if (is_solver) {
      put_reciprocals();
      const PairTotals totals = pair_totals();
      solver.run(fixed_load(), table_.pair, totals.color);
      add_component(solver, output);
    } else {
      output.write_known_slots();
    }
    output.add_digest();
    Simt::sync_block();
    if (is_solver) {
      write_component(solver);
    } else {
      output.write_summary();
    }
  }

 private:
  LPLB_DEVICE void load_table(const unsigned* words) {
    struct alignas(16) Row {
      unsigned word[4];
    };
    LPLB_UNROLL
    for (int row = 0; row < kLaneRows; ++row) {
      reinterpret_cast<Row*>(&table_)[row] = section<Row>(words, 0)[row * kWarpSize + Simt::lane()];
    }
  }

  /// What all lanes have, from one of them: else the compiler, in doubt whether a warp's lanes go together, puts a
  /// branch before each exchange between them.
  LPLB_DEVICE static int of_all(int value) { return Simt::shuffle(value, 0); }

  LPLB_DEVICE SolveTask task() const {
    SolveTask task{};
    task.num_ranks = of_all(table_.num_ranks);
    task.num_colors = kLaneColors;
    task.has_cycle = of_all(table_.has_cycle);
    task.component = table_.component;
    task.reciprocal = static_cast<unsigned>(of_all(static_cast<int>(table_.reciprocal)));
    return task;
  }

  /// Where the solver looks for the reciprocal of n: n words behind what this returns.
  LPLB_DEVICE const unsigned* reciprocals() const { return reinterpret_cast<const unsigned*>(block_.arrays.scratch); }
  LPLB_DEVICE void put_reciprocals() {
    block_.arrays.scratch[Simt::lane() + 1] = static_cast<int>(table_.lane_reciprocal);
    Simt::sync_warp();
  }

  LPLB_DEVICE int fixed_load() const {
    int load = tokens_of(table_.fixed);
    if (table_.has_more_fixed != 0) [[unlikely]] {
      load += tokens_of(table_.more_fixed);
    }
    const int log_width = of_all(table_.log_width);
    if (log_width <= 4) {
      load += Simt::shuffle(load, Simt::lane() ^ 16);
      if (log_width <= 3) {
        load += Simt::shuffle(load, Simt::lane() ^ 8);
        if (log_width <= 2) [[unlikely]] {
          load += Simt::shuffle(load, Simt::lane() ^ 4);
          load += log_width <= 1 ? Simt::shuffle(load, Simt::lane() ^ 2) : 0;
        }
      }
    }
    if (!Kind::kPlain && block_.args.base_load != nullptr) [[unlikely]] {
      load += block_.args.base_load[block_.first_rank() + table_.rank];
    }
    return Simt::lane() < table_.num_ranks ? load : 0;
  }

  LPLB_DEVICE int tokens_of(const std::uint16_t (&experts)[kLaneFixed]) const {
    int tokens[kLaneFixed];
    LPLB_UNROLL
    for (int i = 0; i < kLaneFixed; ++i) {
      tokens[i] = block_.arrays.tokens_at(experts[i]);
    }
    return ((tokens[0] + tokens[1]) + (tokens[2] + tokens[3])) + ((tokens[4] + tokens[5]) + (tokens[6] + tokens[7]));
  }

  struct PairTotals {
    int color[kLaneColors];
  };
  LPLB_DEVICE PairTotals pair_totals() const {
    PairTotals totals;
    LPLB_UNROLL
    for (int color = 0; color < kLaneColors; ++color) {
      totals.color[color] = block_.arrays.tokens_at(table_.pair[color] >> 16);
    }
    return totals;
  }

  /// What the component adds to the sums of the block.
  LPLB_DEVICE void add_component(const Solver& solver, Output& output) const {
    output.add_load(table_.rank_key, solver.component().load[0]);
    LPLB_UNROLL
    for (int color = 0; color < kLaneColors; ++color) {
      output.add_tokens(table_.slot_key[color], solver.amount(color));
    }
    output.add_outcome(solver.component());
  }

  /// Its part of the plan: of each lane the copies of pairs, and the rank. Few instructions matter here: indices have
  /// 32 bits, which suffice for few splits, and each array is asked for once.
  LPLB_DEVICE void write_component(const Solver& solver) const {
    const auto& component = solver.component();
    const auto split = static_cast<unsigned>(block_.split);
    if (block_.args.quota != nullptr) {
      int* const quota = block_.args.quota + split * static_cast<unsigned>(block_.args.num_physical);
      LPLB_UNROLL
      for (int color = 0; color < kLaneColors; ++color) {
        if (table_.slot[color] != kNoSlot) {
          quota[table_.slot[color]] = solver.amount(color);
        }
      }
    }
    const unsigned rank = split * static_cast<unsigned>(block_.args.num_ranks) + table_.rank;
    if (component.is_rank(0)) {
      if (block_.args.rank_load != nullptr) {
        block_.args.rank_load[rank] = component.load[0];
      }
      if (block_.args.in_bottleneck != nullptr) {
        block_.args.in_bottleneck[rank] = component.bottleneck.has_own(0, component.lane) ? 1 : 0;
      }
    }
  }

  BlockState<Simt, Kind> block_;
  LaneTable table_{};
};

/// A split by the lane tables of its image, where that has them. Arguments as of solve_block().
template <class Simt, class Kind, class Wait>
LPLB_DEVICE void solve_block_by_lanes(const SolveArgs& args, unsigned* shared, int split, Wait wait) {
  PairsBlock<Simt, Kind> pairs(args, shared, split);
  if (pairs.stage(wait)) [[likely]] {
    pairs.run();
  } else {
    solve_block<Simt, Kind>(args, shared, split, [] {});
  }
}

}  // namespace lplb::cuda
