#pragma once

// What the weighted solver is written against, so that the same text runs on a GPU, as a block of threads, and on the
// host, as a block of one. A Block has
//
//   thread(), num_threads()   who runs
//   sync()                    all threads have come here and see each other's writes
//   combine(Extremes)         maxima and sums over all threads, the same for each, in a fixed order; a sync() too
//   sum(double), max(double)  likewise
//   kTile                     elements of the matrix that a thread holds in registers; 0 = they stay in memory
//
// and static functions inverse(double), 1 / x, and exponent(int), of the highest bit.

#include <cstdint>

#if defined(__CUDACC__)
#define LPLB_WEIGHTED __device__ __forceinline__
#define LPLB_WEIGHTED_UNROLL _Pragma("unroll")
#define LPLB_WEIGHTED_ROLL _Pragma("unroll 1")
#else
#define LPLB_WEIGHTED inline
#define LPLB_WEIGHTED_UNROLL
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

/// A block of one thread.
struct SerialBlock {
  static constexpr int kTile = 0;
  using Real = double;

  static int thread() { return 0; }
  static int num_threads() { return 1; }
  static void sync() {}
  static Extremes<Real> combine(const Extremes<Real>& values) { return values; }
  static double sum(double value) { return value; }
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

}  // namespace lplb::weighted
