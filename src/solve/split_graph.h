#pragma once

// What of a split depends on the placement and the live ranks alone. Experts that live on the same set of ranks are one
// class: only the class's total matters for the loads, so a split is solved over classes and handed down to experts
// after.

#include <cstdint>
#include <span>
#include <vector>

#include "lplb/solve.h"

namespace lplb {

/// The copies of one expert on one rank: `count` slots, the lowest of them `slot`; all of them are
/// [begin, begin + count) of SplitGraph::Impl::cell_slots.
struct Cell {
  std::int32_t slot;
  std::int32_t count;
  std::int32_t begin;
};

/// An expert with one live copy: its tokens are load that cannot move.
struct SoloExpert {
  std::int32_t expert;
  std::int32_t slot;
};

/// An expert with several live copies, all on one rank: load that cannot move either.
struct StackedExpert {
  std::int32_t expert;
  std::int32_t rank;
  Cell cell;
};

/// A class in the order of solving. Its members are ranks; member i of the class is arc first_arc + i.
struct ExpertClass {
  std::int32_t first_arc;
  std::int32_t num_members;
  std::int32_t first_expert;  // in class_experts
  std::int32_t num_experts;
  std::int32_t first_cell;  // cells [num_experts, num_members]
  std::int32_t color;
};

/// A connected component: classes and ranks by range.
struct Component {
  std::int32_t first_class;
  std::int32_t num_classes;
  std::int32_t first_rank;  // in component_ranks
  std::int32_t num_ranks;
  bool has_cycle;  // tokens can go round: more arcs than a tree of ranks and classes has
  bool is_wide;    // some class has three ranks or more
};

/// One end of a class as a rank sees it: the class, and which of its arcs is the rank's own.
struct Incidence {
  std::int32_t class_idx;
  std::int32_t arc;
  std::int32_t color;
};

struct SplitGraph::Impl {
  int num_logical = 0;
  int num_physical = 0;
  int num_ranks = 0;
  int num_colors = 0;
  std::vector<std::uint8_t> live;             // [G]
  std::vector<SoloExpert> solo;               // by rank, then expert
  std::vector<std::int32_t> solo_begin;       // [G + 1] into solo
  std::vector<StackedExpert> stacked;         // by expert
  std::vector<ExpertClass> classes;           // by component, then color, then first rank set seen
  std::vector<std::int32_t> class_experts;    // by class, ascending
  std::vector<std::int32_t> arc_rank;         // [num_arcs] by class, ranks ascending
  std::vector<Cell> cells;                    // by class [num_experts, num_members]
  std::vector<std::int32_t> cell_slots;       // physical ids
  std::vector<Component> components;          // by lowest rank; a dead rank is a component without classes
  std::vector<std::int32_t> component_ranks;  // by component, ascending
  std::vector<std::int32_t> component_of;     // [G]
  std::vector<std::int32_t> incidence_begin;  // [G + 1]
  std::vector<Incidence> incidences;          // by rank, then color
  std::vector<std::uint64_t> digest_keys;     // [P + G] odd factors of the digest
};

/// One color a rank set such that no rank sees a color twice, with few colors: greedy for sets of three ranks or more,
/// then for pairs greedy with Kempe chains (the recoloring of Vizing's theorem) while the largest degree suffices.
/// `member_begin` [num_classes + 1] into `members` (ranks). Deterministic. Returns [num_classes].
std::vector<std::int32_t> color_classes(std::span<const std::int32_t> member_begin,
                                        std::span<const std::int32_t> members, int num_ranks);

}  // namespace lplb
