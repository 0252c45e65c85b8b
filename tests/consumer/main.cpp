// What a user's first program does: two ranks, three experts, one of them on both; the split must level the ranks.

#include <cstdio>
#include <vector>

#include "lplb/placement.h"
#include "lplb/solve.h"

int main() {
  const lplb::Placement placement({0, 1, 2, 1}, 3, 2);
  const std::vector<lplb::Tokens> counts = {10, 40, 20};
  const lplb::Plan plan = lplb::split(placement, counts);
  std::printf("largest load %d, lower bound %d\n", plan.max_load, plan.lower_bound);
  return plan.max_load == 35 && plan.lower_bound == 35 && plan.status == lplb::Status::kOptimal ? 0 : 1;
}
