// Gathering the cells of a weighted model. See weighted_cells.h.

#include "weighted/weighted_cells.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace lplb::weighted {
namespace {

constexpr std::size_t kMaxColumnsPerExpert = 512;  // every pair of them is listed

void check_args(const Placement& placement, const WeightedArgs& args) {
  const auto num_ranks = static_cast<std::size_t>(placement.num_ranks());
  const auto num_physical = static_cast<std::size_t>(placement.num_physical());
  check(args.time_per_token.size() == num_ranks || args.time_per_token.size() == num_physical,
        "[WeightedModel] time_per_token has ", args.time_per_token.size(), " entries; it must have one a rank (",
        num_ranks, ") or one a physical expert (", num_physical, ")");
  for (std::size_t i = 0; i < args.time_per_token.size(); ++i) {
    const double time = args.time_per_token[i];
    check(time >= kMinWeightedTime && time <= kMaxWeightedTime, "[WeightedModel] time_per_token[", i, "] is ", time,
          "; it must be in ", kMinWeightedTime, "..", kMaxWeightedTime);
  }
  check(args.live.empty() || args.live.size() == num_ranks, "[WeightedModel] live has ", args.live.size(),
        " entries; it must be empty or have num_ranks (", num_ranks, ")");
  check(args.num_rows >= 0 && args.num_rows <= kMaxWeightedRows, "[WeightedModel] num_rows (", args.num_rows,
        ") must be in 0..", kMaxWeightedRows);
  for (std::size_t i = 0; i < args.rows.size(); ++i) {
    const RowEntry& entry = args.rows[i];
    check(entry.row >= 0 && entry.row < args.num_rows, "[WeightedModel] rows[", i, "].row is ", entry.row,
          "; it must be in 0..", args.num_rows - 1);
    check(entry.physical >= 0 && entry.physical < placement.num_physical(), "[WeightedModel] rows[", i,
          "].physical is ", entry.physical, "; it must be in 0..", placement.num_physical() - 1);
    check(std::abs(entry.value) <= kMaxWeightedTime, "[WeightedModel] rows[", i, "].value is ", entry.value,
          "; it must be finite, at most ", kMaxWeightedTime);
  }
}

class Gatherer {
 public:
  Gatherer(const Placement& placement, const WeightedArgs& args)
      : placement_(placement),
        args_(args),
        is_per_copy_(args.time_per_token.size() != static_cast<std::size_t>(placement.num_ranks())),
        matrix_(static_cast<std::size_t>(args.num_rows) * placement.num_physical()) {
    for (const RowEntry& entry : args.rows) {
      matrix_[static_cast<std::size_t>(entry.row) * placement.num_physical() + entry.physical] += entry.value;
    }
  }

  Cells gather() {
    cells_.expert_begin.push_back(0);
    for (int expert = 0; expert < placement_.num_logical(); ++expert) {
      add_expert(expert);
    }
    sort_fixed_by_rank();
    for (int slot = 0; slot < placement_.num_physical(); ++slot) {
      if (placement_.phy2log()[slot] == kNone || !is_live(placement_.rank_of(slot))) {
        cells_.idle.push_back(slot);
      }
    }
    return std::move(cells_);
  }

 private:
  bool is_live(int rank) const { return args_.live.empty() || args_.live[rank] != 0; }

  void add_expert(int expert) {
    std::vector<Cell> cells;
    for (const std::int32_t slot : placement_.replicas(expert)) {
      if (is_live(placement_.rank_of(slot))) {
        add_slot(cells, slot);
      }
    }
    check(!cells.empty(), "[WeightedModel] expert ", expert, " has no copy on a live rank");
    check(cells.size() <= kMaxColumnsPerExpert, "[WeightedModel] expert ", expert, " has ", cells.size(),
          " copies that times or rows tell apart; at most ", kMaxColumnsPerExpert, " are supported");
    if (cells.size() == 1) {
      cells_.fixed.push_back(std::move(cells[0]));
      cells_.fixed_expert.push_back(expert);
      return;
    }
    cells_.expert_id.push_back(expert);
    std::ranges::move(cells, std::back_inserter(cells_.columns));
    cells_.expert_begin.push_back(static_cast<std::int32_t>(cells_.columns.size()));
  }

  void add_slot(std::vector<Cell>& cells, std::int32_t slot) const {
    const int rank = placement_.rank_of(slot);
    Cell cell{.rank = rank, .time = args_.time_per_token[is_per_copy_ ? slot : rank], .coefficients = {}, .slots = {}};
    for (int row = 0; row < args_.num_rows; ++row) {
      cell.coefficients.push_back(matrix_[static_cast<std::size_t>(row) * placement_.num_physical() + slot]);
    }
    const auto same = std::ranges::find_if(cells, [&](const Cell& other) {
      return other.rank == cell.rank && other.time == cell.time && other.coefficients == cell.coefficients;
    });
    if (same != cells.end()) {
      same->slots.push_back(slot);
    } else {
      cell.slots.push_back(slot);
      cells.push_back(std::move(cell));
    }
  }

  void sort_fixed_by_rank() {
    std::vector<std::int32_t> order(cells_.fixed.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [this](std::int32_t i) { return cells_.fixed[i].rank; });
    std::vector<std::int32_t> experts;
    std::vector<Cell> fixed;
    for (const std::int32_t i : order) {
      experts.push_back(cells_.fixed_expert[i]);
      fixed.push_back(std::move(cells_.fixed[i]));
    }
    cells_.fixed_expert = std::move(experts);
    cells_.fixed = std::move(fixed);
  }

  const Placement& placement_;
  const WeightedArgs& args_;
  bool is_per_copy_;
  std::vector<double> matrix_;  // [R, P]
  Cells cells_;
};

}  // namespace

Cells gather_cells(const Placement& placement, const WeightedArgs& args) {
  check_args(placement, args);
  return Gatherer(placement, args).gather();
}

}  // namespace lplb::weighted
