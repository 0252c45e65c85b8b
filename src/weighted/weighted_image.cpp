// Preparing a weighted model: columns, rows by component, and the list of pairs of columns that meet in each element of
// the normal matrix. See weighted_image.h.

#include "weighted/weighted_image.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>

#include "base/check.h"

namespace lplb::weighted {
namespace {

constexpr std::size_t kMaxColumnsPerExpert = 512;  // every pair of them is listed

/// Copies of one expert on one rank with the same time and the same coefficients.
struct Cell {
  std::int32_t rank;
  double time;
  std::vector<double> coefficients;  // [R]
  std::vector<std::int32_t> slots;
};

class ImageWriter {
 public:
  ImageWriter(const Placement& placement, const WeightedArgs& args, bool one_block)
      : placement_(placement),
        args_(args),
        is_one_block_(one_block || args.num_rows > 0),
        is_per_copy_(args.time_per_token.size() != static_cast<std::size_t>(placement.num_ranks())),
        matrix_(static_cast<std::size_t>(args.num_rows) * placement.num_physical()),
        rank_row_(placement.num_ranks(), kNone) {
    for (const RowEntry& entry : args.rows) {
      matrix_[static_cast<std::size_t>(entry.row) * placement.num_physical() + entry.physical] += entry.value;
    }
  }

  Image write() {
    header_.num_logical = placement_.num_logical();
    header_.num_physical = placement_.num_physical();
    header_.num_ranks = placement_.num_ranks();
    header_.num_extra = args_.num_rows;
    expert_begin_.push_back(0);
    for (int expert = 0; expert < placement_.num_logical(); ++expert) {
      add_expert(expert);
    }
    number_rows();
    write_columns();
    write_blocks();
    write_fixed();
    write_cells();
    header_.num_words = static_cast<std::int32_t>(words_.size());
    return {.header = header_, .words = std::move(words_)};
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
      fixed_.push_back(std::move(cells[0]));
      fixed_expert_.push_back(expert);
      return;
    }
    expert_id_.push_back(expert);
    std::ranges::move(cells, std::back_inserter(columns_));
    expert_begin_.push_back(static_cast<std::int32_t>(columns_.size()));
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

  /// Ranks that share experts, directly or over others, have one root: the lowest of them.
  std::vector<int> find_roots() const {
    std::vector<int> root(placement_.num_ranks());
    std::iota(root.begin(), root.end(), 0);
    const auto find = [&root](int rank) {
      while (root[rank] != rank) {
        rank = root[rank] = root[root[rank]];
      }
      return rank;
    };
    for (std::size_t j = 0; j < expert_id_.size(); ++j) {
      for (int p = expert_begin_[j] + 1; p < expert_begin_[j + 1]; ++p) {
        const int a = find(columns_[expert_begin_[j]].rank);
        const int b = find(columns_[p].rank);
        root[std::max(a, b)] = std::min(a, b);
      }
    }
    for (int rank = 0; rank < placement_.num_ranks(); ++rank) {
      root[rank] = find(rank);
    }
    return root;
  }

  void number_rows() {
    const std::vector<int> root = find_roots();
    std::vector<std::uint8_t> has_column(placement_.num_ranks(), 0);
    for (const Cell& column : columns_) {
      has_column[column.rank] = 1;
    }
    std::vector<int> order;
    bool has_floor = false;
    for (int rank = 0; rank < placement_.num_ranks(); ++rank) {
      if (has_column[rank] != 0) {
        order.push_back(rank);
      }
      has_floor = has_floor || (has_column[rank] == 0 && is_live(rank));
    }
    check(order.size() <= kMaxWeightedRanks, "[WeightedModel] ", order.size(),
          " ranks hold copies of experts that live elsewhere too; at most ", kMaxWeightedRanks, " are supported");
    std::ranges::stable_sort(order, {}, [&root](int rank) { return root[rank]; });
    for (std::size_t i = 0; i < order.size(); ++i) {
      rank_row_[order[i]] = static_cast<std::int32_t>(i);
      row_root_.push_back(is_one_block_ ? 0 : root[order[i]]);
    }
    header_.num_rank_rows = static_cast<std::int32_t>(order.size());
    header_.num_time_rows = header_.num_rank_rows + (has_floor ? 1 : 0);
    header_.num_rows = header_.num_time_rows + args_.num_rows;
    row_root_.resize(header_.num_rows, is_one_block_ ? 0 : kNone);
    for (int rank = 0; rank < placement_.num_ranks(); ++rank) {
      if (has_column[rank] == 0 && is_live(rank)) {
        rank_row_[rank] = header_.num_rank_rows;
      }
    }
  }

  void write_columns() {
    header_.num_experts = static_cast<std::int32_t>(expert_id_.size());
    header_.num_columns = static_cast<std::int32_t>(columns_.size());
    std::vector<double> times;
    std::vector<double> starts;
    std::vector<std::int32_t> rows;
    std::vector<std::int32_t> experts;
    for (std::size_t j = 0; j < expert_id_.size(); ++j) {
      double speed = 0;
      for (int p = expert_begin_[j]; p < expert_begin_[j + 1]; ++p) {
        speed += 1 / columns_[p].time;
      }
      for (int p = expert_begin_[j]; p < expert_begin_[j + 1]; ++p) {
        times.push_back(columns_[p].time);
        starts.push_back(1 / (columns_[p].time * speed));
        rows.push_back(rank_row_[columns_[p].rank]);
        experts.push_back(static_cast<std::int32_t>(j));
      }
    }
    header_.expert_begin = append(expert_begin_);
    header_.expert_id = append(expert_id_);
    header_.column_time = append(times);
    header_.column_start = append(starts);
    header_.column_row = append(rows);
    header_.column_expert = append(experts);
    const auto [row_columns, row_column] = group(rows, header_.num_rank_rows);
    header_.row_columns = append(row_columns);
    header_.row_column = append(row_column);
    std::vector<double> coefficients;
    for (int row = 0; row < args_.num_rows; ++row) {
      for (const Cell& column : columns_) {
        coefficients.push_back(column.coefficients[row]);
      }
    }
    header_.coefficient = append(coefficients);
  }

  /// Where each key begins, and the items by key, in order.
  static std::pair<std::vector<std::int32_t>, std::vector<std::int32_t>> group(const std::vector<std::int32_t>& keys,
                                                                               int num_keys) {
    std::vector<std::int32_t> begin(num_keys + 1, 0);
    std::vector<std::int32_t> items(keys.size());
    std::iota(items.begin(), items.end(), 0);
    std::ranges::stable_sort(items, {}, [&keys](std::int32_t i) { return keys[i]; });
    for (const std::int32_t key : keys) {
      ++begin[key + 1];
    }
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    return {std::move(begin), std::move(items)};
  }

  using PairLists = std::map<std::pair<int, int>, std::vector<std::uint32_t>>;  // by lower and higher row

  PairLists list_pairs() const {
    PairLists lists;
    for (std::size_t j = 0; j < expert_id_.size(); ++j) {
      for (int p = expert_begin_[j]; p < expert_begin_[j + 1]; ++p) {
        for (int q = p + 1; q < expert_begin_[j + 1]; ++q) {
          const int a = rank_row_[columns_[p].rank];
          const int b = rank_row_[columns_[q].rank];
          auto& list = lists[{std::min(a, b), std::max(a, b)}];
          // On one rank both (p, q) and (q, p) fall on the diagonal.
          list.insert(list.end(), a == b ? 2 : 1, static_cast<std::uint32_t>(p) | static_cast<std::uint32_t>(q) << 16);
        }
      }
    }
    return lists;
  }

  void write_blocks() {
    const PairLists lists = list_pairs();
    std::vector<std::int32_t> first(header_.num_rows);
    std::vector<std::int32_t> size(header_.num_rows);
    std::vector<std::int32_t> storage(header_.num_rows);
    std::vector<std::uint32_t> elements;
    std::vector<std::int32_t> begin{0};
    std::vector<std::uint32_t> pairs;
    for (int row = 0; row < header_.num_rows; row += size[row]) {
      int end = row;
      while (end < header_.num_rows && row_root_[end] == row_root_[row]) {
        ++end;
      }
      for (int i = row; i < end; ++i) {
        first[i] = row;
        size[i] = end - row;
        storage[i] = static_cast<std::int32_t>(elements.size()) + i - row;
      }
      for (int i = row; i < end; ++i) {
        for (int j = row; j < end; ++j) {
          elements.push_back(static_cast<std::uint32_t>(i | j << 8 | row << 16) | static_cast<std::uint32_t>(size[row])
                                                                                      << 24);
          if (const auto list = lists.find({std::min(i, j), std::max(i, j)}); list != lists.end()) {
            pairs.insert(pairs.end(), list->second.begin(), list->second.end());
          }
          begin.push_back(static_cast<std::int32_t>(pairs.size()));
        }
      }
      header_.num_steps = std::max(header_.num_steps, size[row]);
    }
    header_.num_elements = static_cast<std::int32_t>(elements.size());
    header_.row_first = append(first);
    header_.row_size = append(size);
    header_.row_storage = append(storage);
    header_.element = append(elements);
    header_.element_pairs = append(begin);
    header_.pair = append(pairs);
  }

  void write_fixed() {
    std::vector<std::int32_t> ranks;
    for (const Cell& cell : fixed_) {
      ranks.push_back(cell.rank);
    }
    const auto [begin, order] = group(ranks, placement_.num_ranks());
    std::vector<std::int32_t> experts;
    std::vector<double> times;
    std::vector<double> coefficients;
    for (const std::int32_t i : order) {
      experts.push_back(fixed_expert_[i]);
      times.push_back(fixed_[i].time);
      columns_.push_back(fixed_[i]);
    }
    for (int row = 0; row < args_.num_rows; ++row) {
      for (const std::int32_t i : order) {
        coefficients.push_back(fixed_[i].coefficients[row]);
      }
    }
    header_.num_fixed = static_cast<std::int32_t>(fixed_.size());
    header_.rank_row = append(rank_row_);
    header_.rank_fixed = append(begin);
    header_.fixed_expert = append(experts);
    header_.fixed_time = append(times);
    header_.fixed_coefficient = append(coefficients);
  }

  /// Columns are followed by the fixed experts here.
  void write_cells() {
    std::vector<std::int32_t> begin{0};
    std::vector<std::int32_t> slots;
    for (const Cell& cell : columns_) {
      slots.insert(slots.end(), cell.slots.begin(), cell.slots.end());
      begin.push_back(static_cast<std::int32_t>(slots.size()));
    }
    header_.cell_begin = append(begin);
    header_.cell_slot = append(slots);
  }

  template <class T>
  std::int32_t append(const std::vector<T>& values) {
    constexpr std::size_t kAlignment = 4;
    const std::size_t offset = words_.size();
    const std::size_t num_words = values.size() * sizeof(T) / sizeof(std::uint32_t);
    words_.resize((offset + num_words + kAlignment - 1) / kAlignment * kAlignment);
    if (!values.empty()) {
      std::memcpy(words_.data() + offset, values.data(), values.size() * sizeof(T));
    }
    return static_cast<std::int32_t>(offset);
  }

  const Placement& placement_;
  const WeightedArgs& args_;
  bool is_one_block_;
  bool is_per_copy_;
  std::vector<double> matrix_;  // [R, P]
  ImageHeader header_{};
  std::vector<std::uint32_t> words_;
  std::vector<std::int32_t> expert_id_;     // [J]
  std::vector<std::int32_t> expert_begin_;  // [J + 1]
  std::vector<Cell> columns_;               // [n]
  std::vector<Cell> fixed_;                 // by expert
  std::vector<std::int32_t> fixed_expert_;  //
  std::vector<std::int32_t> rank_row_;      // [G]
  std::vector<int> row_root_;               // [num_rows] what names the row's block
};

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

}  // namespace

Image make_image(const Placement& placement, const WeightedArgs& args, bool one_block) {
  check_args(placement, args);
  return ImageWriter(placement, args, one_block).write();
}

}  // namespace lplb::weighted
