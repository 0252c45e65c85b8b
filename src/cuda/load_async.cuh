#pragma once

// Loads into shared memory that the thread does not wait for, and that go on while it waits for the kernel ahead.

#include <cuda_runtime.h>

#include <cstdint>

namespace lplb::cuda {

/// Asks for kBytes (4, 8 or 16), both addresses multiples of that.
template <int kBytes>
__device__ inline void load_async(void* to, const void* from) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(address), "l"(from), "n"(kBytes) : "memory");
}

/// Waits for all that the thread asked for. Others see it behind a barrier.
__device__ inline void wait_for_loads() { asm volatile("cp.async.wait_all;" ::: "memory"); }

}  // namespace lplb::cuda
