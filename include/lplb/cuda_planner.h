#pragma once

// The whole per-batch path on one GPU, in the stages' order on the caller's stream: count, solve, apportion, remap.

#include <cstdint>
#include <memory>
#include <span>

#include "lplb/cuda.h"
#include "lplb/cuda_remap.h"
#include "lplb/cuda_routing.h"
#include "lplb/cuda_solve.h"
#include "lplb/placement.h"
#include "lplb/plan.h"
#include "lplb/types.h"

namespace lplb::cuda {

struct PlannerOptions {
  std::int64_t max_ids = 0;  // largest T K of a batch
  int source_rank = 0;       // whose tokens are remapped
  bool checks = true;        // bad ids set a status; otherwise they silently become -1
};

/// The device's results of the last plan; all pointers stay the same for the life of the planner.
struct PlanView {
  std::span<const Tokens> quota;                // [P]
  std::span<const Tokens> rank_load;            // [G]
  std::span<const std::uint8_t> in_bottleneck;  // [G]
  const PlanSummary* summary;                   // largest load, lower bound, status, digest
};

/// One a layer and thread. Everything is allocated at construction, on the current device; `count`, `plan`, `remap` and
/// `run` only launch kernels and can be captured. The integers are those of lplb::Planner.
class Planner {
 public:
  Planner(const Placement& placement, const PlannerOptions& options);
  ~Planner();
  Planner(Planner&&) noexcept;
  Planner& operator=(Planner&&) noexcept;

  /// Replaced in the order of the stream; a captured graph follows at its next replay, nothing need be captured again.
  /// Not during a capture. The shape must stay. Throws InvalidArgument as the CPU's planner does (nothing changes
  /// then).
  void set_placement(const Placement& placement, Stream stream);
  void set_live_ranks(std::span<const std::uint8_t> live, Stream stream);  // [G] host; empty = all live
  void set_base_load(std::span<const Tokens> base_load, Stream stream);    // [G] host; empty = none

  /// Counts this rank's ids into counts() [E], for an exchange between ranks that is the caller's.
  void count(const Routing<std::int32_t>& routing, Stream stream);
  void count(const Routing<std::int64_t>& routing, Stream stream);
  std::span<const Tokens> counts() const;  // [E] device

  /// Solves for counts [E] of the whole batch, or [S, E] per source rank, on the device.
  void plan(std::span<const Tokens> counts, Stream stream);
  /// Apportions the last plan and remaps the ids that were counted last. `source_counts`: what plan was given when that
  /// was [S, E]; else counts(), and the table is proportional. The ids and counts must be as they were at count and
  /// plan.
  void remap(const Routing<std::int32_t>& routing, std::span<const Tokens> source_counts,
             std::span<std::int32_t> physical, const DispatchLayout& layout, Stream stream);
  void remap(const Routing<std::int64_t>& routing, std::span<const Tokens> source_counts,
             std::span<std::int64_t> physical, const DispatchLayout& layout, Stream stream);

  /// Remaps the ids that were counted last by a table [P] of the caller's instead of a plan.
  void remap_by_table(const Routing<std::int32_t>& routing, std::span<const Tokens> table,
                      std::span<std::int32_t> physical, Stream stream);
  void remap_by_table(const Routing<std::int64_t>& routing, std::span<const Tokens> table,
                      std::span<std::int64_t> physical, Stream stream);

  /// Counts, solves and remaps the ids of a single source that holds the whole batch.
  void run(const Routing<std::int32_t>& routing, std::span<std::int32_t> physical, const DispatchLayout& layout,
           Stream stream);
  void run(const Routing<std::int64_t>& routing, std::span<std::int64_t> physical, const DispatchLayout& layout,
           Stream stream);

  PlanView plan_view() const;
  /// [P] tokens of this source for each physical expert, of the last remap or run.
  std::span<const Tokens> table() const;
  /// The last plan on the host; synchronizes the stream.
  Plan read_plan(Stream stream) const;
  /// Bits of kStatus... since the last call; synchronizes the stream and clears them.
  std::int32_t read_status(Stream stream);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace lplb::cuda
