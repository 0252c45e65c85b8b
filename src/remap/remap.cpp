// Remapping: one pass that counts and checks, one that gives token j of each expert to interleave_copy(j).

#include "lplb/remap.h"

#include <vector>

#include "base/check.h"
#include "remap/interleave.h"

namespace lplb {
namespace {

/// Fractions of all experts, expert e's from first[e] on.
struct Shares {
  std::vector<std::int32_t> first;      // [E]
  std::vector<std::uint64_t> fraction;  // [sum of copies]
};

Shares make_shares(const Placement& placement, std::span<const Tokens> tokens) {
  Shares shares;
  shares.first.resize(placement.num_logical());
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    const auto slots = placement.replicas(expert);
    shares.first[expert] = static_cast<std::int32_t>(shares.fraction.size());
    shares.fraction.resize(shares.fraction.size() + slots.size());
    Tokens rest = 0;
    for (std::size_t i = slots.size(); i-- > 0;) {
      rest += tokens[slots[i]];
      shares.fraction[shares.first[expert] + i] = rest == 0 ? 0 : interleave_fraction(tokens[slots[i]], rest);
    }
  }
  return shares;
}

template <class Id>
void check_tokens(const Placement& placement, const SourceTable& table, std::span<const Id> topk_idx) {
  check(static_cast<int>(table.tokens.size()) == placement.num_physical(), "[remap] table has ", table.tokens.size(),
        " entries; it must have one for each of the ", placement.num_physical(), " physical experts");
  std::vector<std::int64_t> counts(placement.num_logical(), 0);
  for (std::size_t i = 0; i < topk_idx.size(); ++i) {
    const Id expert = topk_idx[i];
    check(expert >= kNone && expert < placement.num_logical(), "[remap] topk_idx[", i, "] is ", expert,
          "; it must be in -1..", placement.num_logical() - 1);
    if (expert != kNone) {
      ++counts[expert];
    }
  }
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    std::int64_t planned = 0;
    for (const std::int32_t slot : placement.replicas(expert)) {
      check(table.tokens[slot] >= 0, "[remap] table[", slot, "] is ", table.tokens[slot], "; it must not be negative");
      planned += table.tokens[slot];
    }
    check(planned == counts[expert], "[remap] topk_idx holds ", counts[expert], " tokens of expert ", expert,
          "; the table was made for ", planned);
  }
}

template <class Id>
void remap_ids(const Placement& placement, const SourceTable& table, std::span<const Id> topk_idx,
               std::span<Id> physical) {
  check(physical.size() == topk_idx.size(), "[remap] physical has ", physical.size(), " entries; topk_idx has ",
        topk_idx.size());
  check_tokens(placement, table, topk_idx);
  const Shares shares = make_shares(placement, table.tokens);
  std::vector<Tokens> next(placement.num_logical(), 0);  // tokens of the expert so far
  for (std::size_t i = 0; i < topk_idx.size(); ++i) {
    const Id expert = topk_idx[i];
    if (expert == kNone) {
      physical[i] = kNone;
      continue;
    }
    const auto slots = placement.replicas(static_cast<int>(expert));
    const std::uint64_t* const fraction = shares.fraction.data() + shares.first[expert];
    physical[i] = slots[interleave_copy(fraction, static_cast<int>(slots.size()), next[expert]++)];
  }
}

}  // namespace

void remap(const Placement& placement, const SourceTable& table, std::span<const std::int32_t> topk_idx,
           std::span<std::int32_t> physical) {
  remap_ids<std::int32_t>(placement, table, topk_idx, physical);
}

void remap(const Placement& placement, const SourceTable& table, std::span<const std::int64_t> topk_idx,
           std::span<std::int64_t> physical) {
  remap_ids<std::int64_t>(placement, table, topk_idx, physical);
}

}  // namespace lplb
