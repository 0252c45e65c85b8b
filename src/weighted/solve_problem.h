#pragma once

// One weighted split from batch to result, by one team.

#include <type_traits>

#include "weighted/finish.h"
#include "weighted/interior_point.h"
#include "weighted/shares.h"
#include "weighted/start.h"

namespace lplb::weighted {

template <class Team>
LPLB_WEIGHTED void solve_problem(Team& team, const ImageView& image, const Batch& batch, const Memory& memory,
                                 const Output& output) {
  FixedTimes::add_up(team.all(), image, batch, memory);
  team.all().sync();
  if (team.is_helper()) {
    share_out_fixed(team.helpers(), image, batch, output);
  }
  if (team.is_lead()) {
    auto& block = team.lead();
    using Block = std::remove_reference_t<decltype(block)>;
    const bool has_work = Start<Block>(block, image, batch, memory).run(team.all().num_threads());
    const int num_iterations = has_work ? InteriorPoint<Block>(block, image, batch, memory).run() : 0;
    Finish<Block>(block, image, batch, memory, output).run(num_iterations);
  }
}

}  // namespace lplb::weighted
