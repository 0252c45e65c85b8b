// The same through lplb::io: a placement goes to JSON and comes back.

#include "lplb/trace_io.h"

int main() {
  const std::vector<lplb::Placement> layers = {lplb::Placement({0, 1, 2, 1}, 3, 2)};
  return lplb::placements_from_json(lplb::placements_to_json(layers), "memory") == layers ? 0 : 1;
}
