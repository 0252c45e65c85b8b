// The weighted split on the CPU: checks at the border, memory, and the solver of solve_problem.h as a block of one
// thread.

#include "lplb/weighted.h"

#include <cmath>

#include "base/check.h"
#include "weighted/solve_problem.h"
#include "weighted/weighted_image.h"

namespace lplb {
namespace {

void check_counts(const WeightedModel& model, std::span<const Tokens> counts) {
  check(counts.size() == static_cast<std::size_t>(model.num_logical()), "[solve_weighted] counts has ", counts.size(),
        " entries; it must have num_logical (", model.num_logical(), ")");
  std::int64_t total = 0;
  for (std::size_t e = 0; e < counts.size(); ++e) {
    check(counts[e] >= 0, "[solve_weighted] counts[", e, "] is ", counts[e], "; it must not be negative");
    total += counts[e];
  }
  constexpr std::int64_t kLimit = std::int64_t{1} << 31;
  check(total < kLimit, "[solve_weighted] counts add up to ", total, "; that must stay below 2^31");
}

void check_input(const WeightedModel& model, const WeightedInput& input, const WeightedOptions& options) {
  check_counts(model, input.counts);
  const std::size_t num_base = input.base_time.size();
  check(num_base == 0 || num_base == static_cast<std::size_t>(model.num_ranks()), "[solve_weighted] base_time has ",
        num_base, " entries; it must be empty or have num_ranks (", model.num_ranks(), ")");
  for (std::size_t i = 0; i < num_base; ++i) {
    check(input.base_time[i] >= 0 && std::isfinite(input.base_time[i]), "[solve_weighted] base_time[", i, "] is ",
          input.base_time[i], "; it must be finite and not negative");
  }
  check(input.row_bound.size() == static_cast<std::size_t>(model.num_rows()), "[solve_weighted] row_bound has ",
        input.row_bound.size(), " entries; it must have num_rows (", model.num_rows(), ")");
  for (std::size_t i = 0; i < input.row_bound.size(); ++i) {
    check(std::isfinite(input.row_bound[i]), "[solve_weighted] row_bound[", i, "] is ", input.row_bound[i],
          "; it must be finite");
  }
  check(options.tolerance > 0, "[solve_weighted] tolerance is ", options.tolerance, "; it must be above 0");
  check(options.max_iterations >= 0, "[solve_weighted] max_iterations is ", options.max_iterations,
        "; it must not be negative");
}

}  // namespace

std::vector<RowEntry> row_entries(std::span<const double> matrix, int num_physical) {
  check(num_physical > 0 && matrix.size() % num_physical == 0, "[row_entries] matrix has ", matrix.size(),
        " entries; that must be a multiple of num_physical (", num_physical, ")");
  std::vector<RowEntry> entries;
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    if (matrix[i] != 0) {
      entries.push_back({.row = static_cast<std::int32_t>(i / num_physical),
                         .physical = static_cast<std::int32_t>(i % num_physical),
                         .value = matrix[i]});
    }
  }
  return entries;
}

const char* to_string(WeightedStatus status) {
  switch (status) {
    case WeightedStatus::kConverged:
      return "converged";
    case WeightedStatus::kFeasible:
      return "feasible";
    case WeightedStatus::kInfeasible:
      return "infeasible";
    case WeightedStatus::kRowsBroken:
      return "rows_broken";
  }
  return "unknown";
}

WeightedModel::WeightedModel(const Placement& placement, const WeightedArgs& args)
    : impl_(std::make_unique<Impl>(Impl{.by_component = weighted::make_image(placement, args, false),
                                        .one_block = weighted::make_image(placement, args, true)})) {}
WeightedModel::~WeightedModel() = default;
WeightedModel::WeightedModel(WeightedModel&&) noexcept = default;
WeightedModel& WeightedModel::operator=(WeightedModel&&) noexcept = default;

int WeightedModel::num_logical() const { return impl_->one_block.header.num_logical; }
int WeightedModel::num_physical() const { return impl_->one_block.header.num_physical; }
int WeightedModel::num_ranks() const { return impl_->one_block.header.num_ranks; }
int WeightedModel::num_rows() const { return impl_->one_block.header.num_extra; }
int WeightedModel::num_columns() const { return impl_->one_block.header.num_columns; }

WeightedResult solve_weighted(const WeightedModel& model, const WeightedInput& input, const WeightedOptions& options) {
  check_input(model, input, options);
  const WeightedModel::Impl& impl = model.impl();
  const weighted::Image& image = options.tolerance < weighted::kCarefulTolerance ? impl.one_block : impl.by_component;
  WeightedResult result;
  result.share.resize(model.num_physical());
  result.rank_time.resize(model.num_ranks());
  result.quota.resize(options.whole_tokens ? model.num_physical() : 0);
  const weighted::MemoryLayout layout =
      weighted::lay_out_memory(image.header, weighted::SerialBlock::num_threads(), image.header.num_rows);
  std::vector<double> doubles(layout.num_doubles);
  weighted::SerialBlock block;
  weighted::LoneTeam team(block);
  const weighted::ImageView view{.header = image.header, .words = image.words.data()};
  const weighted::Batch batch{.counts = input.counts.data(),
                              .base_time = input.base_time.empty() ? nullptr : input.base_time.data(),
                              .row_bound = input.row_bound.data(),
                              .tolerance = options.tolerance,
                              .max_iterations = options.max_iterations};
  const weighted::Memory memory{.at = layout, .doubles = doubles.data()};
  weighted::solve_problem(team, view, batch, memory,
                          {.share = result.share.data(),
                           .rank_time = result.rank_time.data(),
                           .quota = options.whole_tokens ? result.quota.data() : nullptr,
                           .summary = &result});
  return result;
}

}  // namespace lplb
