#pragma once

// The lanes of a block on the device: what LaneBlock is on the CPU, for a warp. Thread 8 i + j is lane j of the i-th
// copy of the expert that is being levelled, so that up to four copies are looked at together; what is not by copies is
// the first group's work. The same operations in the same order as src/optimize/levelling.h, which is the
// specification; compiled without fused multiply-adds.

#include <cstdint>

#include "base/unroll.h"
#include "lplb/placement.h"
#include "optimize/arrangement.h"
#include "optimize/chain.h"
#include "optimize/lane_block.h"

namespace lplb::cuda {

inline constexpr int kWarp = 32;
inline constexpr int kGroups = kWarp / kLanes;
inline constexpr unsigned kWholeWarp = ~0U;
inline constexpr unsigned kFirstGroup = (1U << kLanes) - 1;

/// Memory of the blocks of a chain. Values of one lane are kLanes apart; the rest is of all lanes of a block. S slots,
/// B blocks.
struct LaneMemory {
  float* weight = nullptr;              // [B, E, kLanes]
  float* flow = nullptr;                // [B, S, kLanes] tokens of the copy in the slot
  float* load = nullptr;                // [B, G, kLanes]
  float* saved_value = nullptr;         // [B, S + G, kLanes]
  std::uint16_t* saved_at = nullptr;    // [B, S + G] slot, or S + rank
  std::uint32_t* is_saved = nullptr;    // [B, flag_words(S + G)] a bit each, as saved_at counts
  std::uint32_t* is_waiting = nullptr;  // [B, flag_words(G)] 1 = the rank is in the queue
  std::uint16_t* queue = nullptr;       // [B, G] ranks whose experts are still to be levelled
};

/// Words for flags of a bit each.
constexpr int flag_words(int num_flags) { return (num_flags + 31) / 32; }

/// All threads of a warp call these functions together.
class DeviceLanes {
 public:
  __device__ DeviceLanes(const LaneMemory& memory, const ArrangementView& arrangement, int block, int thread)
      : arrangement_(arrangement), thread_(thread), group_(thread / kLanes) {
    const int experts = arrangement.num_logical();
    const int slots = arrangement.num_slots();
    const int ranks = arrangement.num_ranks();
    const auto of_block = [&](int size) { return static_cast<std::int64_t>(block) * size; };
    const auto of_lane = [&](int size) { return of_block(size) * kLanes + thread % kLanes; };
    memory_ = {.weight = memory.weight + of_lane(experts),
               .flow = memory.flow + of_lane(slots),
               .load = memory.load + of_lane(ranks),
               .saved_value = memory.saved_value + of_lane(slots + ranks),
               .saved_at = memory.saved_at + of_block(slots + ranks),
               .is_saved = memory.is_saved + of_block(flag_words(slots + ranks)),
               .is_waiting = memory.is_waiting + of_block(flag_words(ranks)),
               .queue = memory.queue + of_block(ranks)};
  }

  __device__ float* weights() { return memory_.weight; }

  /// Divides evenly, then levels all experts `num_sweeps` times.
  __device__ void restart(int num_sweeps) {
    LPLB_ROLL
    for (int slot = group_; slot < arrangement_.num_slots(); slot += kGroups) {
      flow(slot) = 0;
    }
    LPLB_ROLL
    for (int rank = group_; rank < arrangement_.num_ranks(); rank += kGroups) {
      load(rank) = 0;
    }
    __syncwarp();
    LPLB_ROLL
    for (int e = 0; group_ == 0 && e < arrangement_.num_logical(); ++e) {
      const CopyList copies = arrangement_.copies(e);
      const float share = memory_.weight[e * kLanes] * (1.0F / static_cast<float>(copies.size()));
      LPLB_ROLL
      for (const int slot : copies) {
        flow(slot) = share;
        load(arrangement_.rank_of(slot)) += share;
      }
    }
    __syncwarp();
    LPLB_ROLL
    for (int i = 0; i < num_sweeps; ++i) {
      LPLB_ROLL
      for (int e = 0; e < arrangement_.num_logical(); ++e) {
        if (arrangement_.copy_count[e] > 1) {
          level<false>(e);
        }
      }
    }
  }

  /// Follows a move that the arrangement has already made and levels what it touched.
  __device__ void follow(const Move& move, const RelaxLimits& limits) {
    const bool is_swap = move.kind == Move::Kind::kSwap;
    const int slot = group_ / 2 == 0 ? move.to : move.from;
    const int rank = arrangement_.rank_of(slot);
    const int at = group_ % 2 == 0 ? slot : arrangement_.num_slots() + rank;
    save(group_ / 2 == 0 || is_swap, at, group_ % 2 == 0 ? flow(slot) : load(rank));
    __syncwarp();
    if (is_swap) {
      exchange(move.from, move.to);
    } else if (move.replaced != kNone) {
      leave(move.to, move.replaced);
    }
    push(group_ == 0, arrangement_.rank_of(move.to));
    relax(limits);
  }

  __device__ void keep() {
    for (int i = thread_; i < flag_words(arrangement_.num_slots() + arrangement_.num_ranks()); i += kWarp) {
      memory_.is_saved[i] = 0;
    }
    __syncwarp();
    num_saved_ = 0;
  }

  __device__ void take_back() {
    constexpr int kTogether = 4;  // read before any is written, so that they wait for memory together
    LPLB_ROLL
    for (int first = group_; first < num_saved_; first += kTogether * kGroups) {
      float* place[kTogether];
      float value[kTogether];
      LPLB_UNROLL
      for (int i = 0; i < kTogether; ++i) {
        const int saved = first + i * kGroups < num_saved_ ? first + i * kGroups : first;
        place[i] = place_of(memory_.saved_at[saved]);
        value[i] = memory_.saved_value[saved * kLanes];
      }
      LPLB_UNROLL
      for (int i = 0; i < kTogether; ++i) {
        *place[i] = value[i];
      }
    }
    keep();
  }

  __device__ double excess() const {
    float largest = 0;
    float squares = 0;
    LPLB_UNROLL_BY_4
    for (int rank = 0; rank < arrangement_.num_ranks(); ++rank) {
      const float value = memory_.load[rank * kLanes];
      largest = value > largest ? value : largest;
      float above = value - 1.0F;
      above = above > 0 ? above : 0;
      squares += above * above;
    }
    return lane_excess(largest, squares);
  }

 private:
  __device__ float& flow(int slot) { return memory_.flow[slot * kLanes]; }
  __device__ float& load(int rank) { return memory_.load[rank * kLanes]; }

  __device__ float* place_of(int saved_at) {
    const int rank = saved_at - arrangement_.num_slots();
    return rank < 0 ? &flow(saved_at) : &load(rank);
  }

  /// Each group may set one flag, all of them different. Which groups' flags were 0: a bit at the first thread of each.
  __device__ unsigned set_flags(std::uint32_t* flags, bool mine, int i) {
    const std::uint32_t bit = 1U << i % 32;
    const bool is_set = mine && thread_ % kLanes == 0 && (atomicOr(&flags[i / 32], bit) & bit) == 0;
    return __ballot_sync(kWholeWarp, is_set);
  }
  __device__ bool has(unsigned groups) const { return (groups >> group_ * kLanes & 1U) != 0; }
  __device__ int num_before(unsigned groups) const { return __popc(groups & ((1U << group_ * kLanes) - 1)); }

  /// Each group may save one value.
  __device__ void save(bool mine, int at, float value) {
    const unsigned groups = set_flags(memory_.is_saved, mine, at);
    if (has(groups)) {
      const int i = num_saved_ + num_before(groups);
      memory_.saved_at[i] = static_cast<std::uint16_t>(at);
      memory_.saved_value[i * kLanes] = value;
    }
    num_saved_ += __popc(groups);
  }

  /// Each group may push one rank, in the order of the groups.
  __device__ void push(bool mine, int rank) {
    const unsigned groups = set_flags(memory_.is_waiting, mine, rank);
    if (has(groups)) {
      int at = first_ + num_waiting_ + num_before(groups);
      at -= at >= arrangement_.num_ranks() ? arrangement_.num_ranks() : 0;
      memory_.queue[at] = static_cast<std::uint16_t>(rank);
    }
    num_waiting_ += __popc(groups);
    __syncwarp();
  }
  __device__ int pop() {
    const int rank = memory_.queue[first_];
    __syncwarp();
    if (thread_ == 0) {
      atomicAnd(&memory_.is_waiting[rank / 32], ~(1U << rank % 32));
    }
    __syncwarp();
    first_ = first_ + 1 == arrangement_.num_ranks() ? 0 : first_ + 1;
    --num_waiting_;
    return rank;
  }

  __device__ void relax(const RelaxLimits& limits) {
    int num_left = limits.max_experts;
    while (num_waiting_ > 0 && num_left > 0) {
      const int rank = pop();
      const int first = arrangement_.first_slot(rank);
      LPLB_ROLL
      for (int slot = first; slot < first + arrangement_.num_slots(rank); ++slot) {
        const std::int32_t e = arrangement_.expert_at(slot);
        if (e == kNone || arrangement_.copy_count[e] < 2) {
          continue;
        }
        --num_left;
        // No number is negative here, so that their bits are in the same order.
        const unsigned largest = __reduce_max_sync(kWholeWarp, __float_as_uint(level<true>(e)));
        if (__uint_as_float(largest) > limits.tolerance) {
          push_copies(e);
        }
      }
    }
    while (num_waiting_ > 0) {
      pop();
    }
  }

  /// This group's copy of e, of those from `first` on; any copy where there are not so many.
  __device__ int my_copy(int e, int first) const {
    int slot = arrangement_.first[e];
    LPLB_ROLL
    for (int i = first + group_; i > 0; --i) {
      const int next = arrangement_.next[slot];
      slot = next == kNone ? slot : next;
    }
    return slot;
  }

  __device__ void push_copies(int e) {
    const int num_copies = arrangement_.copy_count[e];
    LPLB_ROLL
    for (int first = 0; first < num_copies; first += kGroups) {
      push(first + group_ < num_copies, arrangement_.rank_of(my_copy(e, first)));
    }
  }

  /// Levels expert e. Returns how much a rank's load changed, in some thread the largest. With `saves` what changes can
  /// be taken back.
  template <bool saves>
  __device__ float level(int e) {
    const int num_copies = arrangement_.copy_count[e];
    float size = 0;
    if (num_copies <= kGroups) {
      size = level_few<saves>(e, num_copies);
    } else {
      if (saves) {
        save_copies(e, num_copies);
      }
      size = group_ == 0 ? level_many(e) : 0;
    }
    __syncwarp();
    return size;
  }

  __device__ void save_copies(int e, int num_copies) {
    LPLB_ROLL
    for (int first = 0; first < num_copies; first += kGroups) {
      const int slot = my_copy(e, first);
      const int rank = arrangement_.rank_of(slot);
      const bool mine = first + group_ < num_copies;
      save(mine, slot, flow(slot));
      save(mine, arrangement_.num_slots() + rank, load(rank));
    }
    __syncwarp();
  }

  /// A group a copy.
  template <bool saves>
  __device__ float level_few(int e, int num_copies) {
    const bool mine = group_ < num_copies;
    const int slot = my_copy(e, 0);
    const int rank = arrangement_.rank_of(slot);
    const float old = flow(slot);
    const float old_load = load(rank);
    if (saves) {
      save(mine, slot, old);
      save(mine, arrangement_.num_slots() + rank, old_load);
    }
    const int lane = thread_ % kLanes;
    float filled = 0;
    float filled_load = 0;
    float size = 0;
    if (num_copies == 2) {
      const float flow_a = __shfl_sync(kWholeWarp, old, lane);
      const float flow_b = __shfl_sync(kWholeWarp, old, lane + kLanes);
      const float load_a = __shfl_sync(kWholeWarp, old_load, lane);
      const float load_b = __shfl_sync(kWholeWarp, old_load, lane + kLanes);
      float moved = (load_a - load_b) * 0.5F;
      moved = moved < flow_a ? moved : flow_a;
      moved = moved > -flow_b ? moved : -flow_b;
      filled = group_ == 0 ? flow_a - moved : flow_b + moved;
      filled_load = group_ == 0 ? load_a - moved : load_b + moved;
      size = fabsf(moved);
    } else {
      const float floor = old_load - old;
      const float level = water_level(e, num_copies, floor);
      filled = level - floor;
      filled = filled > 0 ? filled : 0;
      filled_load = floor + filled;
      size = fabsf(filled - old);
    }
    __syncwarp();
    if (mine) {
      flow(slot) = filled;
      load(rank) = filled_load;
    }
    return mine ? size : 0;
  }

  /// The level of three or four copies over the floors of the groups.
  __device__ float water_level(int e, int num_copies, float my_floor) {
    const float weight = memory_.weight[e * kLanes];
    float floor[kGroups];
    float lowest = 0;
    float sum = weight;
    LPLB_UNROLL
    for (int i = 0; i < kGroups; ++i) {
      floor[i] = __shfl_sync(kWholeWarp, my_floor, thread_ % kLanes + i * kLanes);
      const bool is_copy = i < num_copies;
      sum = is_copy ? sum + floor[i] : sum;
      lowest = i == 0 || (is_copy && floor[i] < lowest) ? floor[i] : lowest;
    }
    float level = sum * (num_copies == 3 ? 1.0F / 3.0F : 0.25F);
    LPLB_ROLL
    for (int round = 1; round < num_copies; ++round) {
      level = level > lowest ? level : lowest;
      sum = weight;
      float count = 0;
      LPLB_UNROLL
      for (int i = 0; i < kGroups; ++i) {
        const bool is_under = i < num_copies && floor[i] <= level;
        sum += is_under ? floor[i] : 0;
        count += is_under ? 1.0F : 0;
      }
      if (!fall(kWholeWarp, level, sum / count)) {
        break;
      }
    }
    return level;
  }

  /// The level of the next round; false when it fell in no lane.
  static __device__ bool fall(unsigned threads, float& level, float next) {
    const bool fell = level - next > 0;
    level = next;
    return __any_sync(threads, fell) != 0;
  }

  __device__ float floor_of(int slot) { return load(arrangement_.rank_of(slot)) - flow(slot); }

  /// By the first group.
  __device__ float level_many(int e) {
    const CopyList copies = arrangement_.copies(e);
    const float weight = memory_.weight[e * kLanes];
    float lowest = floor_of(copies.front());
    float sum = weight;
    LPLB_ROLL
    for (const int slot : copies) {
      const float floor = floor_of(slot);
      sum += floor;
      lowest = floor < lowest ? floor : lowest;
    }
    float level = sum * (1.0F / static_cast<float>(copies.size()));
    LPLB_ROLL
    for (int round = 1; round < copies.size(); ++round) {
      level = level > lowest ? level : lowest;
      sum = weight;
      float count = 0;
      LPLB_ROLL
      for (const int slot : copies) {
        const float floor = floor_of(slot);
        sum += floor <= level ? floor : 0;
        count += floor <= level ? 1.0F : 0;
      }
      if (!fall(kFirstGroup, level, sum / count)) {
        break;
      }
    }
    float size = 0;
    LPLB_ROLL
    for (const int slot : copies) {
      const float floor = floor_of(slot);
      float filled = level - floor;
      filled = filled > 0 ? filled : 0;
      const float distance = fabsf(filled - flow(slot));
      flow(slot) = filled;
      load(arrangement_.rank_of(slot)) = floor + filled;
      size = size > distance ? size : distance;
    }
    return size;
  }

  /// The tokens that slot had for expert e go to the expert's other copies.
  __device__ void leave(int slot, int e) {
    const int num_copies = arrangement_.copy_count[e];
    save_copies(e, num_copies);
    if (group_ == 0) {
      const CopyList copies = arrangement_.copies(e);
      const float share = flow(slot) * (1.0F / static_cast<float>(num_copies));
      load(arrangement_.rank_of(slot)) -= flow(slot);
      flow(slot) = 0;
      LPLB_ROLL
      for (const int copy : copies) {
        flow(copy) += share;
        load(arrangement_.rank_of(copy)) += share;
      }
    }
    __syncwarp();
    push_copies(e);
  }

  __device__ void exchange(int a, int b) {
    const int rank_a = arrangement_.rank_of(a);
    const int rank_b = arrangement_.rank_of(b);
    if (group_ == 0) {
      const float flow_a = flow(a);
      const float flow_b = flow(b);
      load(rank_a) -= flow_a;
      load(rank_b) -= flow_b;
      flow(a) = flow_b;
      flow(b) = flow_a;
      load(rank_a) += flow_b;
      load(rank_b) += flow_a;
    }
    __syncwarp();
    push(group_ == 0, rank_a);
  }

  ArrangementView arrangement_;
  LaneMemory memory_;
  int thread_;
  int group_;
  int num_saved_ = 0;
  int first_ = 0;  // of the queue, which goes round
  int num_waiting_ = 0;
};

}  // namespace lplb::cuda
