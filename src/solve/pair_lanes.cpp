// Lane tables of the CUDA solver's short way: which graphs have them, and what is in them.

#include "solve/pair_lanes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>

#include "solve/split_graph.h"

namespace lplb::cuda {
namespace {

constexpr int kLanes = 32;

class LaneWriter {
 public:
  explicit LaneWriter(const SplitGraph::Impl& graph) : graph_(graph), local_(graph.num_ranks) {}

  bool applies() const {
    return graph_.stacked.empty() && graph_.components.size() <= kMaxLaneTasks &&
           std::ranges::all_of(graph_.cells, [](const Cell& cell) { return cell.count == 1; }) &&
           std::ranges::all_of(graph_.classes,
                               [](const ExpertClass& c) {
                                 return c.num_members == 2 && c.num_experts == 1 && c.color < kLaneColors;
                               }) &&
           std::ranges::all_of(graph_.components, [&](const Component& c) { return applies_to(c); });
  }

  std::vector<std::uint32_t> write() {
    std::vector<std::uint32_t> words{static_cast<std::uint32_t>(graph_.components.size()), 0, 0, 0};
    for (std::size_t i = 0; i < graph_.components.size(); ++i) {
      const std::array<LaneTable, kLanes> tables = tables_of(static_cast<int>(i));
      const std::size_t begin = words.size();
      words.resize(begin + kLaneTaskWords);
      for (int row = 0; row < kLaneRows; ++row) {
        for (int lane = 0; lane < kLanes; ++lane) {
          std::memcpy(words.data() + begin + 4 * (static_cast<std::size_t>(row) * kLanes + lane),
                      reinterpret_cast<const char*>(&tables[lane]) + 16 * static_cast<std::size_t>(row), 16);
        }
      }
    }
    return words;
  }

 private:
  static std::uint16_t place_of(int expert) { return static_cast<std::uint16_t>(place_of_tokens(expert)); }
  static int width_of(const Component& c) {
    return static_cast<int>(std::bit_ceil(static_cast<unsigned>(c.num_ranks)));
  }
  std::span<const std::int32_t> ranks_of(const Component& c) const {
    return std::span(graph_.component_ranks).subspan(c.first_rank, c.num_ranks);
  }
  std::span<const SoloExpert> fixed_on(int rank) const {
    return std::span(graph_.solo)
        .subspan(graph_.solo_begin[rank], graph_.solo_begin[rank + 1] - graph_.solo_begin[rank]);
  }

  bool applies_to(const Component& c) const {
    return c.num_classes > 0 && c.num_ranks <= kLanes && std::ranges::all_of(ranks_of(c), [&](int rank) {
             return static_cast<int>(fixed_on(rank).size()) <= 2 * kLaneFixed * (kLanes / width_of(c));
           });
  }

  std::array<LaneTable, kLanes> tables_of(int component) {
    const Component& c = graph_.components[component];
    std::array<LaneTable, kLanes> tables{};
    for (int lane = 0; lane < kLanes; ++lane) {
      LaneTable& table = tables[lane];
      table.component = static_cast<std::uint16_t>(component);
      table.num_ranks = static_cast<std::uint8_t>(c.num_ranks);
      table.log_width = static_cast<std::uint8_t>(std::countr_zero(static_cast<unsigned>(width_of(c))));
      table.has_cycle = c.has_cycle ? 1 : 0;
      table.reciprocal = reciprocal_of(c.num_ranks);
      table.lane_reciprocal = reciprocal_of(lane + 1);
      std::ranges::fill(table.pair, static_cast<PairWord>(lane) | place_of_tokens(graph_.num_logical) << 16);
      std::ranges::fill(table.slot, kNoSlot);
      std::ranges::fill(table.fixed, place_of(graph_.num_logical));
      std::ranges::fill(table.more_fixed, place_of(graph_.num_logical));
    }
    for (int i = 0; i < c.num_ranks; ++i) {
      write_rank(ranks_of(c)[i], std::span(tables), i, width_of(c));
    }
    for (const ExpertClass& pair : std::span(graph_.classes).subspan(c.first_class, c.num_classes)) {
      write_pair(pair, std::span(tables));
    }
    return tables;
  }

  void write_rank(int rank, std::span<LaneTable> tables, int number, int width) {
    local_[rank] = number;
    tables[number].rank = static_cast<std::uint16_t>(rank);
    tables[number].rank_key = graph_.digest_keys[graph_.num_physical + rank];
    const std::span<const SoloExpert> fixed = fixed_on(rank);
    const int num_lanes = kLanes / width;
    for (int i = 0; i < static_cast<int>(fixed.size()); ++i) {
      LaneTable& table = tables[number + i % num_lanes * width];
      const int place = i / num_lanes;
      if (place < kLaneFixed) {
        table.fixed[place] = place_of(fixed[i].expert);
      } else {
        table.more_fixed[place - kLaneFixed] = place_of(fixed[i].expert);
        std::ranges::for_each(tables, [](LaneTable& any) { any.has_more_fixed = 1; });
      }
    }
  }

  void write_pair(const ExpertClass& pair, std::span<LaneTable> tables) const {
    const std::uint32_t tokens = place_of_tokens(graph_.class_experts[pair.first_expert]) << 16;
    for (int member = 0; member < 2; ++member) {
      const int own = local_[graph_.arc_rank[pair.first_arc + member]];
      const int other = local_[graph_.arc_rank[pair.first_arc + 1 - member]];
      const std::int32_t slot = graph_.cells[pair.first_cell + member].slot;
      tables[own].pair[pair.color] = static_cast<PairWord>(other) | (member == 0 ? kPairIsLower : 0) | tokens;
      tables[own].slot[pair.color] = static_cast<std::uint16_t>(slot);
      tables[own].slot_key[pair.color] = graph_.digest_keys[slot];
    }
  }

  const SplitGraph::Impl& graph_;
  std::vector<int> local_;  // [G] number of a rank within its component
};

}  // namespace

std::vector<std::uint32_t> make_lane_tables(const SplitGraph& graph) {
  LaneWriter writer(graph.impl());
  return writer.applies() ? writer.write() : std::vector<std::uint32_t>{};
}

}  // namespace lplb::cuda
