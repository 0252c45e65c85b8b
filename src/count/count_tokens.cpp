// A histogram of the router's choices, one pass; the CPU reference of the counting stage.

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "lplb/count.h"

namespace lplb {
namespace {

template <class Id>
void count_ids(std::span<const Id> topk_idx, std::span<Tokens> counts) {
  check(topk_idx.size() <= static_cast<std::size_t>(std::numeric_limits<Tokens>::max()), "[count_tokens] topk_idx has ",
        topk_idx.size(), " entries; that must be below 2^31");
  const auto num_logical = static_cast<std::int64_t>(counts.size());
  std::ranges::fill(counts, 0);
  for (std::size_t i = 0; i < topk_idx.size(); ++i) {
    const std::int64_t expert = topk_idx[i];
    if (expert == kNone) {
      continue;
    }
    check(expert >= 0 && expert < num_logical, "[count_tokens] topk_idx[", i, "] is ", expert, "; it must be in -1..",
          num_logical - 1);
    ++counts[expert];
  }
}

}  // namespace

void count_tokens(std::span<const std::int32_t> topk_idx, std::span<Tokens> counts) { count_ids(topk_idx, counts); }

void count_tokens(std::span<const std::int64_t> topk_idx, std::span<Tokens> counts) { count_ids(topk_idx, counts); }

}  // namespace lplb
