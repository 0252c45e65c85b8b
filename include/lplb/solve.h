#pragma once

// The split: integers x[e, g] >= 0 over the live copies of every expert such that the largest rank load is smallest.
// Exact, with certificate. The order of every step is fixed, so that two runs and two devices agree bit for bit;
// docs/solver.md is the specification.

#include <cstdint>
#include <memory>
#include <span>

#include "lplb/placement.h"
#include "lplb/plan.h"
#include "lplb/types.h"

namespace lplb {

/// What of a split depends on the placement and the live ranks alone: experts merged by the set of ranks that hold
/// them, components, and a colouring in which a colour touches every rank at most once. Immutable; share it between
/// threads.
class SplitGraph {
 public:
  /// `live` [G], empty = all live. Throws InvalidArgument that names an expert without a live copy. O(P log P).
  explicit SplitGraph(const Placement& placement, std::span<const std::uint8_t> live = {});
  ~SplitGraph();
  SplitGraph(SplitGraph&&) noexcept;
  SplitGraph& operator=(SplitGraph&&) noexcept;

  int num_logical() const;
  int num_physical() const;
  int num_ranks() const;
  int num_components() const;
  int num_colors() const;
  /// Different rank sets of size two or more: the unknowns of the split.
  int num_classes() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// Scratch memory of one thread, reused over calls.
class SolveWorkspace {
 public:
  SolveWorkspace();
  ~SolveWorkspace();
  SolveWorkspace(SolveWorkspace&&) noexcept;
  SolveWorkspace& operator=(SolveWorkspace&&) noexcept;

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// Solves one layer and batch. `counts` [E] tokens per expert; `base_load` [G] load that cannot move (empty = 0; dead
/// ranks' base loads are ignored). The plan is always optimal. No allocation once `workspace` and `plan` have seen the
/// shape. Throws InvalidArgument on a wrong length, a negative count, or a total of 2^31 or more.
void solve(const SplitGraph& graph, std::span<const Tokens> counts, std::span<const Tokens> base_load,
           SolveWorkspace& workspace, Plan& plan);

/// Convenience: builds graph and workspace for one solve.
Plan split(const Placement& placement, std::span<const Tokens> counts, std::span<const Tokens> base_load = {},
           std::span<const std::uint8_t> live = {});

}  // namespace lplb
