#pragma once

// One weighted split from batch to result, by one block.

#include "weighted/finish.h"
#include "weighted/interior_point.h"
#include "weighted/start.h"

namespace lplb::weighted {

template <class Block>
LPLB_WEIGHTED void solve_problem(Block& block, const ImageView& image, const Batch& batch, const Memory& memory,
                                 const Output& output) {
  const StartFacts facts = Start<Block>(block, image, batch, memory).run();
  const int num_iterations = InteriorPoint<Block>(block, image, batch, memory).run(facts);
  Finish<Block>(block, image, batch, memory, output).run(facts.largest_base, num_iterations);
}

}  // namespace lplb::weighted
