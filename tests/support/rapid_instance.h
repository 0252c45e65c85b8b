#pragma once

// Instances as RapidCheck draws and shrinks them: few ranks, any slots, any counts.

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/instance.h"

namespace lplb::testing {

/// Gives the experts that occur in `phy2log` the ids 0, 1, 2 ... in order of appearance; at least one occurs
/// afterwards.
inline int renumber_experts(std::vector<std::int32_t>& phy2log) {
  if (std::ranges::all_of(phy2log, [](std::int32_t e) { return e == kNone; })) {
    phy2log[0] = 0;
  }
  std::vector<std::int32_t> seen;
  for (std::int32_t& e : phy2log) {
    if (e != kNone) {
      const auto found = std::ranges::find(seen, e);
      const auto id = static_cast<std::int32_t>(found - seen.begin());
      if (found == seen.end()) {
        seen.push_back(e);
      }
      e = id;
    }
  }
  return static_cast<int>(seen.size());
}

inline rc::Gen<Instance> any_instance() {
  return rc::gen::exec([] {
    const int num_ranks = *rc::gen::inRange(1, 9);
    const int slots_per_rank = *rc::gen::inRange(1, 5);
    auto phy2log = *rc::gen::container<std::vector<std::int32_t>>(static_cast<std::size_t>(num_ranks) * slots_per_rank,
                                                                  rc::gen::inRange(-1, 12));
    const int num_logical = renumber_experts(phy2log);
    Instance instance{.placement = Placement(std::move(phy2log), num_logical, num_ranks),
                      .counts = *rc::gen::container<std::vector<Tokens>>(num_logical, rc::gen::inRange(0, 200)),
                      .base_load = {},
                      .live = {}};
    if (*rc::gen::element(false, false, true)) {
      instance.base_load = *rc::gen::container<std::vector<Tokens>>(num_ranks, rc::gen::inRange(0, 200));
    }
    if (*rc::gen::element(false, false, true)) {
      instance.live = *rc::gen::container<std::vector<std::uint8_t>>(num_ranks, rc::gen::element<std::uint8_t>(0, 1));
      for (int expert = 0; expert < num_logical; ++expert) {
        if (live_ranks_of(instance.placement, instance.live, expert).empty()) {
          instance.live[instance.placement.rank_of(instance.placement.replicas(expert)[0])] = 1;
        }
      }
    }
    return instance;
  });
}

/// Runs a property `num_cases` times within the current GoogleTest test; a failure shows the shrunk case and its seed.
template <class Property>
void check_property(int num_cases, Property&& property) {
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = num_cases;
  const ::testing::TestInfo* test = ::testing::UnitTest::GetInstance()->current_test_info();
  rc::detail::TestMetadata metadata;
  metadata.id = std::string(test->test_suite_name()) + "/" + test->name();
  metadata.description = test->name();
  const auto result = rc::detail::checkTestable(std::forward<Property>(property), metadata, params);
  std::ostringstream message;
  rc::detail::printResultMessage(result, message);
  EXPECT_TRUE(result.template is<rc::detail::SuccessResult>()) << message.str();
}

}  // namespace lplb::testing

namespace rc {

template <>
struct Arbitrary<lplb::testing::Instance> {
  static Gen<lplb::testing::Instance> arbitrary() { return lplb::testing::any_instance(); }
};

}  // namespace rc
