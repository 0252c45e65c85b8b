#pragma once

// One split by one block: take in the image and the counts, solve each component by a warp, hand the plan out. Four
// barriers of the block stand between.

#include <cstdint>

#include "solve/block_input.h"
#include "solve/block_output.h"
#include "solve/block_state.h"
#include "solve/solve_classes.h"
#include "solve/solve_pairs.h"

namespace lplb::cuda {

/// A task from its words, a lane a word, so that all lanes are known to have the same.
template <class Simt>
LPLB_DEVICE SolveTask task_of(unsigned word) {
  SolveTask task;
  LPLB_UNROLL
  for (int i = 0; i < kTaskWords; ++i) {
    reinterpret_cast<int*>(&task)[i] = Simt::shuffle(static_cast<int>(word), i);
  }
  return task;
}

/// Each kind reads the task and writes the outcome for itself: what the kinds had in common would stay out of registers
/// in all of them as soon as it does in the largest.
template <class Simt>
LPLB_DEVICE void solve_task(unsigned task_word, const SolveArrays& arrays, SolveOutcome& outcome) {
  const auto kind = static_cast<TaskKind>(Simt::shuffle(static_cast<int>(task_word), kTaskKindWord));
  if (kind == TaskKind::kPairs1x4) {  // before the others, which a jump table serves
    return PairSolver<Simt, 1, 4>(task_of<Simt>(task_word), arrays).run(outcome);
  }
  switch (kind) {
    case TaskKind::kPairs1x8:
      return PairSolver<Simt, 1, kMaxPairColors>(task_of<Simt>(task_word), arrays).run(outcome);
    case TaskKind::kPairs2x6:
      return PairSolver<Simt, 2, kMaxPairColorsOf64>(task_of<Simt>(task_word), arrays).run(outcome);
    case TaskKind::kClasses1:
      return ClassSolver<Simt, 1>(task_of<Simt>(task_word), arrays).run(outcome);
    case TaskKind::kClasses2:
      return ClassSolver<Simt, 2>(task_of<Simt>(task_word), arrays).run(outcome);
    default:
      return ClassSolver<Simt, 4>(task_of<Simt>(task_word), arrays).run(outcome);
  }
}

/// The component that a warp takes after one that it has solved: none has it yet.
template <class Simt>
LPLB_DEVICE int next_task(int num_tasks, BlockSums& sums) {
  int next = 0;
  if (num_tasks > Simt::num_warps()) {
    if (Simt::lane() == 0) {
      next = Simt::add(&sums.num_taken, 1);
    }
    next = Simt::shuffle(next, 0);
  }
  return next + Simt::num_warps();
}

/// A warp a component, the next one to whoever is done.
template <class Simt, bool kInShared>
LPLB_DEVICE void solve_components(BlockState<Simt, kInShared>& block, const BlockInput<Simt, kInShared>& input) {
  LPLB_ROLL
  for (int i = block.first_task(); i < block.num_tasks; i = next_task<Simt>(block.num_tasks, block.sums)) {
    solve_task<Simt>(input.task_word(i), block.arrays, block.outcomes[i]);
  }
}

/// The short way: components of pairs in registers from the first trip to device memory to the plan, two barriers.
template <class Simt>
class LaneBlock {
 public:
  LPLB_DEVICE LaneBlock(const SolveArgs& args, unsigned* shared, int split) : block_(args, shared, split) {
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
    BlockInput<Simt, true> input(block_);
    const int first = input.first_count();
    block_.num_tasks = static_cast<int>(tables[0]);
    if (block_.thread < static_cast<int>(sizeof(BlockSums) / 4)) {
      block_.shared[block_.thread] = 0;
    }
    input.put_counts(first);
    Simt::sync_block();
    return block_.num_tasks > 0 && block_.num_tasks <= block_.args.num_lane_tasks;
  }

  LPLB_DEVICE void run() {
    BlockOutput<Simt, true> output(block_);
    SolveArrays arrays = block_.arrays;
    arrays.image = reciprocals();
    PairSolver<Simt, 1, kLaneColors> solver(task(), arrays);
    const bool is_solver = block_.first_task() < block_.num_tasks;
    if (is_solver) {
      put_reciprocals();
      const PairTotals totals = pair_totals();
      solver.run(fixed_load(), table_.pair, totals.color);
      output.add_component(table_, solver);
    } else {
      output.write_known_slots();
      output.add_digest(true);
    }
    Simt::sync_block();
    if (is_solver) {
      output.write_component(table_, solver);
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

  LPLB_DEVICE SolveTask task() const {
    SolveTask task{};
    task.num_ranks = table_.num_ranks;
    task.num_colors = kLaneColors;
    task.has_cycle = table_.has_cycle;
    task.component = table_.component;
    task.reciprocal = table_.reciprocal;
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
    if (table_.log_width <= 4) {
      load += Simt::shuffle(load, Simt::lane() ^ 16);
      if (table_.log_width <= 3) {
        load += Simt::shuffle(load, Simt::lane() ^ 8);
        if (table_.log_width <= 2) [[unlikely]] {
          load += Simt::shuffle(load, Simt::lane() ^ 4);
          load += table_.log_width <= 1 ? Simt::shuffle(load, Simt::lane() ^ 2) : 0;
        }
      }
    }
    if (block_.args.base_load != nullptr) [[unlikely]] {
      load += block_.args.base_load[block_.first_rank() + table_.rank];
    }
    return Simt::lane() < table_.num_ranks ? load : 0;
  }

  LPLB_DEVICE int tokens_of(const std::uint16_t (&experts)[kLaneFixed]) const {
    int tokens[kLaneFixed];
    LPLB_UNROLL
    for (int i = 0; i < kLaneFixed; ++i) {
      tokens[i] = tokens_at(experts[i]);
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
      totals.color[color] = tokens_at(table_.pair[color] >> 16);
    }
    return totals;
  }

  /// `place` is kCountsBegin + expert, in bytes.
  LPLB_DEVICE int tokens_at(unsigned place) const {
    return *reinterpret_cast<const int*>(reinterpret_cast<const char*>(block_.shared) + place);
  }

  BlockState<Simt, true> block_;
  LaneTable table_{};
};

/// `shared` is 16-byte aligned and holds layout.shared_words. `wait` returns when the kernel before has written the
/// counts; the image does not depend on it.
template <class Simt, bool kInShared, class Wait>
LPLB_DEVICE void solve_block(const SolveArgs& args, unsigned* shared, int split, Wait wait) {
  BlockState<Simt, kInShared> block(args, shared, split);
  BlockInput<Simt, kInShared> input(block);
  BlockOutput<Simt, kInShared> output(block);
  input.stage(wait);
  Simt::sync_block();
  input.stage_rest_of_image();
  input.add_up();
  Simt::sync_block();
  solve_components(block, input);
  typename BlockOutput<Simt, kInShared>::Prepared prepared{};
  if (block.is_free()) {
    output.write_known();
    prepared = output.prepare();
    output.add_digest(!output.has_late_work());
  }
  Simt::sync_block();
  if (block.is_free()) {
    output.hand_down(prepared);
    output.write_ranks(prepared);
    output.add_outcomes();
    output.add_digest(output.has_late_work());
  }
  Simt::sync_block();
  output.write_summary();
}

/// The same by lane tables, where the image has them.
template <class Simt, class Wait>
LPLB_DEVICE void solve_block_by_lanes(const SolveArgs& args, unsigned* shared, int split, Wait wait) {
  LaneBlock<Simt> lanes(args, shared, split);
  if (lanes.stage(wait)) [[likely]] {
    lanes.run();
  } else {
    solve_block<Simt, true>(args, shared, split, [] {});
  }
}

}  // namespace lplb::cuda
