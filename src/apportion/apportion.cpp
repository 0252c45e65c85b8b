// Apportioning one expert is a transport problem between sources (its counts) and copies (its quotas) with three nested
// distances: rank, node, cluster. Serving the nearest first is optimal then, and within a distance any matching costs
// the same: sources and copies are matched in ascending order, as two rulers laid side by side.

#include "lplb/apportion.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace lplb {
namespace {

/// What sources still have of one expert and what its copies still take.
struct Remainders {
  std::vector<Tokens> supply;  // [S]
  std::vector<Tokens> demand;  // [copies of the expert]
};

void check_lengths(const char* function, const Placement& placement, std::size_t num_counts, std::size_t num_quotas) {
  const auto expected = static_cast<std::size_t>(placement.num_ranks()) * placement.num_logical();
  check(num_counts == expected, "[", function, "] counts has ", num_counts, " entries; it must be [",
        placement.num_ranks(), " source ranks, ", placement.num_logical(), " experts]");
  check(static_cast<int>(num_quotas) == placement.num_physical(), "[", function, "] quota has ", num_quotas,
        " entries; it must have one for each of the ", placement.num_physical(), " physical experts");
}

void check_source(const char* function, const Placement& placement, int source_rank) {
  check(source_rank >= 0 && source_rank < placement.num_ranks(), "[", function, "] source_rank (", source_rank,
        ") must be in 0..", placement.num_ranks() - 1);
}

/// Loads the remainders of one expert; its counts and quotas must agree.
void load_expert(const char* function, const Placement& placement, std::span<const Tokens> counts,
                 std::span<const Tokens> quota, int expert, Remainders& left) {
  std::int64_t total = 0;
  for (int source = 0; source < placement.num_ranks(); ++source) {
    const Tokens tokens = counts[static_cast<std::size_t>(source) * placement.num_logical() + expert];
    check(tokens >= 0, "[", function, "] counts[", source, ", ", expert, "] is ", tokens, "; it must not be negative");
    left.supply[source] = tokens;
    total += tokens;
  }
  left.demand.clear();
  std::int64_t quota_total = 0;
  for (const std::int32_t slot : placement.replicas(expert)) {
    check(quota[slot] >= 0, "[", function, "] quota[", slot, "] is ", quota[slot], "; it must not be negative");
    left.demand.push_back(quota[slot]);
    quota_total += quota[slot];
  }
  check(total == quota_total, "[", function, "] expert ", expert, ": counts add up to ", total, " tokens, quotas to ",
        quota_total);
}

/// Matches sources [first_source, end_source) with copies [first_copy, end_copy) in ascending order until either side
/// is used up. give(source, slot, tokens).
template <class Give>
void match(std::span<const std::int32_t> slots, int first_source, int end_source, int first_copy, int end_copy,
           Remainders& left, const Give& give) {
  int source = first_source;
  int copy = first_copy;
  while (source < end_source && copy < end_copy) {
    const Tokens tokens = std::min(left.supply[source], left.demand[copy]);
    if (tokens > 0) {
      give(source, slots[copy], tokens);
      left.supply[source] -= tokens;
      left.demand[copy] -= tokens;
    }
    if (left.supply[source] == 0) {
      ++source;
    } else {
      ++copy;
    }
  }
}

/// Matches inside every group of `ranks_per_group` ranks that holds copies of the expert.
template <class Give>
void match_groups(const Placement& placement, std::span<const std::int32_t> slots, int ranks_per_group,
                  Remainders& left, const Give& give) {
  const int num_copies = static_cast<int>(slots.size());
  for (int first = 0; first < num_copies;) {
    const int group = placement.rank_of(slots[first]) / ranks_per_group;
    int end = first + 1;
    while (end < num_copies && placement.rank_of(slots[end]) / ranks_per_group == group) {
      ++end;
    }
    match(slots, group * ranks_per_group, (group + 1) * ranks_per_group, first, end, left, give);
    first = end;
  }
}

template <class Give>
void apportion_experts(const char* function, const Placement& placement, std::span<const Tokens> counts,
                       std::span<const Tokens> quota, const Give& give) {
  Remainders left{.supply = std::vector<Tokens>(placement.num_ranks()), .demand = {}};
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    load_expert(function, placement, counts, quota, expert, left);
    const auto slots = placement.replicas(expert);
    if (slots.size() > 1) {
      match_groups(placement, slots, 1, left, give);
      match_groups(placement, slots, placement.ranks_per_node(), left, give);
    }
    match(slots, 0, placement.num_ranks(), 0, static_cast<int>(slots.size()), left, give);
  }
}

/// `tokens` over the copies in the proportion of their weights, by largest remainder.
void divide_proportionally(std::span<const std::int32_t> slots, std::span<const Tokens> weight, Tokens tokens,
                           std::span<Tokens> row) {
  const std::int64_t weight_total = std::accumulate(weight.begin(), weight.end(), std::int64_t{0});
  std::vector<std::pair<std::int64_t, std::size_t>> remainders;  // (-remainder, copy): largest first, then lowest copy
  Tokens left = tokens;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::int64_t product = static_cast<std::int64_t>(tokens) * weight[i];
    row[slots[i]] = static_cast<Tokens>(product / weight_total);
    left -= row[slots[i]];
    remainders.emplace_back(-(product % weight_total), i);
  }
  std::ranges::sort(remainders);
  for (Tokens i = 0; i < left; ++i) {
    ++row[slots[remainders[i].second]];
  }
}

}  // namespace

void apportion(const Placement& placement, std::span<const Tokens> counts, std::span<const Tokens> quota,
               std::span<Tokens> tokens) {
  check_lengths("apportion", placement, counts.size(), quota.size());
  const std::size_t num_physical = placement.num_physical();
  check(tokens.size() == num_physical * placement.num_ranks(), "[apportion] tokens has ", tokens.size(),
        " entries; it must be [", placement.num_ranks(), " source ranks, ", num_physical, " physical experts]");
  std::ranges::fill(tokens, 0);
  apportion_experts("apportion", placement, counts, quota, [&](int source, std::int32_t slot, Tokens amount) {
    tokens[source * num_physical + slot] += amount;
  });
}

SourceTable apportion_source(const Placement& placement, std::span<const Tokens> counts, std::span<const Tokens> quota,
                             int source_rank) {
  check_source("apportion_source", placement, source_rank);
  check_lengths("apportion_source", placement, counts.size(), quota.size());
  SourceTable table{.source_rank = source_rank, .proportional = false, .tokens = {}};
  table.tokens.assign(placement.num_physical(), 0);
  apportion_experts("apportion_source", placement, counts, quota, [&](int source, std::int32_t slot, Tokens amount) {
    if (source == source_rank) {
      table.tokens[slot] += amount;
    }
  });
  return table;
}

SourceTable apportion_proportional(const Placement& placement, std::span<const Tokens> own_counts,
                                   std::span<const Tokens> quota, int source_rank, std::span<const std::uint8_t> live) {
  constexpr const char* kName = "apportion_proportional";
  check_source(kName, placement, source_rank);
  check(static_cast<int>(own_counts.size()) == placement.num_logical(), "[", kName, "] own_counts has ",
        own_counts.size(), " entries; it must have one for each of the ", placement.num_logical(), " experts");
  check(static_cast<int>(quota.size()) == placement.num_physical(), "[", kName, "] quota has ", quota.size(),
        " entries; it must have one for each of the ", placement.num_physical(), " physical experts");
  check(live.empty() || static_cast<int>(live.size()) == placement.num_ranks(), "[", kName, "] live has ", live.size(),
        " entries; it must have none, or one for each of the ", placement.num_ranks(), " ranks");
  SourceTable table{.source_rank = source_rank, .proportional = true, .tokens = {}};
  table.tokens.assign(placement.num_physical(), 0);
  std::vector<Tokens> weight;
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    check(own_counts[expert] >= 0, "[", kName, "] own_counts[", expert, "] is ", own_counts[expert],
          "; it must not be negative");
    const auto slots = placement.replicas(expert);
    weight.clear();
    std::ranges::transform(slots, std::back_inserter(weight), [&](std::int32_t slot) { return quota[slot]; });
    check(std::ranges::min(weight) >= 0, "[", kName, "] quota of expert ", expert, " must not be negative");
    if (std::ranges::max(weight) == 0) {
      std::ranges::transform(slots, weight.begin(), [&](std::int32_t slot) {
        return live.empty() || live[placement.rank_of(slot)] != 0 ? 1 : 0;
      });
    }
    if (own_counts[expert] > 0) {
      check(std::ranges::max(weight) > 0, "[", kName, "] expert ", expert, " has no copy on a live rank");
      divide_proportionally(slots, weight, own_counts[expert], table.tokens);
    }
  }
  return table;
}

}  // namespace lplb
