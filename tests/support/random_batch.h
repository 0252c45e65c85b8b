#pragma once

// Random batches of the router's choices, in the styles that break counting and remapping: even, skewed, all to one
// expert, mostly padding.

#include <cstdint>
#include <span>
#include <vector>

#include "support/random_instance.h"
#include "support/repetitions.h"

namespace lplb::testing {

enum class BatchStyle { kUniform, kSkewed, kOneExpert, kMostlyNone };

inline constexpr BatchStyle kBatchStyles[] = {BatchStyle::kUniform, BatchStyle::kSkewed, BatchStyle::kOneExpert,
                                              BatchStyle::kMostlyNone};

/// All styles; or the first, where few repetitions are wanted.
inline std::span<const BatchStyle> repeated_styles() {
  const int num_styles = how_many({.of = "styles", .full = static_cast<int>(std::size(kBatchStyles)), .few = 1});
  return std::span(kBatchStyles).first(num_styles);
}

inline std::vector<std::int32_t> random_topk(Rng& rng, std::size_t num_ids, int num_logical, BatchStyle style) {
  std::vector<std::int32_t> topk(num_ids);
  const auto any = [&] { return static_cast<std::int32_t>(rng.below(num_logical)); };
  const std::int32_t hot = any();
  for (std::int32_t& id : topk) {
    switch (style) {
      case BatchStyle::kUniform:
        id = any();
        break;
      case BatchStyle::kSkewed: {  // the density falls linearly to zero
        const std::int32_t other = any();
        id = std::min(any(), other);
        break;
      }
      case BatchStyle::kOneExpert:
        id = hot;
        break;
      case BatchStyle::kMostlyNone:
        id = random_detail::chance(rng, 0.8) ? kNone : any();
        break;
    }
  }
  return topk;
}

inline std::vector<std::int64_t> widened(const std::vector<std::int32_t>& ids) { return {ids.begin(), ids.end()}; }

}  // namespace lplb::testing
