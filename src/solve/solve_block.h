#pragma once

// One split by one block: take in the image and the counts, solve each component by a warp, hand the plan out. Four
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
    case TaskKind::kPairs2x3:
      return PairSolver<Simt, 2, kMaxPairColorsOf64 / 2>(task_of<Simt>(task_word), arrays).run(outcome);
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

}  // namespace lplb::cuda
