#include "solve/step_table.h"

#include <algorithm>
#include <span>

#include "solve/class_parts.h"

namespace lplb::cuda {
namespace {

/// The part as `members[own]` sees it.
std::uint32_t part_word(const std::vector<std::int32_t>& members, int own, int ranks_per_lane) {
  std::uint32_t word = static_cast<std::uint32_t>(own << 24) | static_cast<std::uint32_t>(members.size()) << 26;
  for (int i = 0; i < kMaxPartMembers - 1; ++i) {
    const std::size_t other = i < own ? i : i + 1;
    word |= static_cast<std::uint32_t>(other < members.size() ? members[other] : no_rank(ranks_per_lane)) << 8 * i;
  }
  return word;
}

/// One round of a class. `step` [num_columns].
void put_parts(const std::vector<std::int32_t>& members, int round, int ranks_per_lane, std::span<PartArc> step) {
  const auto num_members = static_cast<int>(members.size());
  for (int i = 0; round < num_rounds(num_members) && i < num_parts(num_members); ++i) {
    const ClassPart part = class_part(num_members, round, i);
    std::vector<std::int32_t> of_part;
    for (int j = 0; j < part.size; ++j) {
      of_part.push_back(members[part.first + j * part.stride]);
    }
    for (int j = 0; j < part.size; ++j) {
      step[of_part[j]].part = part_word(of_part, j, ranks_per_lane);
    }
  }
}

}  // namespace

std::vector<PartArc> make_step_table(const std::vector<std::vector<std::vector<std::int32_t>>>& colors, int num_columns,
                                     int ranks_per_lane) {
  std::vector<PartArc> steps;
  for (std::size_t color = 0; color < colors.size(); ++color) {
    const auto most =
        static_cast<int>(std::ranges::max_element(colors[color], {}, &std::vector<std::int32_t>::size)->size());
    for (int round = 0; round < num_rounds(most); ++round) {
      const bool is_of_color_before = round > 0 || colors.size() == 1;
      const std::uint32_t flags =
          (most > 2 ? PartArc::kAnyWide : 0) | (is_of_color_before ? PartArc::kOfColorBefore : 0);
      const std::size_t first = steps.size();
      for (int column = 0; column < num_columns; ++column) {
        steps.push_back({.part = part_word({}, 0, ranks_per_lane),
                         .amount_and_step = static_cast<std::uint32_t>(color * num_columns + column) | flags});
      }
      for (const std::vector<std::int32_t>& members : colors[color]) {
        put_parts(members, round, ranks_per_lane, std::span(steps).subspan(first));
      }
    }
  }
  return steps;
}

}  // namespace lplb::cuda
