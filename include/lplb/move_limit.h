#pragma once

// How many copies of experts may move when a placement is replaced.

#include <string>
#include <string_view>

namespace lplb {

/// A number of copies, or a part of all slots. Neither = any number.
struct MoveLimit {
  int copies = -1;      // -1 = not given
  double percent = -1;  // of the slots; -1 = not given

  bool given() const { return copies >= 0 || percent >= 0; }
  /// Copies that may move among `num_slots`, rounded down; -1 = any number.
  int of(int num_slots) const;
  friend bool operator==(const MoveLimit&, const MoveLimit&) = default;
};

/// "12" or "5%". Throws InvalidArgument that starts with `what`.
MoveLimit parse_move_limit(const std::string& what, std::string_view text);

/// "12 copies" or "5% of the copies"; "any number of copies".
std::string describe_move_limit(const MoveLimit& limit);

}  // namespace lplb
