#pragma once

// One split by one block: take in the image and the counts, solve each component by a warp, hand the plan out. Five
// barriers of the block stand between.

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

template <class Solver, class Simt, class Kind>
LPLB_DEVICE void solve_task_by(unsigned task_word, const SolveArrays& arrays, const BlockOutput<Simt, Kind>& output) {
  Solver solver(task_of<Simt>(task_word), arrays);
  solver.run();
  output.add_outcome(solver.component());
}

/// Each kind reads the task and writes the outcome for itself: what the kinds had in common would stay out of registers
/// in all of them as soon as it does in the largest. They are told apart by comparisons, since a jump table would have
/// to be fetched from device memory.
template <class Simt, class Kind>
LPLB_DEVICE void solve_task(unsigned task_word, const SolveArrays& arrays, const BlockOutput<Simt, Kind>& output) {
  const auto kind = static_cast<TaskKind>(Simt::shuffle(static_cast<int>(task_word), kTaskKindWord));
  if (kind == TaskKind::kPairs1x4) {
    solve_task_by<PairSolver<Simt, 1, kMaxPairColors / 2>>(task_word, arrays, output);
  } else if (kind <= TaskKind::kPairs2x6) {
    if (kind == TaskKind::kPairs2x6) {
      solve_task_by<PairSolver<Simt, 2, kMaxPairColorsOf64>>(task_word, arrays, output);
    } else if (kind == TaskKind::kPairs2x3) {
      solve_task_by<PairSolver<Simt, 2, kMaxPairColorsOf64 / 2>>(task_word, arrays, output);
    } else {
      solve_task_by<PairSolver<Simt, 1, kMaxPairColors>>(task_word, arrays, output);
    }
  } else if (kind == TaskKind::kClasses1) {
    solve_task_by<ClassSolver<Simt, 1>>(task_word, arrays, output);
  } else if (kind == TaskKind::kClasses2) {
    solve_task_by<ClassSolver<Simt, 2>>(task_word, arrays, output);
  } else {
    solve_task_by<ClassSolver<Simt, 4>>(task_word, arrays, output);
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
template <class Simt, class Kind>
LPLB_DEVICE void solve_components(BlockState<Simt, Kind>& block, const BlockInput<Simt, Kind>& input,
                                  const BlockOutput<Simt, Kind>& output) {
  LPLB_ROLL
  for (int i = block.first_task(); i < block.num_tasks; i = next_task<Simt>(block.num_tasks, block.sums)) {
    solve_task(input.task_word(i), block.arrays, output);
  }
}

/// `shared` is 16-byte aligned and holds layout.shared_words. `wait` returns when the kernel before has written the
/// counts.
template <class Simt, class Kind, class Wait>
LPLB_DEVICE void solve_block(const SolveArgs& args, unsigned* shared, int split, Wait wait) {
  BlockState<Simt, Kind> block(args, shared, split);
  BlockInput<Simt, Kind> input(block);
  BlockOutput<Simt, Kind> output(block);
  input.stage(wait);
  Simt::sync_block();
  input.share_out();
  Simt::sync_block();
  block.num_tasks = block.header().num_tasks;
  solve_components(block, input, output);
  if (block.is_free()) {
    output.write_known();
  }
  Simt::sync_block();
  output.hand_down();
  Simt::sync_block();
  output.write_summary();
}

}  // namespace lplb::cuda
