// Building the split graph: live copies by rank, classes by rank set, components by union-find, colors, incidences.

#include "solve/split_graph.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "base/check.h"
#include "base/rng.h"

namespace lplb {
namespace {

/// The live copies of one expert, rank by rank.
struct LiveCopies {
  std::vector<std::int32_t> ranks;  // ascending
  std::vector<Cell> cells;          // one a rank
};

/// Experts with the same live ranks, in the order in which the first of them appears.
struct RawClass {
  std::vector<std::int32_t> ranks;
  std::vector<std::int32_t> experts;
  std::vector<Cell> cells;  // [experts, ranks]
};

std::vector<std::uint8_t> checked_live(const Placement& placement, std::span<const std::uint8_t> live) {
  if (live.empty()) {
    return std::vector<std::uint8_t>(placement.num_ranks(), 1);
  }
  check(static_cast<int>(live.size()) == placement.num_ranks(), "[SplitGraph] live has ", live.size(),
        " entries; it must have one for each of the ", placement.num_ranks(), " ranks");
  return {live.begin(), live.end()};
}

LiveCopies live_copies(const Placement& placement, std::span<const std::uint8_t> live, int expert,
                       std::vector<std::int32_t>& cell_slots) {
  LiveCopies copies;
  for (const std::int32_t slot : placement.replicas(expert)) {
    const int rank = placement.rank_of(slot);
    if (live[rank] == 0) {
      continue;
    }
    if (copies.ranks.empty() || copies.ranks.back() != rank) {
      copies.ranks.push_back(rank);
      copies.cells.push_back({.slot = slot, .count = 0, .begin = static_cast<std::int32_t>(cell_slots.size())});
    }
    ++copies.cells.back().count;
    cell_slots.push_back(slot);
  }
  check(!copies.ranks.empty(), "[SplitGraph] expert ", expert, " has no copy on a live rank");
  return copies;
}

void add_fixed(std::int32_t expert, const LiveCopies& copies, SplitGraph::Impl& graph) {
  if (copies.cells[0].count == 1) {
    graph.solo.push_back({.expert = expert, .slot = copies.cells[0].slot});
  } else {
    graph.stacked.push_back({.expert = expert, .rank = copies.ranks[0], .cell = copies.cells[0]});
  }
}

/// Fills graph.solo, graph.stacked and graph.cell_slots; returns the classes.
std::vector<RawClass> gather_classes(const Placement& placement, SplitGraph::Impl& graph) {
  std::vector<RawClass> classes;
  std::map<std::vector<std::int32_t>, std::size_t> class_of_ranks;
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    LiveCopies copies = live_copies(placement, graph.live, expert, graph.cell_slots);
    if (copies.ranks.size() == 1) {
      add_fixed(expert, copies, graph);
      continue;
    }
    const auto [entry, is_new] = class_of_ranks.try_emplace(copies.ranks, classes.size());
    if (is_new) {
      classes.push_back({.ranks = std::move(copies.ranks), .experts = {}, .cells = {}});
    }
    RawClass& owner = classes[entry->second];
    owner.experts.push_back(expert);
    owner.cells.insert(owner.cells.end(), copies.cells.begin(), copies.cells.end());
  }
  return classes;
}

/// Solo experts rank by rank, so that a rank's load adds up in a register.
void order_solo(const Placement& placement, SplitGraph::Impl& graph) {
  std::ranges::sort(graph.solo, {}, &SoloExpert::slot);
  graph.solo_begin.assign(graph.num_ranks + 1, 0);
  for (const SoloExpert& solo : graph.solo) {
    ++graph.solo_begin[placement.rank_of(solo.slot) + 1];
  }
  std::partial_sum(graph.solo_begin.begin(), graph.solo_begin.end(), graph.solo_begin.begin());
}

/// Component of each rank, numbered by lowest rank.
std::vector<std::int32_t> find_components(const std::vector<RawClass>& classes, int num_ranks) {
  std::vector<std::int32_t> parent(num_ranks);
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](std::int32_t rank) {
    while (parent[rank] != rank) {
      rank = parent[rank] = parent[parent[rank]];
    }
    return rank;
  };
  for (const RawClass& c : classes) {
    for (const std::int32_t rank : c.ranks) {
      const auto [low, high] = std::minmax({root(rank), root(c.ranks[0])});
      parent[high] = low;
    }
  }
  std::vector<std::int32_t> component(num_ranks);
  std::int32_t num_components = 0;
  for (int rank = 0; rank < num_ranks; ++rank) {
    component[rank] = root(rank) == rank ? num_components++ : component[root(rank)];
  }
  return component;
}

std::vector<std::int32_t> color_raw_classes(const std::vector<RawClass>& classes, int num_ranks) {
  std::vector<std::int32_t> member_begin{0};
  std::vector<std::int32_t> members;
  for (const RawClass& c : classes) {
    members.insert(members.end(), c.ranks.begin(), c.ranks.end());
    member_begin.push_back(static_cast<std::int32_t>(members.size()));
  }
  return color_classes(member_begin, members, num_ranks);
}

void append_class(const RawClass& raw, std::int32_t color, SplitGraph::Impl& graph) {
  graph.classes.push_back({.first_arc = static_cast<std::int32_t>(graph.arc_rank.size()),
                           .num_members = static_cast<std::int32_t>(raw.ranks.size()),
                           .first_expert = static_cast<std::int32_t>(graph.class_experts.size()),
                           .num_experts = static_cast<std::int32_t>(raw.experts.size()),
                           .first_cell = static_cast<std::int32_t>(graph.cells.size()),
                           .color = color});
  graph.arc_rank.insert(graph.arc_rank.end(), raw.ranks.begin(), raw.ranks.end());
  graph.class_experts.insert(graph.class_experts.end(), raw.experts.begin(), raw.experts.end());
  graph.cells.insert(graph.cells.end(), raw.cells.begin(), raw.cells.end());
  graph.num_colors = std::max(graph.num_colors, static_cast<int>(color) + 1);
}

/// Classes by component and color, so that a sweep over a component is one pass over memory.
void order_classes(const std::vector<RawClass>& raw, SplitGraph::Impl& graph) {
  const std::vector<std::int32_t> color = color_raw_classes(raw, graph.num_ranks);
  std::vector<std::int32_t> order(raw.size());
  std::iota(order.begin(), order.end(), 0);
  const auto component = [&](std::int32_t i) { return graph.component_of[raw[i].ranks[0]]; };
  std::ranges::stable_sort(order, {}, [&](std::int32_t i) { return std::tuple(component(i), color[i]); });
  for (const std::int32_t i : order) {
    append_class(raw[i], color[i], graph);
    ++graph.components[component(i)].num_classes;
  }
}

void fill_components(SplitGraph::Impl& graph) {
  const std::int32_t num_components = *std::ranges::max_element(graph.component_of) + 1;
  graph.components.assign(num_components, Component{});
  graph.component_ranks.resize(graph.num_ranks);
  std::iota(graph.component_ranks.begin(), graph.component_ranks.end(), 0);
  std::ranges::stable_sort(graph.component_ranks, {}, [&](std::int32_t rank) { return graph.component_of[rank]; });
  for (const std::int32_t c : graph.component_of) {
    ++graph.components[c].num_ranks;
  }
}

void set_component_ranges(SplitGraph::Impl& graph) {
  std::int32_t first_class = 0;
  std::int32_t first_rank = 0;
  for (Component& c : graph.components) {
    c.first_class = first_class;
    c.first_rank = first_rank;
    std::int32_t num_links = 0;
    for (std::int32_t i = first_class; i < first_class + c.num_classes; ++i) {
      num_links += graph.classes[i].num_members - 1;
      c.is_wide = c.is_wide || graph.classes[i].num_members > 2;
    }
    c.has_cycle = num_links >= c.num_ranks;
    first_class += c.num_classes;
    first_rank += c.num_ranks;
  }
}

/// Each rank's classes in the order of solving, which within a component is by color.
void fill_incidences(SplitGraph::Impl& graph) {
  graph.incidence_begin.assign(graph.num_ranks + 1, 0);
  for (const std::int32_t rank : graph.arc_rank) {
    ++graph.incidence_begin[rank + 1];
  }
  std::partial_sum(graph.incidence_begin.begin(), graph.incidence_begin.end(), graph.incidence_begin.begin());
  graph.incidences.resize(graph.arc_rank.size());
  std::vector<std::int32_t> next(graph.incidence_begin.begin(), graph.incidence_begin.end() - 1);
  for (std::int32_t class_idx = 0; class_idx < static_cast<std::int32_t>(graph.classes.size()); ++class_idx) {
    const ExpertClass& c = graph.classes[class_idx];
    for (std::int32_t arc = c.first_arc; arc < c.first_arc + c.num_members; ++arc) {
      graph.incidences[next[graph.arc_rank[arc]]++] = {.class_idx = class_idx, .arc = arc, .color = c.color};
    }
  }
}

/// Factors of the digest, one a physical expert and one a rank.
std::vector<std::uint64_t> make_digest_keys(int num_keys) {
  std::vector<std::uint64_t> keys;
  for (int i = 0; i < num_keys; ++i) {
    keys.push_back(mix64(static_cast<std::uint64_t>(i) + 1) | 1);
  }
  return keys;
}

}  // namespace

SplitGraph::SplitGraph(const Placement& placement, std::span<const std::uint8_t> live)
    : impl_(std::make_unique<Impl>()) {
  Impl& graph = *impl_;
  graph.num_logical = placement.num_logical();
  graph.num_physical = placement.num_physical();
  graph.num_ranks = placement.num_ranks();
  graph.live = checked_live(placement, live);
  const std::vector<RawClass> classes = gather_classes(placement, graph);
  order_solo(placement, graph);
  graph.component_of = find_components(classes, graph.num_ranks);
  fill_components(graph);
  order_classes(classes, graph);
  set_component_ranges(graph);
  fill_incidences(graph);
  graph.digest_keys = make_digest_keys(graph.num_physical + graph.num_ranks);
}

SplitGraph::~SplitGraph() = default;
SplitGraph::SplitGraph(SplitGraph&&) noexcept = default;
SplitGraph& SplitGraph::operator=(SplitGraph&&) noexcept = default;

int SplitGraph::num_logical() const { return impl_->num_logical; }
int SplitGraph::num_physical() const { return impl_->num_physical; }
int SplitGraph::num_ranks() const { return impl_->num_ranks; }
int SplitGraph::num_components() const { return static_cast<int>(impl_->components.size()); }
int SplitGraph::num_colors() const { return impl_->num_colors; }
int SplitGraph::num_classes() const { return static_cast<int>(impl_->classes.size()); }

}  // namespace lplb
