// Limits on moved copies as people write them: a number, or a percentage of the slots.

#include "lplb/move_limit.h"

#include <charconv>
#include <cmath>

#include "base/check.h"
#include "lplb/types.h"

namespace lplb {

int MoveLimit::of(int num_slots) const {
  return copies >= 0 ? copies : percent >= 0 ? static_cast<int>(std::floor(percent * num_slots / 100)) : -1;
}

MoveLimit parse_move_limit(const std::string& what, std::string_view text) {
  const bool percent = text.ends_with('%');
  const std::string_view number = text.substr(0, text.size() - (percent ? 1 : 0));
  const char* end = number.data() + number.size();
  MoveLimit limit;
  std::from_chars_result parsed{};
  if (percent) {
    parsed = std::from_chars(number.data(), end, limit.percent, std::chars_format::fixed);
  } else {
    parsed = std::from_chars(number.data(), end, limit.copies);
  }
  const bool in_range = percent ? limit.percent >= 0 && limit.percent <= 100 : limit.copies >= 0;
  check(parsed.ec == std::errc() && parsed.ptr == end && in_range, what, " (\"", text,
        "\") must be a number of copies like 12, or a part of them like 5%");
  return limit;
}

std::string describe_move_limit(const MoveLimit& limit) {
  if (limit.copies >= 0) {
    return concat(limit.copies, limit.copies == 1 ? " copy" : " copies");
  }
  return limit.percent >= 0 ? concat(limit.percent, "% of the copies") : "any number of copies";
}

}  // namespace lplb
