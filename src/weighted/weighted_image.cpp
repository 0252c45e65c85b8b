// Preparing a weighted model: rows by component, and the list of pairs of columns that meet in each element of the
// normal matrix. See weighted_image.h.

#include "weighted/weighted_image.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

#include "base/check.h"
#include "weighted/weighted_cells.h"

namespace lplb::weighted {
namespace {

class ImageWriter {
 public:
  ImageWriter(const Placement& placement, const WeightedArgs& args, bool one_block)
      : placement_(placement),
        args_(args),
        is_one_block_(one_block || args.num_rows > 0),
        cells_(gather_cells(placement, args)),
        rank_row_(placement.num_ranks(), kNone) {}

  Image write() {
    header_.num_logical = placement_.num_logical();
    header_.num_physical = placement_.num_physical();
    header_.num_ranks = placement_.num_ranks();
    header_.num_extra = args_.num_rows;
    number_rows();
    write_columns();
    write_blocks();
    write_elements();
    write_fixed();
    write_cells();
    header_.num_words = static_cast<std::int32_t>(words_.size());
    return {.header = header_, .words = std::move(words_)};
  }

 private:
  bool is_live(int rank) const { return args_.live.empty() || args_.live[rank] != 0; }

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
    for (std::size_t j = 0; j < cells_.expert_id.size(); ++j) {
      for (int p = cells_.expert_begin[j] + 1; p < cells_.expert_begin[j + 1]; ++p) {
        const int a = find(cells_.columns[cells_.expert_begin[j]].rank);
        const int b = find(cells_.columns[p].rank);
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
    for (const Cell& column : cells_.columns) {
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
    header_.num_experts = static_cast<std::int32_t>(cells_.expert_id.size());
    header_.num_columns = static_cast<std::int32_t>(cells_.columns.size());
    std::vector<double> starts;
    std::vector<std::int32_t> experts;
    for (int j = 0; j < header_.num_experts; ++j) {
      double speed = 0;
      for (int p = cells_.expert_begin[j]; p < cells_.expert_begin[j + 1]; ++p) {
        speed += 1 / cells_.columns[p].time;
      }
      for (int p = cells_.expert_begin[j]; p < cells_.expert_begin[j + 1]; ++p) {
        starts.push_back(1 / (cells_.columns[p].time * speed));
        experts.push_back(j);
      }
    }
    header_.expert_begin = append(cells_.expert_begin);
    header_.expert_id = append(cells_.expert_id);
    header_.column_time = append(times(cells_.columns));
    header_.column_start = append(starts);
    std::vector<std::int32_t> rows;
    for (const Cell& column : cells_.columns) {
      rows.push_back(rank_row_[column.rank]);
    }
    header_.column_row = append(rows);
    header_.column_expert = append(experts);
    header_.coefficient = append(coefficients(cells_.columns));
    const auto [row_columns, row_column] = group(rows, header_.num_rank_rows);
    std::vector<double> row_time;
    for (const std::int32_t p : row_column) {
      row_time.push_back(cells_.columns[p].time);
    }
    header_.row_columns = append(row_columns);
    header_.row_column = append(row_column);
    header_.row_time = append(row_time);
  }

  static std::vector<double> times(const std::vector<Cell>& cells) {
    std::vector<double> result;
    for (const Cell& cell : cells) {
      result.push_back(cell.time);
    }
    return result;
  }

  /// [R, cells]
  std::vector<double> coefficients(const std::vector<Cell>& cells) const {
    std::vector<double> result;
    for (int row = 0; row < args_.num_rows; ++row) {
      for (const Cell& cell : cells) {
        result.push_back(cell.coefficients[row]);
      }
    }
    return result;
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

  void write_blocks() {
    row_first_.resize(header_.num_rows);
    row_size_.resize(header_.num_rows);
    row_storage_.resize(header_.num_rows);
    std::vector<std::int32_t> block(header_.num_rows);
    for (int row = 0; row < header_.num_rows; row += row_size_[row]) {
      int end = row;
      while (end < header_.num_rows && row_root_[end] == row_root_[row]) {
        ++end;
      }
      const std::int32_t size = end - row;
      for (int i = row; i < end; ++i) {
        block[i] = header_.num_blocks;
        row_first_[i] = row;
        row_size_[i] = size;
        row_storage_[i] = header_.num_elements + i - row;
      }
      header_.num_steps = std::max(header_.num_steps, size);
      header_.num_elements += size * size;
      ++header_.num_blocks;
    }
    header_.row_block = append(block);
    header_.row_first = append(row_first_);
    header_.row_size = append(row_size_);
    header_.row_storage = append(row_storage_);
  }

  using PairLists = std::map<std::pair<int, int>, std::vector<std::uint32_t>>;  // by lower and higher row

  PairLists list_pairs() const {
    PairLists lists;
    for (std::size_t j = 0; j < cells_.expert_id.size(); ++j) {
      for (int p = cells_.expert_begin[j]; p < cells_.expert_begin[j + 1]; ++p) {
        for (int q = p + 1; q < cells_.expert_begin[j + 1]; ++q) {
          const int a = rank_row_[cells_.columns[p].rank];
          const int b = rank_row_[cells_.columns[q].rank];
          auto& list = lists[{std::min(a, b), std::max(a, b)}];
          // On one rank both (p, q) and (q, p) fall on the diagonal.
          list.insert(list.end(), a == b ? 2 : 1, static_cast<std::uint32_t>(p) | static_cast<std::uint32_t>(q) << 16);
        }
      }
    }
    return lists;
  }

  /// All that an extra row meets is listed, and the diagonal.
  void write_elements() {
    const PairLists lists = list_pairs();
    std::vector<std::uint32_t> rows;
    std::vector<std::uint32_t> places;
    std::vector<std::int32_t> begin{0};
    std::vector<std::uint32_t> pairs;
    const auto place = [this](int i, int j) {
      return static_cast<std::uint32_t>(row_storage_[j] + (i - row_first_[i]) * row_size_[i]);
    };
    for (int j = 0; j < header_.num_rows; ++j) {
      for (int i = row_first_[j]; i <= j; ++i) {
        const auto list = lists.find({i, j});
        if (list == lists.end() && i != j && j < header_.num_time_rows) {
          continue;
        }
        rows.push_back(static_cast<std::uint32_t>(i) | static_cast<std::uint32_t>(j) << 16);
        places.push_back(place(i, j) | place(j, i) << 16);
        if (list != lists.end()) {
          pairs.insert(pairs.end(), list->second.begin(), list->second.end());
        }
        begin.push_back(static_cast<std::int32_t>(pairs.size()));
      }
    }
    header_.num_listed = static_cast<std::int32_t>(rows.size());
    header_.listed_rows = append(rows);
    header_.listed_places = append(places);
    header_.listed_pairs = append(begin);
    header_.pair = append(pairs);
  }

  void write_fixed() {
    std::vector<std::int32_t> begin(placement_.num_ranks() + 1, 0);
    for (const Cell& cell : cells_.fixed) {
      ++begin[cell.rank + 1];
    }
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    header_.num_fixed = static_cast<std::int32_t>(cells_.fixed.size());
    header_.rank_row = append(rank_row_);
    header_.rank_fixed = append(begin);
    header_.fixed_expert = append(cells_.fixed_expert);
    header_.fixed_time = append(times(cells_.fixed));
    header_.fixed_coefficient = append(coefficients(cells_.fixed));
  }

  void write_cells() {
    std::vector<std::int32_t> begin{0};
    std::vector<std::int32_t> slots;
    const auto add = [&](const std::vector<std::int32_t>& cell_slots) {
      slots.insert(slots.end(), cell_slots.begin(), cell_slots.end());
      begin.push_back(static_cast<std::int32_t>(slots.size()));
    };
    for (const std::vector<Cell>* const cells : {&cells_.columns, &cells_.fixed}) {
      for (const Cell& cell : *cells) {
        add(cell.slots);
      }
    }
    add(cells_.idle);
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
  Cells cells_;
  ImageHeader header_{};
  std::vector<std::uint32_t> words_;
  std::vector<std::int32_t> rank_row_;     // [G]
  std::vector<int> row_root_;              // [num_rows] what names the row's block
  std::vector<std::int32_t> row_first_;    // [num_rows] and the others, as in the header
  std::vector<std::int32_t> row_size_;     //
  std::vector<std::int32_t> row_storage_;  //
};

}  // namespace

Image make_image(const Placement& placement, const WeightedArgs& args, bool one_block) {
  return ImageWriter(placement, args, one_block).write();
}

}  // namespace lplb::weighted
