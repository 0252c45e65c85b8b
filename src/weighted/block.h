#pragma once

// What the weighted solver is written against, so that the same text runs on a GPU, as a block of threads, and on the
// host, as a block of one. A Block has
//
//   thread(), num_threads()   who runs
//   sync()                    all threads have come here and see each other's writes
//   combine(Extremes)         maxima and sums over all threads, the same for each, in a fixed order; a sync() too
//   sum(double), sum(int), max(double)   likewise; a maximum is of values that are not negative
//   sum(double (&)[n])        of each of several, which take hardly longer than one
//   kChunk                    entries of a row of the matrix that a thread holds in registers; 0 = they stay in memory
//   chunk_bits()              of the number of threads that share a row then
//   kPlain                    there are no extra rows, and the tolerance is none that rounding is felt at
//
// and static functions inverse(T), 1 / x, and exponent(int), of the highest bit.
//
// A Team is the threads of a launch: all() of them, the lead() that solves, and helpers() for what can be done beside
// it; is_lead() and is_helper() say what the calling thread is. One block may be all three.

#include <bit>
#include <cstdint>

#if defined(__CUDACC__)
#define LPLB_WEIGHTED __device__ __forceinline__
#define LPLB_WEIGHTED_UNROLL _Pragma("unroll")
#define LPLB_WEIGHTED_UNROLL_2 _Pragma("unroll 2")
#define LPLB_WEIGHTED_UNROLL_4 _Pragma("unroll 4")
#define LPLB_WEIGHTED_ROLL _Pragma("unroll 1")
#else
#define LPLB_WEIGHTED inline
#define LPLB_WEIGHTED_UNROLL
#define LPLB_WEIGHTED_UNROLL_2
#define LPLB_WEIGHTED_UNROLL_4
#define LPLB_WEIGHTED_ROLL
#endif

namespace lplb::weighted {

/// Four values that one pass over the block combines. float is enough: they choose step lengths and when to stop, and
/// no bound rests on them. Maxima are of values that are not negative.
template <class Real>
struct Extremes {
  Real max0 = 0;
  Real max1 = 0;
  Real sum0 = 0;
  Real sum1 = 0;
};

template <class T>
LPLB_WEIGHTED T larger(T a, T b) {
  return a < b ? b : a;
}
template <class T>
LPLB_WEIGHTED T smaller(T a, T b) {
  return b < a ? b : a;
}
LPLB_WEIGHTED double magnitude(double x) { return x < 0 ? -x : x; }

/// 2^n for n in -1022..1023.
LPLB_WEIGHTED double power_of_two(int n) {
  constexpr int kBias = 1023;
  constexpr int kMantissaBits = 52;
  return std::bit_cast<double>(static_cast<std::uint64_t>(kBias + n) << kMantissaBits);
}

/// A block of one thread, and the team of it.
struct SerialBlock {
  static constexpr int kChunk = 0;
  static constexpr bool kPlain = false;
  using Real = double;

  static int thread() { return 0; }
  static int num_threads() { return 1; }
  static int chunk_bits() { return 0; }
  static void sync() {}
  static Extremes<double> combine(const Extremes<double>& values) { return values; }
  static double sum(double value) { return value; }
  static int sum(int value) { return value; }
  template <int kCount>
  static void sum(double (&)[kCount]) {}
  static double max(double value) { return value; }
  static double inverse(double x) { return 1 / x; }
  static int exponent(std::uint32_t bits) {
    int result = -1;
    for (; bits != 0; bits >>= 1) {
      ++result;
    }
    return result;
  }
};

/// A team without helpers: the block does one after the other.
template <class Block>
class LoneTeam {
 public:
  explicit LoneTeam(Block& block) : block_(block) {}

  Block& all() { return block_; }
  Block& lead() { return block_; }
  Block& helpers() { return block_; }
  static bool is_lead() { return true; }
  static bool is_helper() { return true; }

 private:
  Block& block_;
};

}  // namespace lplb::weighted
