#pragma once

// Scalar types and limits that every header shares.

#include <cstdint>

namespace lplb {

/// A number of tokens. Sums over a whole batch must stay below 2^31; every entry point checks that.
using Tokens = std::int32_t;

inline constexpr int kMaxRanks = 1024;
inline constexpr int kMaxLogical = 4096;
inline constexpr int kMaxPhysical = 65536;
/// Marks an empty slot in `phy2log`, padding in `log2phy`, and "no expert" in `topk_idx`.
inline constexpr std::int32_t kNone = -1;

}  // namespace lplb
