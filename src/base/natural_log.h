#pragma once

// The natural logarithm with the same bits on every machine, on the CPU and on a GPU, which a C library's has not. By
// ln(2^k m) = k ln 2 + 2 artanh((m - 1) / (m + 1)), the series of artanh cut where it no longer counts.

#include <bit>
#include <cstdint>
#include <numbers>

namespace lplb {

/// ln(x) within 2 units in the last place (more only next to x = 1, in absolute terms below 1e-16). x must be a
/// positive normal number.
constexpr double natural_log(double x) {
  constexpr int kFractionBits = 52;
  constexpr auto kOne = std::bit_cast<std::uint64_t>(1.0);
  const auto bits = std::bit_cast<std::uint64_t>(x);
  auto exponent = static_cast<int>(bits >> kFractionBits) - static_cast<int>(kOne >> kFractionBits);
  auto fraction = std::bit_cast<double>((bits & ((std::uint64_t{1} << kFractionBits) - 1)) | kOne);  // in [1, 2)
  if (fraction > std::numbers::sqrt2) {
    fraction *= 0.5;
    ++exponent;
  }
  const double s = (fraction - 1) / (fraction + 1);
  const double square = s * s;  // below 0.0295
  double series = 0;
  for (int odd = 23; odd >= 3; odd -= 2) {
    series = series * square + 1.0 / odd;
  }
  // ln 2 in two parts, the first with so few bits that its product with the exponent is exact.
  constexpr double kLn2High = 6.93147180369123816490e-01;
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  return exponent * kLn2High + (exponent * kLn2Low + (2 * s + 2 * s * square * series));
}

}  // namespace lplb
