#pragma once

// interleave_fraction for the GPU, where a division of 64-bit numbers is a long routine: a quotient from a rounded
// reciprocal, corrected twice by exact remainders. The same integer.

#include <cstdint>

namespace lplb {

/// ceil(q * 2^32 / n) for 0 <= q <= n < 2^31, n > 0, with a `reciprocal` of n that may be two units in its last place
/// off. The first estimate is within 2^11 of the quotient (24 bits of 32, and some rounding), the second within 1.
constexpr std::uint64_t fast_interleave_fraction(std::int32_t q, std::int32_t n, float reciprocal) {
  constexpr float kTwoTo32 = 4294967296.0F;
  constexpr float kLargestBelow = 4294967040.0F;
  const float estimate = static_cast<float>(q) * reciprocal * kTwoTo32;
  const auto dividend = static_cast<std::int64_t>(static_cast<std::uint64_t>(q) << 32);
  std::int64_t quotient = static_cast<std::uint32_t>(estimate < kLargestBelow ? estimate : kLargestBelow);
  std::int64_t remainder = dividend - quotient * n;
  const auto correction = static_cast<std::int32_t>(static_cast<float>(remainder) * reciprocal);
  quotient += correction;
  remainder -= static_cast<std::int64_t>(correction) * n;
  return static_cast<std::uint64_t>(quotient + (remainder > 0 ? 1 : 0) + (remainder > n ? 1 : 0) -
                                    (remainder <= -std::int64_t{n} ? 1 : 0));
}

}  // namespace lplb
