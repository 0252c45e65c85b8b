#pragma once

// The inner loops of LaneBlock for one width of vector register. Every operation is by lane, without fused
// multiply-adds, so all widths give the same numbers.

#include <algorithm>
#include <cstring>

#include "optimize/lane_block.h"

namespace lplb {

#if defined(__GNUC__)
#define LPLB_ALWAYS_INLINE [[gnu::always_inline]] inline
#else
#define LPLB_ALWAYS_INLINE inline
#endif

template <int width>
struct VectorOf {
  using Type [[gnu::vector_size(width * 4), gnu::may_alias]] = float;  // may look at the floats of LaneValues
};

struct Levelling {
  /// Levels expert e in all lanes and returns the largest change of a rank's load.
  template <int width>
  LPLB_ALWAYS_INLINE static float level_expert(LaneBlock& block, const ArrangementView& arrangement, int e) {
    const CopyList copies = arrangement.copies(e);
    float largest = 0;
    for (int part = 0; part < kLanes; part += width) {
      const float change = copies.size() == 2 ? level_pair<width>(block, arrangement, copies[0], copies[1], part)
                                              : level_many<width>(block, arrangement, e, part);
      largest = std::max(largest, change);
    }
    return largest;
  }

  /// Half the difference of the two loads moves, as far as the copy of the fuller rank has tokens.
  template <int width>
  LPLB_ALWAYS_INLINE static float level_pair(LaneBlock& block, const ArrangementView& arrangement, int a, int b,
                                             int part) {
    using Vector = typename VectorOf<width>::Type;
    Vector& flow_a = *reinterpret_cast<Vector*>(&block.flow_[a][part]);
    Vector& flow_b = *reinterpret_cast<Vector*>(&block.flow_[b][part]);
    Vector& load_a = *reinterpret_cast<Vector*>(&block.load_[arrangement.rank_of(a)][part]);
    Vector& load_b = *reinterpret_cast<Vector*>(&block.load_[arrangement.rank_of(b)][part]);
    const Vector lowest = -flow_b;
    Vector moved = (load_a - load_b) * 0.5F;
    moved = moved < flow_a ? moved : flow_a;
    moved = moved > lowest ? moved : lowest;
    flow_a -= moved;
    flow_b += moved;
    load_a -= moved;
    load_b += moved;
    const Vector opposite = -moved;
    const Vector size = moved > opposite ? moved : opposite;
    return largest_lane<width>(size);
  }

  /// The water level of e over the loads that its ranks have without it. Starts with all copies under water; those
  /// above the level are taken out until none is.
  template <int width>
  LPLB_ALWAYS_INLINE static float level_many(LaneBlock& block, const ArrangementView& arrangement, int e, int part) {
    using Vector = typename VectorOf<width>::Type;
    const CopyList copies = arrangement.copies(e);
    const auto floor_of = [&](int slot, Vector& floor) {
      floor = *reinterpret_cast<const Vector*>(&block.load_[arrangement.rank_of(slot)][part]) -
              *reinterpret_cast<const Vector*>(&block.flow_[slot][part]);
    };
    const Vector weight = *reinterpret_cast<const Vector*>(&block.weight_[e][part]);
    Vector floor;
    floor_of(copies[0], floor);
    Vector lowest = floor;
    Vector sum = weight;
    for (const int slot : copies) {
      floor_of(slot, floor);
      sum += floor;
      lowest = floor < lowest ? floor : lowest;
    }
    Vector level = sum * (1.0F / static_cast<float>(copies.size()));
    for (int round = 1; round < copies.size(); ++round) {
      level = level > lowest ? level : lowest;
      sum = weight;
      Vector count = {};
      for (const int slot : copies) {
        floor_of(slot, floor);
        sum += floor <= level ? floor : Vector{};
        count += floor <= level ? Vector{} + 1.0F : Vector{};
      }
      const Vector next = sum / count;
      const Vector change = level - next;
      level = next;
      if (largest_lane<width>(change) <= 0) {
        break;
      }
    }
    Vector size = {};
    for (const int slot : copies) {
      floor_of(slot, floor);
      Vector& flow = *reinterpret_cast<Vector*>(&block.flow_[slot][part]);
      Vector& load = *reinterpret_cast<Vector*>(&block.load_[arrangement.rank_of(slot)][part]);
      Vector filled = level - floor;
      filled = filled > 0 ? filled : Vector{};
      const Vector change = filled - flow;
      flow = filled;
      load = floor + filled;
      const Vector opposite = -change;
      const Vector distance = change > opposite ? change : opposite;
      size = size > distance ? size : distance;
    }
    return largest_lane<width>(size);
  }

  template <int width, class Vector>
  LPLB_ALWAYS_INLINE static float largest_lane(const Vector& values) {
    float largest = values[0];
    for (int lane = 1; lane < width; ++lane) {
      largest = std::max(largest, values[lane]);
    }
    return largest;
  }

  template <int width>
  LPLB_ALWAYS_INLINE static void relax(LaneBlock& block, const ArrangementView& arrangement, DirtyRanks& dirty,
                                       const RelaxLimits& limits) {
    int num_left = limits.max_experts;
    while (!dirty.empty() && num_left > 0) {
      const int rank = dirty.pop();
      const int first = arrangement.first_slot(rank);
      for (int slot = first; slot < first + arrangement.num_slots(rank); ++slot) {
        const std::int32_t e = arrangement.expert_at(slot);
        if (e == kNone || arrangement.copies(e).size() < 2) {
          continue;
        }
        for (const int copy : arrangement.copies(e)) {
          block.save_slot(copy);
          block.save_rank(arrangement.rank_of(copy));
        }
        --num_left;
        if (level_expert<width>(block, arrangement, e) > limits.tolerance) {
          for (const int copy : arrangement.copies(e)) {
            dirty.push(arrangement.rank_of(copy));
          }
        }
      }
    }
    dirty.clear();
  }

  template <int width>
  LPLB_ALWAYS_INLINE static void sweep(LaneBlock& block, const ArrangementView& arrangement) {
    for (int e = 0; e < arrangement.num_logical(); ++e) {
      if (arrangement.copies(e).size() > 1) {
        level_expert<width>(block, arrangement, e);
      }
    }
  }

  template <int width>
  LPLB_ALWAYS_INLINE static void measure(const LaneBlock& block, LaneValues& max_load, LaneValues& excess) {
    using Vector = typename VectorOf<width>::Type;
    for (int part = 0; part < kLanes; part += width) {
      Vector largest = {};
      Vector squares = {};
      for (const LaneValues& load : block.load_) {
        const Vector value = *reinterpret_cast<const Vector*>(&load[part]);
        largest = value > largest ? value : largest;
        Vector above = value - 1.0F;
        above = above > 0 ? above : Vector{};
        squares += above * above;
      }
      std::memcpy(&max_load[part], &largest, sizeof(largest));
      std::memcpy(&excess[part], &squares, sizeof(squares));
    }
  }
};

}  // namespace lplb
