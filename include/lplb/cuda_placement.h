#pragma once

// A placement in device memory, as apportioning and remapping read it.

#include <memory>

#include "lplb/cuda.h"
#include "lplb/placement.h"

namespace lplb::cuda {

/// Copies of one placement's slot lists at addresses that never change, so that a captured graph follows when the
/// placement is replaced by another of the same shape. On the device that was current at construction.
class DevicePlacement {
 public:
  /// Allocates and uploads; synchronizes. Throws InvalidArgument above 1,024 experts, 2,048 slots or 1,024 ranks.
  explicit DevicePlacement(const Placement& placement);
  ~DevicePlacement();
  DevicePlacement(DevicePlacement&&) noexcept;
  DevicePlacement& operator=(DevicePlacement&&) noexcept;

  /// Replaces the placement, in the order of the stream: what was put there before still reads the old one. Does not
  /// wait for the device, unless two replacements are under way already. Not during a capture. Throws InvalidArgument
  /// when the numbers of experts, slots, ranks or nodes differ.
  void replace(const Placement& placement, Stream stream);

  int num_logical() const;
  int num_physical() const;
  int num_ranks() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace lplb::cuda
