#pragma once

// The lanes of a block on the device: what LaneBlock is on the CPU, for a warp. Thread 8 i + j is lane j of the i-th
// copy of the expert that is being levelled, so that up to four copies are looked at together; what is not by copies is
// the first group's work. The same operations in the same order as src/optimize/levelling.h, which is the
// specification; compiled without fused multiply-adds.

#include <cstdint>
#include <type_traits>

#include "base/unroll.h"
#include "cuda/warp.cuh"
#include "lplb/placement.h"
#include "optimize/arrangement.h"
#include "optimize/chain.h"
#include "optimize/lane_block.h"

namespace lplb::cuda {

inline constexpr int kWarp = 32;
inline constexpr int kGroups = kWarp / kLanes;
inline constexpr unsigned kFirstGroup = (1U << kLanes) - 1;

/// Memory of the blocks of a chain. Values of one lane are kLanes apart; the rest is of all lanes of a block. S slots,
/// B blocks.
struct LaneMemory {
  float* weight = nullptr;              // [B, E, kLanes]
  float* flow = nullptr;                // [B, S, kLanes] tokens of the copy in the slot
  float* load = nullptr;                // [B, G, kLanes]
  float* saved = nullptr;               // [B, events, kGroups, 2, kLanes] flow of a copy, load of its rank
  std::int32_t* saved_slot = nullptr;   // [B, events, kGroups] where the copy is, kNone = no copy
  std::uint16_t* queue = nullptr;       // [B, G] ranks whose experts are still to be levelled
  int num_events = 0;                   // that can be saved between two moves
  std::uint16_t* copy_slot = nullptr;   // [E, kGroups] slots of the first copies, the last repeated
  std::uint16_t* wave_end = nullptr;    // [E + 1]
  std::uint16_t* wave_order = nullptr;  // [E]
  std::uint16_t* last_wave = nullptr;   // [G]
};

/// Each levelling saves its copies, in events of at most kGroups; so do a move's own changes.
constexpr int max_events(int max_experts, int slots_per_rank, int max_copies) {
  return (max_experts + slots_per_rank + 2) * ((max_copies + kGroups - 1) / kGroups);
}

/// An array in shared memory, whose addresses are short and quick, or anywhere.
template <class T, bool in_shared>
class ArrayIn {
 public:
  ArrayIn() = default;
  __device__ explicit ArrayIn(T* data) {
    if constexpr (in_shared) {
      data_ = static_cast<std::uint32_t>(__cvta_generic_to_shared(data));
    } else {
      data_ = data;
    }
  }
  __device__ T& operator[](int i) const {
    if constexpr (in_shared) {
      return *static_cast<T*>(__cvta_shared_to_generic(data_ + static_cast<std::uint32_t>(i * sizeof(T))));
    } else {
      return data_[i];
    }
  }

 private:
  std::conditional_t<in_shared, std::uint32_t, T*> data_;
};

/// Brings copy_slot up to date for expert e, the slot of one group.
__device__ inline void note_copy(const LaneMemory& memory, const ArrangementView& arrangement, int e, int group) {
  int slot = arrangement.first[e];
  LPLB_ROLL
  for (int i = 0; i < group && arrangement.next[slot] != kNone; ++i) {
    slot = arrangement.next[slot];
  }
  memory.copy_slot[e * kGroups + group] = static_cast<std::uint16_t>(slot);
}

/// Which experts can be levelled side by side so that the outcome is that of levelling them one after the other: an
/// expert comes a wave after all earlier ones with which it shares a rank. By one thread.
class Waves {
 public:
  __device__ Waves(const LaneMemory& memory, const ArrangementView& arrangement)
      : memory_(memory), arrangement_(arrangement) {}

  /// Returns the number of waves; wave w has the experts wave_order[wave_end[w - 1]] to wave_order[wave_end[w] - 1].
  __device__ int make() {
    memory_.wave_end[0] = 0;
    const int num_waves = number(false);
    int sum = 0;
    LPLB_ROLL
    for (int wave = 1; wave <= num_waves; ++wave) {
      const int size = memory_.wave_end[wave];
      memory_.wave_end[wave] = static_cast<std::uint16_t>(sum);
      sum += size;
    }
    number(true);
    return num_waves;
  }

 private:
  /// Numbers the waves: first counts their experts in wave_end, then, with `places`, puts them where wave_end says.
  __device__ int number(bool places) {
    LPLB_ROLL
    for (int rank = 0; rank < arrangement_.num_ranks(); ++rank) {
      memory_.last_wave[rank] = 0;
    }
    int num_waves = 0;
    LPLB_ROLL
    for (int e = 0; e < arrangement_.num_logical(); ++e) {
      if (arrangement_.copy_count[e] < 2) {
        continue;
      }
      int wave = 0;
      LPLB_ROLL
      for (const int slot : arrangement_.copies(e)) {
        wave = max(wave, memory_.last_wave[arrangement_.rank_of(slot)] + 1);
      }
      LPLB_ROLL
      for (const int slot : arrangement_.copies(e)) {
        memory_.last_wave[arrangement_.rank_of(slot)] = static_cast<std::uint16_t>(wave);
      }
      const int at = wave > num_waves && !places ? 0 : memory_.wave_end[wave];
      if (places) {
        memory_.wave_order[at] = static_cast<std::uint16_t>(e);
      }
      memory_.wave_end[wave] = static_cast<std::uint16_t>(at + 1);
      num_waves = max(num_waves, wave);
    }
    return num_waves;
  }

  LaneMemory memory_;
  ArrangementView arrangement_;
};

/// All threads of a warp call these functions together. `staged`: flows and all smaller arrays are in shared memory.
template <bool staged>
class DeviceLanes {
 public:
  __device__ DeviceLanes(const LaneMemory& memory, const ArrangementView& arrangement, int block, int thread)
      : arrangement_(arrangement), thread_(thread), group_(thread / kLanes) {
    bind(memory, block);
  }

  /// Works on another block from now on; nothing may be saved or waiting.
  __device__ void bind(const LaneMemory& memory, int block) {
    const int experts = arrangement_.num_logical();
    const int slots = arrangement_.num_slots();
    const int ranks = arrangement_.num_ranks();
    const auto of_block = [&](int size) { return static_cast<std::int64_t>(block) * size; };
    const auto of_lane = [&](int size) { return of_block(size) * kLanes + thread_ % kLanes; };
    weight_ = memory.weight + of_lane(experts);
    flow_ = Floats(memory.flow + of_lane(slots));
    load_ = Floats(memory.load + of_lane(ranks));
    saved_ = memory.saved + of_lane(2 * kGroups * memory.num_events);
    saved_slot_ = memory.saved_slot + of_block(kGroups * memory.num_events);
    queue_ = Words(memory.queue + of_block(ranks));
    copy_slot_ = Words(memory.copy_slot + group_);
    expert_ = Ints(arrangement_.expert);
    copy_count_ = Ints(arrangement_.copy_count);
  }

  __device__ float* weights() { return weight_; }

  /// Divides the weights evenly over the copies.
  __device__ void divide() {
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
      const float share = weight_[e * kLanes] * (1.0F / static_cast<float>(copies.size()));
      LPLB_ROLL
      for (const int slot : copies) {
        flow(slot) = share;
        load(arrangement_.rank_of(slot)) += share;
      }
    }
    __syncwarp();
  }

  __device__ float weight_of(int e) const { return weight_[e * kLanes]; }

  /// Levels expert e, which has several copies. `weight` is weight_of(e), which comes from far.
  __device__ void level(int e, float weight) { level_copies<false>(e, weight, copy_count_[e]); }

  /// Follows a move that the arrangement has already made and levels what it touched.
  __device__ void follow(const Move& move, const RelaxLimits& limits) {
    const bool is_swap = move.kind == Move::Kind::kSwap;
    const int slot = group_ == 0 ? move.to : move.from;
    save(group_ == 0 || (group_ == 1 && is_swap), slot, flow(slot), load(arrangement_.rank_of(slot)));
    __syncwarp();
    if (is_swap) {
      exchange(move.from, move.to);
    } else if (move.replaced != kNone) {
      leave(move.to, move.replaced);
    }
    push(1, arrangement_.rank_of(move.to));
    relax(limits);
  }

  __device__ void keep() { num_saved_ = 0; }

  /// From the last change to the first.
  __device__ void take_back() {
    constexpr int kTogether = 8;  // read before any is written, so that they wait for memory together
    LPLB_ROLL
    for (int end = num_saved_; end > 0; end -= kTogether) {
      int slot[kTogether];
      float old_flow[kTogether];
      float old_load[kTogether];
      LPLB_UNROLL
      for (int i = 0; i < kTogether; ++i) {
        const int entry = max(end - 1 - i, 0) * kGroups + group_;
        slot[i] = end - 1 - i >= 0 ? saved_slot_[entry] : kNone;
        old_flow[i] = saved_[2 * entry * kLanes];
        old_load[i] = saved_[(2 * entry + 1) * kLanes];
      }
      LPLB_UNROLL
      for (int i = 0; i < kTogether; ++i) {
        if (slot[i] != kNone) {
          flow(slot[i]) = old_flow[i];
          load(arrangement_.rank_of(slot[i])) = old_load[i];
        }
        __syncwarp();
      }
    }
    num_saved_ = 0;
  }

  __device__ double excess() const {
    float largest = 0;
    float squares = 0;
    LPLB_UNROLL_BY_4
    for (int rank = 0; rank < arrangement_.num_ranks(); ++rank) {
      const float value = load_[rank * kLanes];
      largest = value > largest ? value : largest;
      float above = value - 1.0F;
      above = above > 0 ? above : 0;
      squares += above * above;
    }
    return lane_excess(largest, squares);
  }

 private:
  using Floats = ArrayIn<float, staged>;
  using Words = ArrayIn<std::uint16_t, staged>;
  using Ints = ArrayIn<std::int32_t, staged>;

  __device__ float& flow(int slot) { return flow_[slot * kLanes]; }
  __device__ float& load(int rank) { return load_[rank * kLanes]; }

  /// Each group may save the copy in one slot, all of them different.
  __device__ void save(bool mine, int slot, float old_flow, float old_load) {
    const int entry = num_saved_++ * kGroups + group_;
    saved_slot_[entry] = mine ? slot : kNone;
    saved_[2 * entry * kLanes] = old_flow;
    saved_[(2 * entry + 1) * kLanes] = old_load;
  }

  /// Each of the first `num_groups` groups may push one rank, all of them different, in the order of the groups. Bit i
  /// of thread j says whether rank 32 j + i is waiting.
  __device__ void push(int num_groups, int rank) {
    const unsigned word = __shfl_sync(kAllLanes, waiting_, rank / kWarp);
    const bool is_new = group_ < num_groups && (word >> rank % kWarp & 1U) == 0;
    const unsigned groups = __ballot_sync(kAllLanes, is_new && thread_ % kLanes == 0);
    LPLB_UNROLL
    for (int i = 0; i < kGroups; ++i) {
      const int pushed = __shfl_sync(kAllLanes, rank, i * kLanes);
      const bool is_mine = (groups >> i * kLanes & 1U) != 0 && thread_ == pushed / kWarp;
      waiting_ |= is_mine ? 1U << pushed % kWarp : 0;
    }
    if (is_new) {
      int at = first_ + num_waiting_ + __popc(groups & ((1U << group_ * kLanes) - 1));
      at -= at >= arrangement_.num_ranks() ? arrangement_.num_ranks() : 0;
      queue_[at] = static_cast<std::uint16_t>(rank);
    }
    num_waiting_ += __popc(groups);
    __syncwarp();
  }
  __device__ int pop() {
    const int rank = queue_[first_];
    waiting_ &= thread_ == rank / kWarp ? ~(1U << rank % kWarp) : ~0U;
    first_ = first_ + 1 == arrangement_.num_ranks() ? 0 : first_ + 1;
    --num_waiting_;
    __syncwarp();
    return rank;
  }

  __device__ void relax(const RelaxLimits& limits) {
    int num_left = limits.max_experts;
    while (num_waiting_ > 0 && num_left > 0) {
      const int rank = pop();
      LPLB_ROLL
      for (int first = 0; first < arrangement_.stride(); first += kWarp) {
        // What the slots hold, a thread a slot; those past a rank's own are empty.
        const bool is_slot = first + thread_ < arrangement_.stride();
        const std::int32_t held = is_slot ? expert_[arrangement_.first_slot(rank) + first + thread_] : kNone;
        const int num_held = held == kNone ? 0 : copy_count_[held];
        unsigned several = __ballot_sync(kAllLanes, num_held > 1);
        num_left -= __popc(several);
        while (several != 0) {
          const int slot = __ffs(static_cast<int>(several)) - 1;
          several &= several - 1;
          follow_expert(__shfl_sync(kAllLanes, held, slot), __shfl_sync(kAllLanes, num_held, slot), limits.tolerance);
        }
      }
    }
    num_waiting_ = 0;
    waiting_ = 0;
  }

  /// Levels expert e; its ranks wait where one has changed.
  __device__ void follow_expert(int e, int num_copies, float tolerance) {
    const float size = level_copies<true>(e, weight_of(e), num_copies);
    // No number is negative here, so that their bits are in the same order.
    const unsigned largest = __reduce_max_sync(kAllLanes, __float_as_uint(size));
    if (__uint_as_float(largest) > tolerance) {
      if (num_copies <= kGroups) {
        push(num_copies, arrangement_.rank_of(copy_slot_[e * kGroups]));
      } else {
        push_copies(e, num_copies);
      }
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

  __device__ void push_copies(int e, int num_copies) {
    LPLB_ROLL
    for (int first = 0; first < num_copies; first += kGroups) {
      push(num_copies - first, arrangement_.rank_of(my_copy(e, first)));
    }
  }

  __device__ void save_copies(int e, int num_copies) {
    LPLB_ROLL
    for (int first = 0; first < num_copies; first += kGroups) {
      const int slot = my_copy(e, first);
      save(first + group_ < num_copies, slot, flow(slot), load(arrangement_.rank_of(slot)));
    }
    __syncwarp();
  }

  /// Returns how much a rank's load changed, in some thread the largest. With `saves` it can be taken back.
  template <bool saves>
  __device__ float level_copies(int e, float weight, int num_copies) {
    constexpr int kMany = 16;
    float size = 0;
    if (num_copies == 2) {
      size = level_pair<saves>(e);
    } else if (num_copies <= kGroups) {
      size = level_several<1, saves>(e, weight, num_copies);
    } else if (num_copies <= kMany) {
      size = level_several<kMany / kGroups, saves>(e, weight, num_copies);
    } else {
      if (saves) {
        save_copies(e, num_copies);
      }
      size = group_ == 0 ? level_many(e) : 0;
    }
    __syncwarp();
    return size;
  }

  template <bool saves>
  __device__ float level_pair(int e) {
    const int slot = copy_slot_[e * kGroups];
    const int rank = arrangement_.rank_of(slot);
    const float old = flow(slot);
    const float old_load = load(rank);
    if (saves) {
      save(group_ < 2, slot, old, old_load);
    }
    const int lane = thread_ % kLanes;
    const float flow_a = __shfl_sync(kAllLanes, old, lane);
    const float flow_b = __shfl_sync(kAllLanes, old, lane + kLanes);
    const float load_a = __shfl_sync(kAllLanes, old_load, lane);
    const float load_b = __shfl_sync(kAllLanes, old_load, lane + kLanes);
    float moved = (load_a - load_b) * 0.5F;
    moved = moved < flow_a ? moved : flow_a;
    moved = moved > -flow_b ? moved : -flow_b;
    __syncwarp();
    if (group_ < 2) {
      flow(slot) = group_ == 0 ? flow_a - moved : flow_b + moved;
      load(rank) = group_ == 0 ? load_a - moved : load_b + moved;
    }
    return fabsf(moved);
  }

  /// More than two copies, `per` of them for each group: its first is copy group_, the next kGroups later.
  template <int per, bool saves>
  __device__ float level_several(int e, float weight, int num_copies) {
    int slot[per];
    float old[per];
    float floor[per];
    int next = copy_slot_[e * kGroups];
    LPLB_UNROLL
    for (int k = 0; k < per; ++k) {
      slot[k] = next;
      old[k] = flow(next);
      const float old_load = load(arrangement_.rank_of(next));
      floor[k] = old_load - old[k];
      if (saves && k * kGroups < num_copies) {
        save(k * kGroups + group_ < num_copies, next, old[k], old_load);
      }
      LPLB_UNROLL
      for (int step = 0; step < kGroups && k + 1 < per; ++step) {
        const int after = arrangement_.next[next];
        next = after == kNone ? next : after;
      }
    }
    const float level = water_level<per>(weight, num_copies, floor);
    float size = 0;
    __syncwarp();
    LPLB_UNROLL
    for (int k = 0; k < per; ++k) {
      if (k * kGroups + group_ < num_copies) {
        float filled = level - floor[k];
        filled = filled > 0 ? filled : 0;
        flow(slot[k]) = filled;
        load(arrangement_.rank_of(slot[k])) = floor[k] + filled;
        const float distance = fabsf(filled - old[k]);
        size = size > distance ? size : distance;
      }
    }
    return size;
  }

  /// The level over the floors of all copies, those of the groups in turn.
  template <int per>
  __device__ float water_level(float weight, int num_copies, const float (&mine)[per]) {
    float floor[kGroups * per];
    float lowest = 0;
    float sum = weight;
    LPLB_UNROLL
    for (int i = 0; i < kGroups * per; ++i) {
      floor[i] = __shfl_sync(kAllLanes, mine[i / kGroups], thread_ % kLanes + i % kGroups * kLanes);
      const bool is_copy = i < num_copies;
      sum = is_copy ? sum + floor[i] : sum;
      lowest = i == 0 || (is_copy && floor[i] < lowest) ? floor[i] : lowest;
    }
    float level = sum * (1.0F / static_cast<float>(num_copies));
    LPLB_ROLL
    for (int round = 1; round < num_copies; ++round) {
      level = level > lowest ? level : lowest;
      sum = weight;
      float count = 0;
      LPLB_UNROLL
      for (int i = 0; i < kGroups * per; ++i) {
        const bool is_under = i < num_copies && floor[i] <= level;
        sum += is_under ? floor[i] : 0;
        count += is_under ? 1.0F : 0;
      }
      if (!fall(kAllLanes, level, sum / count)) {
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
    const float weight = weight_[e * kLanes];
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
    push_copies(e, num_copies);
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
    push(1, rank_a);
  }

  ArrangementView arrangement_;
  float* weight_;
  Floats flow_;
  Floats load_;
  float* saved_;
  std::int32_t* saved_slot_;
  Words queue_;
  Words copy_slot_;  // of this group
  Ints expert_;
  Ints copy_count_;
  int thread_;
  int group_;
  int num_saved_ = 0;  // events
  int first_ = 0;      // of the queue, which goes round
  int num_waiting_ = 0;
  unsigned waiting_ = 0;
};

}  // namespace lplb::cuda
