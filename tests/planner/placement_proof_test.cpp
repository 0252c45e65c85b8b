// optimize_placement against the proved optimum of small instances; the oracle against plain enumeration.

#include <gtest/gtest.h>

#include <limits>
#include <optional>

#include "lplb/solve.h"
#include "support/placement_proof.h"

namespace lplb {
namespace {

using namespace lplb::testing;

/// Any expert, or none, in any slot.
class PlainEnumeration {
 public:
  explicit PlainEnumeration(const PlacementCase& c) : case_(c), stride_(std::ranges::max(c.slots)) {
    phy2log_.assign(static_cast<std::size_t>(c.num_ranks()) * stride_, kNone);
  }

  double find() {
    fill(0);
    return best_;
  }

 private:
  void fill(std::size_t slot) {
    if (slot == phy2log_.size()) {
      judge();
      return;
    }
    const int rank = static_cast<int>(slot) / stride_;
    const bool may_be_used = static_cast<int>(slot) % stride_ < case_.slots[rank];
    for (int e = kNone; e < (may_be_used ? case_.num_logical : 0); ++e) {
      phy2log_[slot] = e;
      fill(slot + 1);
    }
  }

  void judge() {
    for (int e = 0; e < case_.num_logical; ++e) {
      if (std::ranges::find(phy2log_, e) == phy2log_.end()) {
        return;
      }
    }
    const Placement placement(phy2log_, case_.num_logical, case_.num_ranks());
    double sum = 0;
    for (int b = 0; b < case_.num_batches(); ++b) {
      const auto counts =
          std::span(case_.window).subspan(static_cast<std::size_t>(b) * case_.num_logical, case_.num_logical);
      const auto total = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
      sum +=
          split(placement, counts).max_load / static_cast<double>((total + case_.num_ranks() - 1) / case_.num_ranks());
    }
    best_ = std::min(best_, sum / case_.num_batches());
  }

  const PlacementCase& case_;
  int stride_;
  std::vector<std::int32_t> phy2log_;
  double best_ = std::numeric_limits<double>::infinity();
};

TEST(PlacementOracle, EqualsPlainEnumeration) {
  for (int index = 0; index < 12; ++index) {
    Rng rng = seeded(551, index);
    PlacementCase c{.num_logical = 3, .slots = {2, 2, 1}, .window = {}};
    if (index % 3 == 1) {
      c = {.num_logical = 4, .slots = {3, 2}, .window = {}};
    } else if (index % 3 == 2) {
      c = {.num_logical = 2, .slots = {1, 2, 1, 1}, .window = {}};
    }
    for (int i = 0; i < (index % 2 + 1) * c.num_logical; ++i) {
      c.window.push_back(static_cast<Tokens>(1 + 50 * std::exp(rng.normal())));
    }
    const double infinity = std::numeric_limits<double>::infinity();
    ASSERT_NEAR(PlacementOracle(c).find(infinity), PlainEnumeration(c).find(), 1e-12)
        << "slots " << braced(c.slots) << ", window " << braced(c.window);
  }
}

TEST(PlacementProof, WithinHalfAPercentOfTheOptimum) {
  const Gaps gaps = measure_gaps(552, 20);
  EXPECT_LE(gaps.worst, 0.005) << gaps.worst_case;
  EXPECT_GE(gaps.num_exact, 15);
}

}  // namespace
}  // namespace lplb
