// The table of strategies. Policies whose copies exist for the sake of the split are always judged with it; EPLB is
// judged both ways, because frameworks use it with an even division.

#include "planner/replay_strategy.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "lplb/replay.h"

namespace lplb {
namespace {

struct Entry {
  const char* name;
  const char* policy;
  bool splits;
  bool by_default;
};

constexpr std::array kEntries = {
    Entry{"none", "none", false, true},
    Entry{"eplb", "eplb", false, true},
    Entry{"eplb+split", "eplb", true, true},
    Entry{"cube", "cube", true, true},
    Entry{"hypercube", "hypercube", true, true},
    Entry{"torus", "torus", true, true},
    Entry{"ring", "ring", true, true},
    Entry{"uniform", "uniform", true, true},
    Entry{"optimize", "optimize", true, false},
    Entry{"eplb-distinct", "eplb-distinct", false, false},
    Entry{"eplb-distinct+split", "eplb-distinct", true, false},
};
constexpr std::string_view kLimited = "optimize:";

}  // namespace

Strategy find_strategy(std::string_view name) {
  const auto entry = std::ranges::find_if(kEntries, [name](const Entry& e) { return name == e.name; });
  if (entry != kEntries.end()) {
    return {.name = entry->name, .policy = entry->policy, .splits = entry->splits};
  }
  if (name.starts_with(kLimited)) {
    return {.name = std::string(name),
            .policy = "optimize",
            .splits = true,
            .max_moved = parse_move_limit("[replay] the limit of optimize", name.substr(kLimited.size()))};
  }
  if (name.find(':') == name.npos) {
    std::string names;
    for (const Entry& e : kEntries) {
      names += concat(e.name, ", ");
    }
    throw InvalidArgument(
        concat("[replay] strategy (\"", name, "\") must be one of ", names, "or a topology like torus:8x4"));
  }
  return {.name = std::string(name), .policy = std::string(name), .splits = true};
}

std::vector<std::string> replay_strategies() {
  std::vector<std::string> names;
  for (const Entry& e : kEntries) {
    if (e.by_default) {
      names.emplace_back(e.name);
    }
  }
  return names;
}

}  // namespace lplb
