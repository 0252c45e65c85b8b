#pragma once

// The Block and the Team of block.h on a GPU. The lead is the first threads of a block; where it is one warp, it needs
// no barrier, and combines by shuffles alone.

#include <cuda_runtime.h>

#include "weighted/block.h"
#include "weighted/weighted_config.h"

namespace lplb::weighted {

struct DeviceArithmetic {
  /// The hardware's approximation and two Newton steps: right to about one unit in the last place.
  __device__ static double inverse(double x) {
    double y = 0;
    asm("rcp.approx.ftz.f64 %0, %1;" : "=d"(y) : "d"(x));
    y = fma(y, fma(-x, y, 1.0), y);
    return fma(y, fma(-x, y, 1.0), y);
  }
  __device__ static float inverse(float x) {
    float y = 0;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
  }
  __device__ static int exponent(std::uint32_t bits) { return 31 - __clz(static_cast<int>(bits)); }
};

/// Threads 0..num_threads - 1 of a thread block. `kBarrier`: the hardware barrier that is theirs.
template <int kChunk_, bool kOneWarp, int kBarrier>
class DeviceBlock : public DeviceArithmetic {
 public:
  static constexpr int kChunk = kChunk_;
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

  template <class T>
  __device__ Extremes<T> combine(Extremes<T> values) {
    for (int step = 16; step > 0; step /= 2) {
      values = merge(values, {.max0 = __shfl_xor_sync(kAllLanes, values.max0, step),
                              .max1 = __shfl_xor_sync(kAllLanes, values.max1, step),
                              .sum0 = __shfl_xor_sync(kAllLanes, values.sum0, step),
                              .sum1 = __shfl_xor_sync(kAllLanes, values.sum1, step)});
    }
    if constexpr (kOneWarp) {
      __syncwarp();
    } else {
      parity_ = 1 - parity_;
      auto* const all = reinterpret_cast<Extremes<T>*>(scratch_ + parity_ * (kCombineDoubles / 2));
      if (thread() % 32 == 0) {
        all[thread() / 32] = values;
      }
      sync();
      values = all[0];
      for (int warp = 1; warp < num_threads() / 32; ++warp) {
        values = merge(values, all[warp]);
      }
    }
    return values;
  }

 private:
  static constexpr unsigned kAllLanes = ~0U;

  template <class T>
  __device__ static Extremes<T> merge(const Extremes<T>& a, const Extremes<T>& b) {
    return {.max0 = larger(a.max0, b.max0),
            .max1 = larger(a.max1, b.max1),
            .sum0 = a.sum0 + b.sum0,
            .sum1 = a.sum1 + b.sum1};
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

template <int kChunk, bool kOneWarp>
class DeviceTeam {
 public:
  using All = DeviceBlock<0, false, 0>;
  using Lead = DeviceBlock<kChunk, kOneWarp, 1>;

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
