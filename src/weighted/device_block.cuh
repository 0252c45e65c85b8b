#pragma once

// The Block and the Team of block.h on a GPU. The lead is the first threads of a block; where it is one warp, it needs
// no barrier, and combines by shuffles alone.

#include <cuda_runtime.h>

#include "weighted/block.h"
#include "weighted/weighted_config.h"

namespace lplb::weighted {

struct DeviceArithmetic {
  /// The hardware's approximation, which is right to 20 bits, and one step that triples them: right to about one unit
  /// in the last place.
  __device__ static double inverse(double x) {
    double y = 0;
    asm("rcp.approx.ftz.f64 %0, %1;" : "=d"(y) : "d"(x));
    const double error = fma(-x, y, 1.0);
    return fma(y, fma(error, error, error), y);
  }
  __device__ static float inverse(float x) {
    float y = 0;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
  }
  __device__ static int exponent(std::uint32_t bits) { return 31 - __clz(static_cast<int>(bits)); }
};

/// Threads 0..num_threads - 1 of a thread block. `kBarrier`: the hardware barrier that is theirs.
template <int kChunk_, bool kOneWarp, bool kPlain_, int kBarrier>
class DeviceBlock : public DeviceArithmetic {
 public:
  static constexpr int kChunk = kChunk_;
  static constexpr bool kPlain = kPlain_;
  using Real = float;

  __device__ DeviceBlock(double* scratch, int num_threads, int chunk_bits)
      : scratch_(scratch), num_threads_(num_threads), chunk_bits_(chunk_bits) {}

  __device__ static int thread() { return static_cast<int>(threadIdx.x); }
  __device__ int num_threads() const { return kOneWarp ? 32 : num_threads_; }
  __device__ int chunk_bits() const { return kOneWarp || kChunk == 8 ? 0 : chunk_bits_; }
  __device__ void sync() const {
    if constexpr (kOneWarp) {
      __syncwarp();
    } else {
      asm volatile("bar.sync %0, %1;" ::"n"(kBarrier), "r"(num_threads_) : "memory");
    }
  }

  /// Floats that are not negative are ordered as their bits.
  __device__ Extremes<float> combine(Extremes<float> values) {
    values.max0 = __uint_as_float(__reduce_max_sync(kAllLanes, __float_as_uint(values.max0)));
    values.max1 = __uint_as_float(__reduce_max_sync(kAllLanes, __float_as_uint(values.max1)));
    for (int step = 16; step > 0; step /= 2) {
      values.sum0 += __shfl_xor_sync(kAllLanes, values.sum0, step);
      values.sum1 += __shfl_xor_sync(kAllLanes, values.sum1, step);
    }
    return over_warps(values, [](const Extremes<float>& a, const Extremes<float>& b) {
      return Extremes<float>{larger(a.max0, b.max0), larger(a.max1, b.max1), a.sum0 + b.sum0, a.sum1 + b.sum1};
    });
  }
  __device__ double sum(double value) {
    double values[1] = {value};
    sum(values);
    return values[0];
  }
  template <int kCount>
  __device__ void sum(double (&values)[kCount]) {
    for (int step = 16; step > 0; step /= 2) {
      for (double& value : values) {
        value += __shfl_xor_sync(kAllLanes, value, step);
      }
    }
    for (double& value : values) {
      value = over_warps(value, [](double a, double b) { return a + b; });
    }
  }
  __device__ int sum(int value) {
    return over_warps(__reduce_add_sync(kAllLanes, value), [](int a, int b) { return a + b; });
  }
  /// As floats: the largest high word, and the largest low word of those that have it.
  __device__ double max(double value) {
    const auto high = static_cast<unsigned>(__double2hiint(value));
    const unsigned most = __reduce_max_sync(kAllLanes, high);
    const unsigned low = high == most ? static_cast<unsigned>(__double2loint(value)) : 0;
    value = __hiloint2double(static_cast<int>(most), static_cast<int>(__reduce_max_sync(kAllLanes, low)));
    return over_warps(value, [](double a, double b) { return larger(a, b); });
  }

 private:
  static constexpr unsigned kAllLanes = ~0U;

  /// From what each warp has.
  template <class T, class Op>
  __device__ T over_warps(T value, Op op) {
    if constexpr (kOneWarp) {
      __syncwarp();
    } else {
      parity_ = 1 - parity_;
      auto* const all = reinterpret_cast<T*>(scratch_ + parity_ * (kCombineDoubles / 2));
      if (thread() % 32 == 0) {
        all[thread() / 32] = value;
      }
      sync();
      value = all[0];
#pragma unroll 1
      for (int warp = 1; warp < num_threads() / 32; ++warp) {
        value = op(value, all[warp]);
      }
    }
    return value;
  }

  double* scratch_;
  int num_threads_;
  int chunk_bits_;
  int parity_ = 0;
};

/// The threads behind the lead, or the lead where there are none; they never meet.
class Helpers : public DeviceArithmetic {
 public:
  __device__ explicit Helpers(int num_lead) : first_(num_lead < static_cast<int>(blockDim.x) ? num_lead : 0) {}

  __device__ int thread() const { return static_cast<int>(threadIdx.x) - first_; }
  __device__ int num_threads() const { return static_cast<int>(blockDim.x) - first_; }

 private:
  int first_;
};

template <int kChunk, bool kOneWarp, bool kPlain>
class DeviceTeam {
 public:
  using All = DeviceBlock<0, false, kPlain, 0>;
  using Lead = DeviceBlock<kChunk, kOneWarp, kPlain, 1>;

  __device__ DeviceTeam(double* scratch, int num_lead, int chunk_bits)
      : all_(scratch, static_cast<int>(blockDim.x), 0), lead_(scratch, num_lead, chunk_bits), helpers_(num_lead) {}

  __device__ All& all() { return all_; }
  __device__ Lead& lead() { return lead_; }
  __device__ const Helpers& helpers() const { return helpers_; }
  __device__ bool is_lead() const { return Lead::thread() < lead_.num_threads(); }
  __device__ bool is_helper() const { return helpers_.thread() >= 0; }

 private:
  All all_;
  Lead lead_;
  Helpers helpers_;
};

}  // namespace lplb::weighted
