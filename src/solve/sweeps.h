#pragma once

// How many sweeps of equalizing the solvers make: part of the specification, the same on the CPU and the GPU.

namespace lplb {

struct SweepRule {
  int max_sweeps;
  int stall_shift;         // a sweep that takes less than the excess >> stall_shift off it was the last
  int sweeps_after_raise;  // of the target
};

/// Of a component; `is_wide`: it has classes of three ranks or more. Where sweeps are dear beside waves, on many ranks
/// and over wide classes, there are fewer of them. A raise of the target gives room everywhere, while pushes have piled
/// the excess up on few ranks: sweeps spread it over pairs faster than waves.
constexpr SweepRule sweep_rule(bool is_wide, int num_ranks) {
  if (is_wide) {
    return {.max_sweeps = 2, .stall_shift = 2, .sweeps_after_raise = 0};
  }
  return {.max_sweeps = 8, .stall_shift = num_ranks > 32 ? 1 : 3, .sweeps_after_raise = 3};
}

/// The excess that is to be undercut by a sweep.
constexpr int most_left(int before, const SweepRule& rule) { return before - (before >> rule.stall_shift); }

}  // namespace lplb
