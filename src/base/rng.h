#pragma once

// A small seeded generator whose numbers are the same on every machine and compiler, unlike std::*_distribution.
// Source: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).

#include <cmath>
#include <cstdint>
#include <numbers>

namespace lplb {

/// The finalizer of SplitMix64: a bijection of 64-bit words that mixes well.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

class Rng {
 public:
  constexpr explicit Rng(std::uint64_t seed) : state_(seed) {}
  constexpr std::uint64_t next() { return mix64(state_ += kStep); }
  /// As that many calls of next().
  constexpr void skip(std::uint64_t num_words) { state_ += num_words * kStep; }
  /// Uniform in [0, bound), bound > 0; the bias is below bound / 2^64. One word of next().
  constexpr std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((__extension__ static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  /// Uniform in [0, 1) with 53 bits. One word of next().
  constexpr double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  /// Standard normal, Box-Muller.
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

 private:
  static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15ULL;
  std::uint64_t state_;
};

}  // namespace lplb
