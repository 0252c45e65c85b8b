#pragma once

// The Block of block.h on a GPU. A block of one warp needs no barrier of the block, and combines by shuffles alone.

#include <cuda_runtime.h>

#include "weighted/block.h"
#include "weighted/weighted_config.h"

namespace lplb::weighted {

template <int kTile_, bool kOneWarp>
class DeviceBlock {
 public:
  static constexpr int kTile = kTile_;
  using Real = float;

  __device__ explicit DeviceBlock(double* scratch) : scratch_(scratch) {}

  __device__ static int thread() { return static_cast<int>(threadIdx.x); }
  __device__ static int num_threads() { return kOneWarp ? 32 : static_cast<int>(blockDim.x); }
  __device__ static void sync() {
    if constexpr (kOneWarp) {
      __syncwarp();
    } else {
      __syncthreads();
    }
  }

  __device__ Extremes<float> combine(Extremes<float> values) {
    values = combine_warp(values);
    if constexpr (kOneWarp) {
      __syncwarp();
      return values;
    } else {
      auto* const all = reinterpret_cast<Extremes<float>*>(next_scratch());
      if (thread() % 32 == 0) {
        all[thread() / 32] = values;
      }
      __syncthreads();
      values = all[0];
      for (int warp = 1; warp < num_threads() / 32; ++warp) {
        values = {larger(values.max0, all[warp].max0), larger(values.max1, all[warp].max1),
                  values.sum0 + all[warp].sum0, values.sum1 + all[warp].sum1};
      }
      return values;
    }
  }

  __device__ double sum(double value) {
    return reduce(value, [](double a, double b) { return a + b; });
  }
  __device__ double max(double value) {
    return reduce(value, [](double a, double b) { return larger(a, b); });
  }

  /// The hardware's approximation and two Newton steps: right to about one unit in the last place.
  __device__ static double inverse(double x) {
    double y = 0;
    asm("rcp.approx.ftz.f64 %0, %1;" : "=d"(y) : "d"(x));
    y = fma(y, fma(-x, y, 1.0), y);
    return fma(y, fma(-x, y, 1.0), y);
  }
  __device__ static int exponent(std::uint32_t bits) { return 31 - __clz(static_cast<int>(bits)); }

 private:
  static constexpr unsigned kAllLanes = ~0U;

  /// Floats that are not negative are ordered as their bits.
  __device__ static float largest(float value) {
    return __uint_as_float(__reduce_max_sync(kAllLanes, __float_as_uint(value)));
  }

  __device__ static Extremes<float> combine_warp(Extremes<float> values) {
    values.max0 = largest(values.max0);
    values.max1 = largest(values.max1);
    for (int step = 16; step > 0; step /= 2) {
      values.sum0 += __shfl_xor_sync(kAllLanes, values.sum0, step);
      values.sum1 += __shfl_xor_sync(kAllLanes, values.sum1, step);
    }
    return values;
  }

  template <class Op>
  __device__ double reduce(double value, Op op) {
    for (int step = 16; step > 0; step /= 2) {
      value = op(value, __shfl_xor_sync(kAllLanes, value, step));
    }
    if constexpr (!kOneWarp) {
      double* const all = next_scratch();
      if (thread() % 32 == 0) {
        all[thread() / 32] = value;
      }
      __syncthreads();
      value = all[0];
      for (int warp = 1; warp < num_threads() / 32; ++warp) {
        value = op(value, all[warp]);
      }
    } else {
      __syncwarp();
    }
    return value;
  }

  __device__ double* next_scratch() {
    parity_ = 1 - parity_;
    return scratch_ + parity_ * (kCombineDoubles / 2);
  }

  double* scratch_;
  int parity_ = 0;
};

}  // namespace lplb::weighted
