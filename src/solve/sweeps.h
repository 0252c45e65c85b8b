#pragma once

// How many sweeps of equalizing the solvers make: part of the specification, the same on the CPU and the GPU.

namespace lplb {

inline constexpr int kMaxSweeps = 8;
/// A raise of the target gives room everywhere, while pushes have piled the excess up on few ranks: two sweeps spread
/// it faster than waves.
inline constexpr int kSweepsAfterRaise = 2;

/// The excess that is to be undercut: a sweep that leaves more has taken less than an eighth away, and waves are
/// faster.
constexpr int most_left(int before) { return before - before / 8; }

}  // namespace lplb
