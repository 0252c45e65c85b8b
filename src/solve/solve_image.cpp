// Laying the split graph out for the CUDA solver: sections one after another, and tables per component with a row a
// color or a step and a column a rank, so that a lane finds its part without a search.

#include "solve/solve_image.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "solve/solve_config.h"
#include "solve/split_graph.h"
#include "solve/step_table.h"

namespace lplb::cuda {
namespace {

class ImageWriter {
 public:
  explicit ImageWriter(const SplitGraph::Impl& graph)
      : graph_(graph),
        layout_(image_layout(graph.num_logical, graph.num_physical, graph.num_ranks)),
        words_(layout_.tasks) {}

  SolveImage write() {
    number_ranks();
    number_totals();
    lay_out_tasks();
    append(tasks_);  // and once more when they are complete
    write_reciprocals();
    for (SolveTask& task : tasks_) {
      write_ranks(task);
      if (is_pairs(task)) {
        write_pairs(task);
      } else {
        write_shares(task);
        write_masks(task);
        write_steps(task);
      }
    }
    write_classes();
    write_slots();
    write_destinations();
    header_.lone = append(lone_);
    header_.num_tasks = static_cast<std::int32_t>(tasks_.size());
    header_.num_shares = static_cast<std::int32_t>(shares_.size());
    header_.num_words = static_cast<std::int32_t>(words_.size());
    put(0, std::vector{header_});
    put(layout_.keys, graph_.digest_keys);
    put(layout_.tasks, tasks_);
    return {.words = std::move(words_), .shares = std::move(shares_)};
  }

 private:
  /// Appends a section; returns its offset. Sections start at multiples of four words.
  template <class T>
  std::int32_t append(const std::vector<T>& values) {
    static_assert(sizeof(T) % 4 == 0);
    const std::size_t begin = words_.size();
    words_.resize(begin + (values.size() * sizeof(T) / 4 + 3) / 4 * 4);
    put(begin, values);
    return static_cast<std::int32_t>(begin);
  }

  template <class T>
  void put(std::size_t begin, const std::vector<T>& values) {
    if (!values.empty()) {
      std::memcpy(words_.data() + begin, values.data(), values.size() * sizeof(T));
    }
  }

  std::span<const std::int32_t> members_of(const ExpertClass& c) const {
    return std::span(graph_.arc_rank).subspan(c.first_arc, c.num_members);
  }

  void number_ranks() {
    local_.resize(graph_.num_ranks);
    std::vector<std::uint32_t> lone;
    for (std::size_t i = 0; i < graph_.components.size(); ++i) {
      const Component& c = graph_.components[i];
      for (int j = 0; j < c.num_ranks; ++j) {
        local_[graph_.component_ranks[c.first_rank + j]] = j;
      }
      if (c.num_classes == 0) {
        lone.push_back(static_cast<std::uint32_t>(graph_.component_ranks[c.first_rank]) | static_cast<std::uint32_t>(i)
                                                                                              << 16);
      }
    }
    header_.num_lone = static_cast<std::int32_t>(lone.size());
    lone_ = std::move(lone);
  }

  void number_totals() {
    for (const ExpertClass& c : graph_.classes) {
      totals_.push_back(c.num_experts > 1 ? place_of_tokens(first_total() + header_.num_totals) : 0);
      header_.num_totals += c.num_experts > 1 ? 1 : 0;
    }
  }
  int first_fixed() const { return graph_.num_logical + 1; }
  int first_total() const { return first_fixed() + graph_.num_ranks; }
  /// A total has its place in 16 bits: it takes two experts, on ranks of two slots at least.
  static_assert(place_of_tokens(kMaxImageLogical + 1 + kMaxImagePhysical / 2 + kMaxImageLogical / 2) <= 0xffff);

  void lay_out_tasks() {
    for (std::size_t i = 0; i < graph_.components.size(); ++i) {
      const Component& c = graph_.components[i];
      if (c.num_classes == 0) {
        continue;
      }
      check(c.num_ranks <= kMaxComponentRanks, "[SolveGraph] ", c.num_ranks,
            " ranks share experts, directly or over others; the CUDA solver takes up to ", kMaxComponentRanks);
      SolveTask task{};
      task.num_ranks = c.num_ranks;
      task.has_cycle = c.has_cycle ? 1 : 0;
      task.component = static_cast<std::int32_t>(i);
      task.first_rank = c.first_rank;
      task.is_wide = c.is_wide ? 1 : 0;
      for (const ExpertClass& e : std::span(graph_.classes).subspan(c.first_class, c.num_classes)) {
        task.num_colors = std::max(task.num_colors, e.color + 1);
      }
      task.kind = kind_of(task, c.is_wide);
      task.reciprocal = reciprocal_of(task.num_ranks);
      task.first_amount = header_.num_amounts;
      header_.num_amounts += shape_of(task).num_rows * shape_of(task).num_columns;
      tasks_.push_back(task);
    }
    // The longest first: a block has fewer warps than some placements have components.
    std::ranges::stable_sort(tasks_, std::greater{}, &SolveTask::num_ranks);
  }

  static TaskKind kind_of(const SolveTask& task, bool is_wide) {
    if (!is_wide && task.num_ranks <= 32 && task.num_colors <= kMaxPairColors) {
      return task.num_colors > kMaxPairColors / 2 ? TaskKind::kPairs1x8 : TaskKind::kPairs1x4;
    }
    if (!is_wide && task.num_ranks <= 64 && task.num_colors <= kMaxPairColorsOf64) {
      return task.num_colors > kMaxPairColorsOf64 / 2 ? TaskKind::kPairs2x6 : TaskKind::kPairs2x3;
    }
    const int ranks_per_lane = class_ranks_per_lane(task.num_ranks);
    return ranks_per_lane == 1 ? TaskKind::kClasses1 : ranks_per_lane == 2 ? TaskKind::kClasses2 : TaskKind::kClasses4;
  }

  /// Of the amounts, and of the tables of classes.
  static ClassTableShape shape_of(const SolveTask& task) {
    return is_pairs(task) ? ClassTableShape{.num_rows = task.num_colors, .num_columns = task.num_ranks}
                          : class_table_shape(task.num_colors, task.num_ranks);
  }

  /// Ranks a lane, and words that hold a rank of the component as a bit each.
  static int mask_words(const SolveTask& task) {
    switch (task.kind) {
      case TaskKind::kPairs2x3:
      case TaskKind::kPairs2x6:
      case TaskKind::kClasses2:
        return 2;
      case TaskKind::kClasses4:
        return 4;
      default:
        return 1;
    }
  }

  /// One table for all tasks, the largest of which comes first.
  void write_reciprocals() {
    std::vector<std::uint32_t> reciprocals;
    for (int n = 0; !tasks_.empty() && n <= tasks_[0].num_ranks; ++n) {
      reciprocals.push_back(reciprocal_of(n));
    }
    const std::int32_t begin = append(reciprocals);
    for (SolveTask& task : tasks_) {
      task.reciprocals = begin;
    }
  }

  void write_ranks(SolveTask& task) {
    const Component& component = graph_.components[task.component];
    std::vector<std::int32_t> ranks(32 * static_cast<std::size_t>(mask_words(task)), graph_.num_ranks);
    std::copy_n(graph_.component_ranks.begin() + component.first_rank, component.num_ranks, ranks.begin());
    task.ranks = append(ranks);
  }

  void write_pairs(SolveTask& task) {
    const Component& component = graph_.components[task.component];
    const bool is_four = task.kind == TaskKind::kPairs1x4 || task.kind == TaskKind::kPairs2x3;
    const std::size_t num_colors = is_four ? kMaxPairColors / 2 : kMaxPairColors;
    const std::size_t num_lanes = 32 * static_cast<std::size_t>(mask_words(task));
    std::vector<PairWord> words(num_lanes * num_colors);
    for (std::size_t i = 0; i < words.size(); ++i) {
      words[i] = static_cast<PairWord>(i / num_colors) | place_of_tokens(graph_.num_logical) << 16;
    }
    for (int i = component.first_class; i < component.first_class + component.num_classes; ++i) {
      const PairWord tokens = place_of_total(i) << 16;
      const auto low = static_cast<PairWord>(local_[members_of(graph_.classes[i])[0]]);
      const auto high = static_cast<PairWord>(local_[members_of(graph_.classes[i])[1]]);
      const std::size_t color = graph_.classes[i].color;
      words[low * num_colors + color] = high | kPairIsLower | tokens;
      words[high * num_colors + color] = low | tokens;
    }
    task.pairs = append(words);
  }

  std::uint32_t place_of_total(int class_idx) const {
    const ExpertClass& c = graph_.classes[class_idx];
    return c.num_experts == 1 ? place_of_tokens(graph_.class_experts[c.first_expert]) : totals_[class_idx];
  }

  void write_shares(const SolveTask& task) {
    const Component& component = graph_.components[task.component];
    const std::size_t first = shares_.size();
    const ClassTableShape shape = shape_of(task);
    for (int i = 0; i < shape.num_rows * shape.num_columns; ++i) {
      shares_.push_back({.members_and_tokens = place_of_tokens(graph_.num_logical) << 16,
                         .reciprocal = 0,
                         .amount = task.first_amount + i,
                         .rank = task.first_rank + i % shape.num_columns});
    }
    for (int i = component.first_class; i < component.first_class + component.num_classes; ++i) {
      const ExpertClass& c = graph_.classes[i];
      for (int j = 0; j < c.num_members; ++j) {
        EvenShare& share =
            shares_[first + static_cast<std::size_t>(c.color) * shape.num_columns + local_[members_of(c)[j]]];
        share.members_and_tokens = static_cast<std::uint32_t>(c.num_members | j << 8) | place_of_total(i) << 16;
        share.reciprocal = reciprocal_of(c.num_members);
      }
    }
  }

  /// Of each color and rank the members of the class, as bits.
  void write_masks(SolveTask& task) {
    const Component& component = graph_.components[task.component];
    const int num_words = mask_words(task);
    const ClassTableShape shape = shape_of(task);
    std::vector<std::uint32_t> masks(static_cast<std::size_t>(shape.num_rows) * shape.num_columns * num_words);
    for (const ExpertClass& c : std::span(graph_.classes).subspan(component.first_class, component.num_classes)) {
      for (const std::int32_t rank : members_of(c)) {
        const std::size_t arc = static_cast<std::size_t>(c.color) * shape.num_columns + local_[rank];
        for (const std::int32_t member : members_of(c)) {
          masks[arc * num_words + local_[member] / 32] |= 1U << local_[member] % 32;
        }
      }
    }
    task.masks = append(masks);
  }

  void write_steps(SolveTask& task) {
    const int num_columns = shape_of(task).num_columns;
    const std::vector<PartArc> steps = make_step_table(members_by_color(task), num_columns, mask_words(task));
    task.num_steps = static_cast<std::int32_t>(steps.size()) / num_columns;
    task.steps = append(steps);
  }

  /// Of the classes of a component, numbers within it.
  std::vector<std::vector<std::vector<std::int32_t>>> members_by_color(const SolveTask& task) const {
    const Component& component = graph_.components[task.component];
    std::vector<std::vector<std::vector<std::int32_t>>> colors(task.num_colors);
    for (const ExpertClass& c : std::span(graph_.classes).subspan(component.first_class, component.num_classes)) {
      std::vector<std::int32_t>& members = colors[c.color].emplace_back();
      for (const std::int32_t rank : members_of(c)) {
        members.push_back(local_[rank]);
      }
    }
    return colors;
  }

  static bool is_pairs(const SolveTask& task) { return task.kind <= TaskKind::kPairs2x6; }

  void write_classes() {
    class_task_.resize(graph_.classes.size());
    for (std::size_t t = 0; t < tasks_.size(); ++t) {
      const Component& component = graph_.components[tasks_[t].component];
      std::fill_n(class_task_.begin() + component.first_class, component.num_classes, static_cast<std::int32_t>(t));
    }
    const std::int32_t experts = append(graph_.class_experts);
    std::vector<std::int32_t> amounts(graph_.arc_rank.size());
    for (std::size_t i = 0; i < graph_.classes.size(); ++i) {
      const ExpertClass& c = graph_.classes[i];
      for (int j = 0; j < c.num_members; ++j) {
        amounts[c.first_arc + j] = amount_of(i, j);
      }
    }
    const std::int32_t arcs = append(amounts);
    std::vector<SolveClass> classes;
    for (const ExpertClass& c : graph_.classes) {
      classes.push_back({.first_expert = experts + c.first_expert,
                         .num_experts = c.num_experts,
                         .first_arc = arcs + c.first_arc,
                         .num_members = c.num_members});
    }
    header_.classes = append(classes);
  }

  std::int32_t amount_of(std::size_t class_idx, int member) const {
    const ExpertClass& c = graph_.classes[class_idx];
    const SolveTask& task = tasks_[class_task_[class_idx]];
    return task.first_amount + c.color * shape_of(task).num_columns + local_[members_of(c)[member]];
  }

  void write_slots() {
    const auto none = static_cast<std::uint32_t>(graph_.num_logical);
    std::vector<std::uint32_t> slots(graph_.num_physical, none);
    std::vector<std::uint32_t> stacks;
    for (const SoloExpert& solo : graph_.solo) {
      slots[solo.slot] = static_cast<std::uint32_t>(solo.expert);
    }
    for (const StackedExpert& stacked : graph_.stacked) {
      for (int i = 0; i < stacked.cell.count; ++i) {
        stacks.push_back(stack_word(stacked.cell.count, i));
        slots[graph_.cell_slots[stacked.cell.begin + i]] =
            static_cast<std::uint32_t>(stacked.expert) | static_cast<std::uint32_t>(stacks.size()) << 16;
      }
    }
    std::vector<SharedSlot> shared;
    std::vector<SlotPart> parts;
    for (std::size_t i = 0; i < graph_.classes.size(); ++i) {
      append_shared(i, slots, shared, parts);
    }
    put(kSlotsBegin, slots);
    header_.stacks = append(stacks);
    header_.shared = append(shared);
    header_.parts = append(parts);
    header_.num_shared = static_cast<std::int32_t>(shared.size());
  }

  void write_destinations() {
    std::vector<std::uint32_t> positions(graph_.num_ranks);
    for (std::size_t i = 0; i < graph_.component_ranks.size(); ++i) {
      const std::int32_t rank = graph_.component_ranks[i];
      positions[rank] = graph_.live[rank] != 0 ? place_of_tokens(first_fixed() + static_cast<int>(i)) : 0;
    }
    std::vector<std::uint32_t> destinations(graph_.num_logical);
    for (int rank = 0; rank < graph_.num_ranks; ++rank) {
      for (int i = graph_.solo_begin[rank]; i < graph_.solo_begin[rank + 1]; ++i) {
        destinations[graph_.solo[i].expert] = positions[rank];
      }
    }
    for (const StackedExpert& stacked : graph_.stacked) {
      destinations[stacked.expert] = positions[stacked.rank];
    }
    for (std::size_t i = 0; i < graph_.classes.size(); ++i) {
      const ExpertClass& c = graph_.classes[i];
      for (const std::int32_t expert : std::span(graph_.class_experts).subspan(c.first_expert, c.num_experts)) {
        destinations[expert] = totals_[i];
      }
    }
    put(layout_.positions, positions);
    put(layout_.destinations, destinations);
  }

  static std::uint32_t stack_word(int count, int number) { return static_cast<std::uint32_t>(count | number << 16); }

  void append_shared(std::size_t class_idx, std::vector<std::uint32_t>& slots, std::vector<SharedSlot>& shared,
                     std::vector<SlotPart>& parts) const {
    const ExpertClass& c = graph_.classes[class_idx];
    for (int j = 0; j < c.num_experts; ++j) {
      for (int member = 0; member < c.num_members; ++member) {
        const Cell& cell = graph_.cells[c.first_cell + j * c.num_members + member];
        for (int i = 0; i < cell.count; ++i) {
          const std::int32_t slot = graph_.cell_slots[cell.begin + i];
          const bool is_whole = c.num_experts == 1 && cell.count == 1;
          slots[slot] = static_cast<std::uint32_t>(graph_.num_logical) | kSharedStack << 16;
          shared.push_back({.slot = static_cast<std::uint32_t>(slot) | (is_whole ? 0 : kSharesAmount),
                            .amount = amount_of(class_idx, member),
                            .key = graph_.digest_keys[slot]});
          parts.push_back({.class_idx = static_cast<std::int32_t>(class_idx),
                           .expert = graph_.class_experts[c.first_expert + j],
                           .position = j,
                           .stack = stack_word(cell.count, i)});
        }
      }
    }
  }

  const SplitGraph::Impl& graph_;
  const ImageLayout layout_;
  SolveHeader header_{};
  std::vector<std::uint32_t> words_;
  std::vector<EvenShare> shares_;         //
  std::vector<std::uint32_t> totals_;     // [num_classes] place of the tokens of a class of several experts; else 0
  std::vector<std::uint32_t> lone_;       // ranks that are components without classes
  std::vector<std::int32_t> local_;       // [G] number of a rank within its component
  std::vector<SolveTask> tasks_;          //
  std::vector<std::int32_t> class_task_;  // [num_classes]
};

}  // namespace

SolveImage make_solve_image(const SplitGraph& graph) {
  check(graph.num_logical() <= kMaxImageLogical && graph.num_physical() <= kMaxImagePhysical, "[SolveGraph] ",
        graph.num_logical(), " logical and ", graph.num_physical(), " physical experts; the CUDA solver takes up to ",
        kMaxImageLogical, " and ", kMaxImagePhysical);
  return ImageWriter(graph.impl()).write();
}

}  // namespace lplb::cuda
