// Laying the split graph out for the CUDA solver: sections one after another, and an arc table per component with a row
// a color and a column a rank, so that a lane finds its part of a color without a search.

#include "solve/solve_image.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "solve/split_graph.h"
#include "solve/step_table.h"

namespace lplb::cuda {
namespace {

class ImageWriter {
 public:
  explicit ImageWriter(const SplitGraph::Impl& graph)
      : graph_(graph), words_(tasks_begin(graph.num_physical, graph.num_ranks)) {}

  std::vector<std::uint32_t> write() {
    number_ranks();
    lay_out_tasks();
    append(tasks_);  // and once more when they are complete
    write_reciprocals();
    for (SolveTask& task : tasks_) {
      write_ranks(task);
      if (is_pairs(task)) {
        write_pairs(task);
      } else {
        write_arcs(task);
      }
    }
    write_classes();
    write_slots();
    header_.lone = append(lone_);
    header_.num_tasks = static_cast<std::int32_t>(tasks_.size());
    header_.num_words = static_cast<std::int32_t>(words_.size());
    put(0, std::vector{header_});
    put(live_begin(graph_.num_physical), std::vector<std::uint32_t>(graph_.live.begin(), graph_.live.end()));
    put(keys_begin(graph_.num_physical, graph_.num_ranks), graph_.digest_keys);
    put(tasks_begin(graph_.num_physical, graph_.num_ranks), tasks_);
    return std::move(words_);
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
      bool is_any_wide = false;
      for (const ExpertClass& e : std::span(graph_.classes).subspan(c.first_class, c.num_classes)) {
        task.num_colors = std::max(task.num_colors, e.color + 1);
        needs_totals_ = needs_totals_ || e.num_experts > 1;
        is_any_wide = is_any_wide || e.num_members > 2;
      }
      task.kind = kind_of(task, is_any_wide);
      task.reciprocal = reciprocal_of(task.num_ranks);
      task.first_amount = header_.num_amounts;
      header_.num_amounts += task.num_colors * task.num_ranks;
      tasks_.push_back(task);
    }
    // The longest first: a block has fewer warps than some placements have components.
    std::ranges::stable_sort(tasks_, std::greater{}, &SolveTask::num_ranks);
  }

  static TaskKind kind_of(const SolveTask& task, bool is_any_wide) {
    if (!is_any_wide && task.num_ranks <= 32 && task.num_colors <= kMaxPairColors) {
      return task.num_colors > kMaxPairColors / 2 ? TaskKind::kPairs1x8 : TaskKind::kPairs1x4;
    }
    if (!is_any_wide && task.num_ranks <= 64 && task.num_colors <= kMaxPairColorsOf64) {
      return task.num_colors > kMaxPairColorsOf64 / 2 ? TaskKind::kPairs2x6 : TaskKind::kPairs2x3;
    }
    const int ranks_per_lane = class_ranks_per_lane(task.num_ranks);
    return ranks_per_lane == 1 ? TaskKind::kClasses1 : ranks_per_lane == 2 ? TaskKind::kClasses2 : TaskKind::kClasses4;
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
      words[i] = static_cast<PairWord>(i / num_colors | static_cast<std::size_t>(graph_.num_logical) << 16);
    }
    for (int i = component.first_class; i < component.first_class + component.num_classes; ++i) {
      const PairWord tokens = tokens_word(i);
      const auto low = static_cast<PairWord>(local_[members_of(graph_.classes[i])[0]]);
      const auto high = static_cast<PairWord>(local_[members_of(graph_.classes[i])[1]]);
      const std::size_t color = graph_.classes[i].color;
      words[low * num_colors + color] = high | kPairIsLower | tokens;
      words[high * num_colors + color] = low | tokens;
    }
    task.arcs = append(words);
  }

  PairWord tokens_word(int class_idx) const {
    const ExpertClass& c = graph_.classes[class_idx];
    return static_cast<PairWord>(c.num_experts == 1 ? graph_.class_experts[c.first_expert]
                                                    : graph_.num_logical + 1 + class_idx)
           << 16;
  }

  void write_arcs(SolveTask& task) {
    const Component& component = graph_.components[task.component];
    const int num_words = mask_words(task);
    const std::size_t num_arcs = static_cast<std::size_t>(task.num_colors) * task.num_ranks;
    std::vector<ClassArc> arcs(num_arcs, static_cast<ClassArc>(graph_.num_logical) << 16);
    std::vector<std::uint32_t> masks(num_arcs * num_words);
    for (int i = component.first_class; i < component.first_class + component.num_classes; ++i) {
      const ExpertClass& c = graph_.classes[i];
      for (int j = 0; j < c.num_members; ++j) {
        const std::size_t arc = static_cast<std::size_t>(c.color) * task.num_ranks + local_[members_of(c)[j]];
        arcs[arc] = static_cast<ClassArc>(c.num_members | j << 8) | tokens_word(i);
        for (const std::int32_t member : members_of(c)) {
          masks[arc * num_words + local_[member] / 32] |= 1U << local_[member] % 32;
        }
      }
    }
    task.arcs = append(arcs);
    task.masks = append(masks);
    const std::vector<PartArc> steps = make_step_table(members_by_color(task), task.num_ranks, num_words);
    task.num_steps = static_cast<std::int32_t>(steps.size()) / task.num_ranks;
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
    header_.num_totals = needs_totals_ ? static_cast<std::int32_t>(classes.size()) : 0;
    header_.classes = append(classes);
  }

  std::int32_t amount_of(std::size_t class_idx, int member) const {
    const ExpertClass& c = graph_.classes[class_idx];
    const SolveTask& task = tasks_[class_task_[class_idx]];
    return task.first_amount + c.color * task.num_ranks + local_[members_of(c)[member]];
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
    for (std::size_t i = 0; i < graph_.classes.size(); ++i) {
      append_shared(i, slots, shared);
    }
    put(kSlotsBegin, slots);
    header_.stacks = append(stacks);
    header_.shared = append(shared);
    header_.num_shared = static_cast<std::int32_t>(shared.size());
  }

  static std::uint32_t stack_word(int count, int number) { return static_cast<std::uint32_t>(count | number << 16); }

  void append_shared(std::size_t class_idx, std::vector<std::uint32_t>& slots, std::vector<SharedSlot>& shared) const {
    const ExpertClass& c = graph_.classes[class_idx];
    for (int j = 0; j < c.num_experts; ++j) {
      for (int member = 0; member < c.num_members; ++member) {
        const Cell& cell = graph_.cells[c.first_cell + j * c.num_members + member];
        for (int i = 0; i < cell.count; ++i) {
          const std::int32_t slot = graph_.cell_slots[cell.begin + i];
          slots[slot] = static_cast<std::uint32_t>(graph_.num_logical) | kSharedStack << 16;
          shared.push_back(
              {.slot_and_expert = static_cast<std::uint32_t>(slot) |
                                  static_cast<std::uint32_t>(graph_.class_experts[c.first_expert + j]) << 16,
               .class_and_position = static_cast<std::uint32_t>(class_idx) | static_cast<std::uint32_t>(j) << 16,
               .amount = amount_of(class_idx, member),
               .stack = stack_word(cell.count, i)});
        }
      }
    }
  }

  const SplitGraph::Impl& graph_;
  SolveHeader header_{};
  std::vector<std::uint32_t> words_;
  bool needs_totals_ = false;             // some task reads totals of classes
  std::vector<std::uint32_t> lone_;       // ranks that are components without classes
  std::vector<std::int32_t> local_;       // [G] number of a rank within its component
  std::vector<SolveTask> tasks_;          //
  std::vector<std::int32_t> class_task_;  // [num_classes]
};

}  // namespace

std::vector<std::uint32_t> make_solve_image(const SplitGraph& graph) {
  check(graph.num_logical() <= kMaxImageLogical && graph.num_physical() <= kMaxImagePhysical, "[SolveGraph] ",
        graph.num_logical(), " logical and ", graph.num_physical(), " physical experts; the CUDA solver takes up to ",
        kMaxImageLogical, " and ", kMaxImagePhysical);
  return ImageWriter(graph.impl()).write();
}

}  // namespace lplb::cuda
