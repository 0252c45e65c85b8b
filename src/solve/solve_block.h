#pragma once

// One split by one block: take in the image and the counts, solve each component by a warp, hand the plan out. Four
// barriers of the block stand between.

#include "solve/block_input.h"
#include "solve/block_output.h"
#include "solve/block_state.h"
#include "solve/solve_classes.h"
#include "solve/solve_pairs.h"

namespace lplb::cuda {

template <class Simt>
LPLB_DEVICE SolveOutcome solve_task(const SolveTask& task, const SolveArrays& arrays) {
  if (task.kind == TaskKind::kPairs1x4) {  // before the others, which a jump table serves
    return PairSolver<Simt, 1, 4>(task, arrays).run();
  }
  switch (task.kind) {
    case TaskKind::kPairs1x8:
      return PairSolver<Simt, 1, 8>(task, arrays).run();
    case TaskKind::kPairs2x8:
      return PairSolver<Simt, 2, 8>(task, arrays).run();
    case TaskKind::kClasses1:
      return ClassSolver<Simt, 1>(task, arrays).run();
    case TaskKind::kClasses2:
      return ClassSolver<Simt, 2>(task, arrays).run();
    default:
      return ClassSolver<Simt, 4>(task, arrays).run();
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
LPLB_DEVICE void solve_components(BlockState<Simt, kInShared>& block, BlockOutput<Simt, kInShared>& output) {
  LPLB_ROLL
  for (int i = block.warp; i < block.header.num_tasks; i = next_task<Simt>(block.header.num_tasks, block.sums)) {
    const SolveTask task = Simt::uniform(block.template part<SolveTask>(block.header.tasks)[i]);
    const SolveOutcome outcome = solve_task<Simt>(task, block.arrays);
    if (Simt::lane() == 0) {
      output.write_bound(task.component, outcome.target);
      Simt::add(&block.sums.num_sweeps, outcome.num_sweeps);
      Simt::add(&block.sums.num_waves, outcome.num_waves);
      Simt::add(&block.sums.num_raises, outcome.num_raises);
    }
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
  block.header = *section<SolveHeader>(block.arrays.image, 0);
  input.add_up();
  Simt::sync_block();
  solve_components(block, output);
  output.write_known();
  const auto prepared = output.prepare();
  Simt::sync_block();
  output.hand_down(prepared);
  output.write_ranks(prepared);
  output.add_digest();
  Simt::sync_block();
  output.write_summary();
}

}  // namespace lplb::cuda
