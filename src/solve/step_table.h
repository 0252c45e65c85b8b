#pragma once

// The steps of a sweep over classes of any size, as the lanes of a warp read them: the rounds (class_parts.h) of one
// color after another.

#include <cstdint>
#include <vector>

#include "solve/solve_image.h"

namespace lplb::cuda {

/// [num_steps, num_columns], as the amounts have columns. `colors`: the members of each class of each color, ascending
/// numbers within the component; a rank is in one class of a color at most, and no color is empty.
std::vector<PartArc> make_step_table(const std::vector<std::vector<std::vector<std::int32_t>>>& colors, int num_columns,
                                     int ranks_per_lane);

}  // namespace lplb::cuda
