// A plan checked from the definitions, without any code of the solver: one rule after another, each of which says what
// is wrong. A plan that is legal and attains the bound that its certificate proves, in every component, is optimal.

#include <algorithm>
#include <numeric>
#include <optional>

#include "lplb/certificate.h"
#include "model/confined.h"

namespace lplb {
namespace {

using certify::ceil_div;
using certify::check_live;
using certify::check_loads;
using certify::is_confined;
using certify::is_live;

/// The plan with all it is judged against. Each rule returns what is wrong, if anything.
struct Examination {
  const Placement& placement;
  std::span<const Tokens> counts;
  std::span<const Tokens> base_load;
  std::span<const std::uint8_t> live;
  const Plan& plan;

  using Finding = std::optional<std::string>;

  std::int64_t base(int rank) const { return base_load.empty() || !is_live(live, rank) ? 0 : base_load[rank]; }

  Finding lengths() const {
    const auto wrong = [](const char* name, std::size_t actual, std::size_t expected) -> Finding {
      return actual == expected ? Finding() : concat(name, " has ", actual, " entries; it must have ", expected);
    };
    const std::size_t num_ranks = placement.num_ranks();
    for (const Finding& finding :
         {wrong("quota", plan.quota.size(), placement.num_physical()),
          wrong("rank_load", plan.rank_load.size(), num_ranks), wrong("component", plan.component.size(), num_ranks),
          wrong("in_bottleneck", plan.in_bottleneck.size(), num_ranks)}) {
      if (finding) {
        return finding;
      }
    }
    return {};
  }

  Finding slots() const {
    for (int slot = 0; slot < placement.num_physical(); ++slot) {
      const Tokens quota = plan.quota[slot];
      if (quota < 0) {
        return concat("slot ", slot, " has a negative quota (", quota, ")");
      }
      if (quota > 0 && placement.phy2log()[slot] == kNone) {
        return concat("slot ", slot, " is empty but has quota ", quota);
      }
      if (quota > 0 && !is_live(live, placement.rank_of(slot))) {
        return concat("slot ", slot, " has quota ", quota, " but its rank ", placement.rank_of(slot), " is dead");
      }
    }
    return {};
  }

  Finding experts() const {
    for (int expert = 0; expert < placement.num_logical(); ++expert) {
      std::int64_t given = 0;
      for (const std::int32_t slot : placement.replicas(expert)) {
        given += plan.quota[slot];
      }
      if (given != counts[expert]) {
        return concat("expert ", expert, " has ", counts[expert], " tokens but its copies get ", given);
      }
    }
    return {};
  }

  Finding loads() const {
    for (int rank = 0; rank < placement.num_ranks(); ++rank) {
      const auto begin = plan.quota.begin() + static_cast<std::ptrdiff_t>(rank) * placement.slots_per_rank();
      const std::int64_t load = std::accumulate(begin, begin + placement.slots_per_rank(), base(rank));
      if (plan.rank_load[rank] != load) {
        return concat("rank ", rank, " has rank_load ", plan.rank_load[rank], "; its base load and quotas sum to ",
                      load);
      }
    }
    const Tokens max_load = *std::ranges::max_element(plan.rank_load);
    if (plan.max_load != max_load) {
      return concat("max_load is ", plan.max_load, "; the largest rank_load is ", max_load);
    }
    return {};
  }

  /// Components by merging, over all experts, the ranks of their live copies; a dead rank is alone.
  std::vector<std::int32_t> components() const {
    std::vector<std::int32_t> parent(placement.num_ranks());
    std::iota(parent.begin(), parent.end(), 0);
    const auto root = [&parent](std::int32_t rank) {
      while (parent[rank] != rank) {
        rank = parent[rank] = parent[parent[rank]];
      }
      return rank;
    };
    for (int expert = 0; expert < placement.num_logical(); ++expert) {
      std::int32_t first = kNone;
      for (const std::int32_t slot : placement.replicas(expert)) {
        const std::int32_t rank = placement.rank_of(slot);
        if (is_live(live, rank)) {
          first = first == kNone ? root(rank) : first;
          const std::int32_t other = root(rank);
          parent[std::max(first, other)] = std::min(first, other);
          first = std::min(first, other);
        }
      }
    }
    std::vector<std::int32_t> component(placement.num_ranks());
    std::int32_t num_components = 0;
    for (std::int32_t rank = 0; rank < placement.num_ranks(); ++rank) {
      component[rank] = root(rank) == rank ? num_components++ : component[root(rank)];
    }
    return component;
  }

  Finding component_numbers(std::span<const std::int32_t> component) const {
    for (int rank = 0; rank < placement.num_ranks(); ++rank) {
      if (plan.component[rank] != component[rank]) {
        return concat("rank ", rank, " is in component ", component[rank], ", not ", plan.component[rank]);
      }
    }
    const std::size_t num_components = *std::ranges::max_element(component) + 1;
    if (plan.component_bound.size() != num_components) {
      return concat("component_bound has ", plan.component_bound.size(), " entries; there are ", num_components,
                    " components");
    }
    return {};
  }

  /// Tokens that cannot leave the certificate, and its number of ranks, of one component.
  struct Confinement {
    std::int64_t tokens = 0;
    std::int64_t num_ranks = 0;
  };

  std::vector<Confinement> confinements() const {
    std::vector<Confinement> result(plan.component_bound.size());
    for (int rank = 0; rank < placement.num_ranks(); ++rank) {
      if (plan.in_bottleneck[rank] != 0) {
        result[plan.component[rank]].tokens += base(rank);
        ++result[plan.component[rank]].num_ranks;
      }
    }
    for (int expert = 0; expert < placement.num_logical(); ++expert) {
      if (is_confined(placement, expert, plan.in_bottleneck, live)) {
        const auto slot = std::ranges::find_if(placement.replicas(expert),
                                               [this](int s) { return is_live(live, placement.rank_of(s)); });
        result[plan.component[placement.rank_of(*slot)]].tokens += counts[expert];
      }
    }
    return result;
  }

  Finding bounds() const {
    if (Finding finding = component_numbers(components())) {
      return finding;
    }
    const std::vector<Confinement> confined = confinements();
    for (std::size_t c = 0; c < confined.size(); ++c) {
      if (confined[c].num_ranks == 0) {
        return concat("component ", c, " has no rank in its certificate");
      }
      const std::int64_t proved = ceil_div(confined[c].tokens, confined[c].num_ranks);
      if (plan.component_bound[c] != proved) {
        return concat("component ", c, " has bound ", plan.component_bound[c], "; its certificate proves ", proved);
      }
    }
    const Tokens largest = *std::ranges::max_element(plan.component_bound);
    if (plan.lower_bound != largest) {
      return concat("lower_bound is ", plan.lower_bound, "; the largest component_bound is ", largest);
    }
    return {};
  }

  Finding optimality() const {
    if (plan.status != Status::kOptimal) {
      return concat("the status is ", to_string(plan.status), ": the largest load is ", plan.max_load,
                    ", the lower bound ", plan.lower_bound);
    }
    for (int rank = 0; rank < placement.num_ranks(); ++rank) {
      const Tokens bound = plan.component_bound[plan.component[rank]];
      if (plan.rank_load[rank] > bound) {
        return concat("the status is optimal but rank ", rank, " has load ", plan.rank_load[rank], ", above the bound ",
                      bound, " of its component ", plan.component[rank]);
      }
    }
    return {};
  }
};

}  // namespace

std::string check_plan(const Placement& placement, std::span<const Tokens> counts, std::span<const Tokens> base_load,
                       std::span<const std::uint8_t> live, const Plan& plan) {
  check_loads("check_plan", placement, counts, base_load);
  check_live("check_plan", placement, live);
  const Examination examination{placement, counts, base_load, live, plan};
  using Rule = Examination::Finding (Examination::*)() const;
  for (const Rule rule : {&Examination::lengths, &Examination::slots, &Examination::experts, &Examination::loads,
                          &Examination::bounds, &Examination::optimality}) {
    if (const auto finding = (examination.*rule)()) {
      return *finding;
    }
  }
  return "";
}

}  // namespace lplb
