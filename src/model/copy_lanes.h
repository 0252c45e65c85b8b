#pragma once

// How the copies of experts with several of them are given to the lanes of warps.

namespace lplb::cuda {

/// Copies that one warp matches at once, a lane each.
inline constexpr int kMatchLanes = 32;

/// Warps of lanes that a placement may need. Experts stand in descending order of copies and begin a new warp where
/// they do not fit: a full warp of n experts has at least 33 n / (n + 1) copies, hence 16 beyond the n first ones.
constexpr int max_copy_warps(int num_logical, int num_physical) { return (num_physical - num_logical) / 16 + 1; }

}  // namespace lplb::cuda
