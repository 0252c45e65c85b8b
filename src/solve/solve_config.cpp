// Threads and shared memory of the CUDA solver. One split wants many threads, which load all at once and keep a warp
// for each component; many splits want small blocks, of which a multiprocessor holds several.

#include "solve/solve_config.h"

#include <algorithm>

#include "solve/solve_arrays.h"

namespace lplb::cuda {
namespace {

constexpr int kManySplits = 128;

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

int choose_threads(const SolveShape& shape) {
  if (shape.num_splits >= kManySplits) {
    return shape.num_ranks < 16 ? kMaxThreadsOfMany / 2 : kMaxThreadsOfMany;
  }
  return kThreadsOfFew;
}

class Stacker {
 public:
  explicit Stacker(int words) : words_(words) {}
  int take(int words) {
    const int begin = words_;
    words_ += round_up(words, 4);
    return begin;
  }
  int words() const { return words_; }

 private:
  int words_;
};

SolveLayout lay_out(const SolveShape& shape, int num_threads, bool in_shared) {
  SolveLayout layout{.in_shared = in_shared};
  Stacker shared(kCountsBegin);
  shared.take(shape.num_logical + 1 + shape.num_ranks + shape.class_words);
  layout.shares = shared.take(shape.num_ranks);
  layout.load = shared.take(shape.num_ranks);
  layout.in_bottleneck = shared.take(shape.num_ranks);
  layout.scratch_stride = scratch_words(kWarpSize * class_ranks_per_lane(shape.num_ranks));
  layout.scratch = shared.take(layout.scratch_stride * num_threads / kWarpSize);
  Stacker spill(0);
  layout.amounts = (in_shared ? shared : spill).take(shape.amount_words);
  layout.image = shared.take(in_shared ? shape.image_words : 0);
  layout.within = image_layout(shape.num_logical, shape.num_physical, shape.num_ranks);
  layout.shared_words = shared.words();
  layout.spill_words = spill.words();
  return layout;
}

}  // namespace

SolveConfig choose_solve_config(const SolveShape& shape) {
  SolveConfig config{
      .num_blocks = shape.num_splits, .num_threads = choose_threads(shape), .shared_bytes = 0, .layout = {}};
  config.layout = lay_out(shape, config.num_threads, true);
  if (config.layout.shared_words * 4 > shape.max_shared_bytes) {
    config.layout = lay_out(shape, config.num_threads, false);
  }
  config.shared_bytes = static_cast<std::size_t>(config.layout.shared_words) * 4;
  return config;
}

}  // namespace lplb::cuda
