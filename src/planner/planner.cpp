// The per-batch path as a list of stages: count -> solve -> apportion -> remap.

#include "lplb/planner.h"

#include <utility>

#include "base/check.h"
#include "lplb/count.h"
#include "lplb/remap.h"

namespace lplb {

Planner::Planner(Placement placement) : placement_(std::move(placement)), graph_(placement_) {}

void Planner::set_placement(Placement placement) {
  const bool keeps_ranks = placement.num_ranks() == placement_.num_ranks();
  graph_ = SplitGraph(placement, keeps_ranks ? std::span<const std::uint8_t>(live_) : std::span<const std::uint8_t>());
  if (!keeps_ranks) {
    live_.clear();
    base_load_.clear();
  }
  placement_ = std::move(placement);
  forget_plan();
}

void Planner::set_live_ranks(std::span<const std::uint8_t> live) {
  graph_ = SplitGraph(placement_, live);
  live_.assign(live.begin(), live.end());
  forget_plan();
}

void Planner::set_base_load(std::span<const Tokens> base_load) {
  check(base_load.empty() || static_cast<int>(base_load.size()) == placement_.num_ranks(),
        "[Planner::set_base_load] base_load has ", base_load.size(),
        " entries; it must have none, or one for each of the ", placement_.num_ranks(), " ranks");
  base_load_.assign(base_load.begin(), base_load.end());
}

const Plan& Planner::plan_counts(std::span<const Tokens> counts) {
  const std::size_t num_logical = placement_.num_logical();
  const std::size_t num_sources = counts.size() / num_logical;
  check(counts.size() == num_logical || counts.size() == num_logical * placement_.num_ranks(),
        "[Planner::plan_counts] counts has ", counts.size(), " entries; it must be [", num_logical, "] or [",
        placement_.num_ranks(), ", ", num_logical, "]");
  std::vector<std::int64_t> sums(num_logical, 0);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    check(counts[i] >= 0, "[Planner::plan_counts] counts[", i, "] is ", counts[i], "; it must not be negative");
    sums[i % num_logical] += counts[i];
  }
  counts_.resize(num_logical);
  for (std::size_t e = 0; e < num_logical; ++e) {
    check(std::in_range<Tokens>(sums[e]), "[Planner::plan_counts] expert ", e, " has ", sums[e],
          " tokens; that must be below 2^31");
    counts_[e] = static_cast<Tokens>(sums[e]);
  }
  solve(graph_, counts_, base_load_, workspace_, plan_);
  if (num_sources == static_cast<std::size_t>(placement_.num_ranks())) {
    source_counts_.assign(counts.begin(), counts.end());
  } else {
    source_counts_.clear();
  }
  count_status();
  return plan_;
}

SourceTable Planner::source_table(int source_rank, std::span<const Tokens> own_counts) const {
  check(!plan_.quota.empty(),
        "[Planner::source_table] there is no plan yet for this placement; call plan_counts first");
  if (!source_counts_.empty()) {
    return apportion_source(placement_, source_counts_, plan_.quota, source_rank);
  }
  check(!own_counts.empty(),
        "[Planner::source_table] own_counts is empty; it is needed when the plan was made from counts [E]");
  return apportion_proportional(placement_, own_counts, plan_.quota, source_rank, live_);
}

template <class Id>
std::vector<Id> Planner::run_ids(std::span<const Id> topk_idx) {
  counts_.resize(placement_.num_logical());
  count_tokens(topk_idx, counts_);
  solve(graph_, counts_, base_load_, workspace_, plan_);
  source_counts_.clear();
  count_status();
  const SourceTable table{.source_rank = 0, .proportional = false, .tokens = plan_.quota};
  std::vector<Id> physical(topk_idx.size());
  remap(placement_, table, topk_idx, physical);
  return physical;
}

std::vector<std::int64_t> Planner::run(std::span<const std::int64_t> topk_idx) { return run_ids(topk_idx); }
std::vector<std::int32_t> Planner::run(std::span<const std::int32_t> topk_idx) { return run_ids(topk_idx); }

void Planner::forget_plan() {
  plan_ = Plan{};
  source_counts_.clear();
}

void Planner::count_status() {
  std::int64_t* const counter[] = {&stats_.num_optimal, &stats_.num_within_tolerance, &stats_.num_fallback};
  ++*counter[static_cast<int>(plan_.status)];
}

}  // namespace lplb
