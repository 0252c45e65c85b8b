#pragma once

// The weighted split: tokens over copies when a token does not cost the same everywhere, with extra linear constraints.
// A linear program, solved by an interior-point method to a proved gap; docs/weighted.md describes it. Where every
// token costs the same and there are no rows, solve.h is exact and far faster.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "lplb/placement.h"
#include "lplb/types.h"

namespace lplb {

/// One coefficient of an extra constraint: row `row` counts the tokens of slot `physical` times `value`.
struct RowEntry {
  std::int32_t row;
  std::int32_t physical;
  double value;
};

/// The entries other than 0 of a dense matrix [num_rows, num_physical], row-major.
std::vector<RowEntry> row_entries(std::span<const double> matrix, int num_physical);

/// What of a weighted split does not change from batch to batch.
struct WeightedArgs {
  /// [G] or [P] time of one token, per rank or per copy, in 1e-9..1e9. Where G == P the two are the same.
  std::span<const double> time_per_token;
  std::span<const std::uint8_t> live = {};  // [G], empty = all live
  /// Extra constraints `sum of value * tokens <= bound`, at most kMaxWeightedRows. Entries may come in any order;
  /// those of one row and slot add up; those of empty slots and dead ranks count for nothing.
  int num_rows = 0;
  std::span<const RowEntry> rows = {};
};

inline constexpr int kMaxWeightedRanks = 128;  // that hold copies of experts which live elsewhere too
inline constexpr int kMaxWeightedRows = 32;
inline constexpr double kMinWeightedTime = 1e-9;  // of one token; only ratios matter, and these bounds keep sums finite
inline constexpr double kMaxWeightedTime = 1e9;   // likewise, and of a coefficient

/// A placement with its times and constraints, prepared for solving. Immutable; share it between threads.
class WeightedModel {
 public:
  /// O(P log P + sum over experts of copies^2). Throws InvalidArgument that names the argument: a wrong length, a time
  /// that is out of range, an entry out of range or not finite, an expert without a live copy, too many ranks.
  WeightedModel(const Placement& placement, const WeightedArgs& args);
  ~WeightedModel();
  WeightedModel(WeightedModel&&) noexcept;
  WeightedModel& operator=(WeightedModel&&) noexcept;

  int num_logical() const;
  int num_physical() const;
  int num_ranks() const;
  int num_rows() const;
  /// Unknowns: copies of experts that live in several places. Copies that no constraint tells apart count once.
  int num_columns() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// One batch.
struct WeightedInput {
  std::span<const Tokens> counts;          // [E]
  std::span<const double> base_time = {};  // [G] time that cannot move, not negative; empty = 0; ignored on dead ranks
  std::span<const double> row_bound = {};  // [num_rows]
};

struct WeightedOptions {
  double tolerance = 1e-6;  // relative gap that is asked for; what is below about 1e-9 may not be reached
  int max_iterations = 60;
  bool whole_tokens = false;  // also round to quotas
};

enum class WeightedStatus : std::int32_t {
  kConverged = 0,   // legal, and proved to be within the tolerance
  kFeasible = 1,    // legal; the gap is proved too, but is larger than the tolerance
  kInfeasible = 2,  // proved: no split meets the rows. The shares add up per expert but break a row
  kRowsBroken = 3,  // no split that meets the rows was found, nor a proof that there is none. Shares as above
};

/// "converged", "feasible", "infeasible", "rows_broken".
const char* to_string(WeightedStatus status);

/// What a solve says about its shares.
struct WeightedSummary {
  double max_time = 0;  // largest rank_time
  /// No split that meets the rows has a smaller largest time: from a feasible dual point, less what rounding could add.
  double lower_bound = 0;
  double gap = 0;             // (max_time - lower_bound) / lower_bound, 0 where both are 0
  double quota_max_time = 0;  // with whole_tokens: largest time of a rank under the quotas
  /// Largest excess over a row's bound, in units of the row's size |bound| + sum of |value| * tokens; legal up to 1e-9.
  double row_excess = 0;
  std::int32_t num_iterations = 0;
  WeightedStatus status = WeightedStatus::kConverged;
};

struct WeightedResult : WeightedSummary {
  /// [P] tokens of each slot, fractions allowed, not negative; 0 on dead ranks and empty slots. Those of one expert are
  /// multiples of one power of two, so small that nothing is lost and so large that they add up to the expert's count
  /// exactly, in any order.
  std::vector<double> share;
  std::vector<double> rank_time;  // [G] base time + time of the shares; 0 on dead ranks
  /// [P] with whole_tokens: shares rounded per expert by largest remainder, ties to the lowest slot. Rows are not
  /// looked at in rounding.
  std::vector<Tokens> quota;
};

/// Minimizes the largest rank time. Deterministic. O(iterations * (ranks^3 + copies)). Throws InvalidArgument on a
/// wrong length, a negative count, a total of 2^31 or more, a base time or bound that is not finite, a tolerance not
/// above 0.
WeightedResult solve_weighted(const WeightedModel& model, const WeightedInput& input,
                              const WeightedOptions& options = {});

}  // namespace lplb
