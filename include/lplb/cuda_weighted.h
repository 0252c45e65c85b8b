#pragma once

// The weighted split on a CUDA device: the method of weighted.h, a block a problem, all in shared memory. docs/cuda.md
// describes the kernel.

#include <memory>

#include "lplb/cuda.h"
#include "lplb/weighted.h"

namespace lplb::cuda {

/// A weighted model in device memory, prepared for one tolerance. On the device that was current at construction.
class WeightedDeviceModel {
 public:
  /// Allocates and uploads; synchronizes. A tolerance below 3e-5 takes a slower form that rounding harms less. Throws
  /// InvalidArgument when the tolerance is not above 0 or the model needs more shared memory than a block has: about
  /// 128 ranks with 500 copies and no rows fit in the 227 KiB of Hopper.
  explicit WeightedDeviceModel(const WeightedModel& model, double tolerance = 1e-4);
  ~WeightedDeviceModel();
  WeightedDeviceModel(WeightedDeviceModel&&) noexcept;
  WeightedDeviceModel& operator=(WeightedDeviceModel&&) noexcept;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// Batches in device memory, a leading number of problems before each shape. Counts must not be negative, their sum
/// below 2^31; times must be finite and not negative.
struct WeightedDeviceInput {
  const Tokens* counts = nullptr;     // [E]
  const double* base_time = nullptr;  // [G], null = 0
  const double* row_bound = nullptr;  // [num_rows], null where there are none
};

/// Where the results go, in device memory; all but `summary` may be null.
struct WeightedDeviceOutput {
  WeightedSummary* summary = nullptr;  // []
  double* share = nullptr;             // [P]
  double* rank_time = nullptr;         // [G]
  Tokens* quota = nullptr;             // [P] rounded as in WeightedOptions::whole_tokens
};

struct WeightedLaunch {
  int num_problems = 1;
  int max_iterations = 60;
  int num_threads = 0;             // of a block, a multiple of 32 up to 512; 0 = what was measured to be best
  bool overlaps_previous = false;  // the kernel may start before its predecessor ends; it reads the batch after that
};

/// Launches on `stream`: no allocation, no synchronization, no workspace, capturable. The same input gives the same
/// bits on the same device; against lplb::solve_weighted the shares differ by rounding, and each result carries its own
/// proof. Throws InvalidArgument on a null pointer that is needed, CudaError when the launch fails.
void solve_weighted(const WeightedDeviceModel& model, const WeightedDeviceInput& input,
                    const WeightedDeviceOutput& output, Stream stream, const WeightedLaunch& launch = {});

}  // namespace lplb::cuda
