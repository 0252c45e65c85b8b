#pragma once

// One lane of a block on the device: what LaneBlock is on the CPU, a thread for each lane. The eight lanes of a block
// are threads of one warp and decide alike, from what they share: which ranks are waiting to be levelled, what is to be
// taken back. The same operations in the same order as src/optimize/levelling.h, which is the specification; compiled
// without fused multiply-adds.

#include <cstdint>

#include "base/unroll.h"
#include "lplb/placement.h"
#include "optimize/arrangement.h"
#include "optimize/chain.h"
#include "optimize/lane_block.h"

namespace lplb::cuda {

inline constexpr unsigned kLaneMask = (1U << kLanes) - 1;

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

class DeviceLane {
 public:
  __device__ DeviceLane(const LaneMemory& memory, const ArrangementView& arrangement, int block, int lane)
      : arrangement_(arrangement), lane_(lane) {
    const int experts = arrangement.num_logical();
    const int slots = arrangement.num_slots();
    const int ranks = arrangement.num_ranks();
    const auto of_block = [&](int size) { return static_cast<std::int64_t>(block) * size; };
    const auto of_lane = [&](int size) { return of_block(size) * kLanes + lane; };
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
    keep();
    LPLB_ROLL
    for (int slot = 0; slot < arrangement_.num_slots(); ++slot) {
      flow(slot) = 0;
    }
    LPLB_ROLL
    for (int rank = 0; rank < arrangement_.num_ranks(); ++rank) {
      load(rank) = 0;
    }
    LPLB_ROLL
    for (int e = 0; e < arrangement_.num_logical(); ++e) {
      const CopyList copies = arrangement_.copies(e);
      const float share = memory_.weight[e * kLanes] * (1.0F / static_cast<float>(copies.size()));
      LPLB_ROLL
      for (const int slot : copies) {
        flow(slot) = share;
        load(arrangement_.rank_of(slot)) += share;
      }
    }
    LPLB_ROLL
    for (int i = 0; i < num_sweeps; ++i) {
      LPLB_ROLL
      for (int e = 0; e < arrangement_.num_logical(); ++e) {
        if (arrangement_.copies(e).size() > 1) {
          level<false>(e);
        }
      }
    }
  }

  /// Follows a move that the arrangement has already made and levels what it touched.
  __device__ void follow(const Move& move, const RelaxLimits& limits) {
    const int rank = arrangement_.rank_of(move.to);
    save_slot(move.to);
    save_rank(rank);
    if (move.kind == Move::Kind::kSwap) {
      save_slot(move.from);
      save_rank(arrangement_.rank_of(move.from));
      exchange(move.from, move.to);
    } else if (move.replaced != kNone) {
      leave(move.to, move.replaced);
    }
    push(rank);
    relax(limits);
  }

  __device__ void keep() {
    __syncwarp(kLaneMask);
    LPLB_ROLL
    for (int i = lane_; i < flag_words(arrangement_.num_slots() + arrangement_.num_ranks()); i += kLanes) {
      memory_.is_saved[i] = 0;
    }
    __syncwarp(kLaneMask);
    num_saved_ = 0;
  }

  __device__ void take_back() {
    constexpr int kTogether = 8;  // read before any is written, so that they wait for memory together
    LPLB_ROLL
    for (int first = 0; first < num_saved_; first += kTogether) {
      float* place[kTogether];
      float value[kTogether];
      LPLB_UNROLL
      for (int i = 0; i < kTogether; ++i) {
        const int saved = min(first + i, num_saved_ - 1);
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
  static constexpr int kFew = 4;

  __device__ float& flow(int slot) { return memory_.flow[slot * kLanes]; }
  __device__ float& load(int rank) { return memory_.load[rank * kLanes]; }

  __device__ float* place_of(int saved_at) {
    const int rank = saved_at - arrangement_.num_slots();
    return rank < 0 ? &flow(saved_at) : &load(rank);
  }

  /// Sets a bit that was 0; false when it was 1. It is written only when all lanes have read it, as each must come to
  /// the same decision; they all write the same.
  static __device__ bool set(std::uint32_t* flags, int i) {
    const std::uint32_t word = flags[i / 32];
    const std::uint32_t bit = 1U << i % 32;
    if ((word & bit) != 0) {
      return false;
    }
    __syncwarp(kLaneMask);
    flags[i / 32] = word | bit;
    return true;
  }

  __device__ void save(int at, float value) {
    if (set(memory_.is_saved, at)) {
      memory_.saved_at[num_saved_] = static_cast<std::uint16_t>(at);
      memory_.saved_value[num_saved_ * kLanes] = value;
      ++num_saved_;
    }
  }
  __device__ void save_slot(int slot, float value) { save(slot, value); }
  __device__ void save_rank(int rank, float value) { save(arrangement_.num_slots() + rank, value); }
  __device__ void save_slot(int slot) { save_slot(slot, flow(slot)); }
  __device__ void save_rank(int rank) { save_rank(rank, load(rank)); }

  __device__ void push(int rank) {
    if (set(memory_.is_waiting, rank)) {
      int at = first_ + num_waiting_++;
      at -= at >= arrangement_.num_ranks() ? arrangement_.num_ranks() : 0;
      memory_.queue[at] = static_cast<std::uint16_t>(rank);
    }
  }
  __device__ int pop() {
    const int rank = memory_.queue[first_];
    const std::uint32_t word = memory_.is_waiting[rank / 32];
    __syncwarp(kLaneMask);
    memory_.is_waiting[rank / 32] = word & ~(1U << rank % 32);
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
        if (e == kNone || arrangement_.copies(e).size() < 2) {
          continue;
        }
        --num_left;
        // No number is negative here, so that their bits are in the same order.
        const unsigned largest = __reduce_max_sync(kLaneMask, __float_as_uint(level<true>(e)));
        if (__uint_as_float(largest) > limits.tolerance) {
          LPLB_ROLL
          for (const int copy : arrangement_.copies(e)) {
            push(arrangement_.rank_of(copy));
          }
        }
      }
    }
    while (num_waiting_ > 0) {
      pop();
    }
  }

  /// Levels expert e and returns how much a rank's load changed, at most. With `saves` what changes can be taken back.
  template <bool saves>
  __device__ float level(int e) {
    const int num_copies = arrangement_.copy_count[e];
    if (num_copies == 2) {
      return level_pair<saves>(e);
    }
    return num_copies <= kFew ? level_few<saves>(e, num_copies) : level_many<saves>(e);
  }

  template <bool saves>
  __device__ float level_pair(int e) {
    const int a = arrangement_.first[e];
    const int b = arrangement_.next[a];
    const int rank_a = arrangement_.rank_of(a);
    const int rank_b = arrangement_.rank_of(b);
    const float flow_a = flow(a);
    const float flow_b = flow(b);
    const float load_a = load(rank_a);
    const float load_b = load(rank_b);
    if (saves) {
      save_slot(a, flow_a);
      save_rank(rank_a, load_a);
      save_slot(b, flow_b);
      save_rank(rank_b, load_b);
    }
    float moved = (load_a - load_b) * 0.5F;
    moved = moved < flow_a ? moved : flow_a;
    moved = moved > -flow_b ? moved : -flow_b;
    flow(a) = flow_a - moved;
    flow(b) = flow_b + moved;
    load(rank_a) = load_a - moved;
    load(rank_b) = load_b + moved;
    return fabsf(moved);
  }

  /// Up to kFew copies: all is read first, so that the reads wait for memory together, and levelled in registers.
  template <bool saves>
  __device__ float level_few(int e, int num_copies) {
    int slot[kFew];
    int rank[kFew];
    float old[kFew];
    float floor[kFew];
    int next = arrangement_.first[e];
    LPLB_UNROLL
    for (int i = 0; i < kFew; ++i) {
      slot[i] = i < num_copies ? next : 0;
      next = i + 1 < num_copies ? arrangement_.next[next] : 0;
    }
    LPLB_UNROLL
    for (int i = 0; i < kFew; ++i) {
      rank[i] = arrangement_.rank_of(slot[i]);
      old[i] = flow(slot[i]);
      floor[i] = load(rank[i]);
    }
    if (saves) {
      LPLB_UNROLL
      for (int i = 0; i < kFew; ++i) {
        if (i < num_copies) {
          save_slot(slot[i], old[i]);
          save_rank(rank[i], floor[i]);
        }
      }
    }
    const float weight = memory_.weight[e * kLanes];
    float sum = weight;
    float lowest = floor[0] - old[0];
    LPLB_UNROLL
    for (int i = 0; i < kFew; ++i) {
      floor[i] -= old[i];
      sum += i < num_copies ? floor[i] : 0;
      lowest = i < num_copies && floor[i] < lowest ? floor[i] : lowest;
    }
    float level = sum * (1.0F / static_cast<float>(num_copies));
    LPLB_ROLL
    for (int round = 1; round < num_copies; ++round) {
      level = level > lowest ? level : lowest;
      sum = weight;
      float count = 0;
      LPLB_UNROLL
      for (int i = 0; i < kFew; ++i) {
        const bool is_under = i < num_copies && floor[i] <= level;
        sum += is_under ? floor[i] : 0;
        count += is_under ? 1.0F : 0;
      }
      if (!fall(level, sum / count)) {
        break;
      }
    }
    float size = 0;
    LPLB_UNROLL
    for (int i = 0; i < kFew; ++i) {
      if (i < num_copies) {
        float filled = level - floor[i];
        filled = filled > 0 ? filled : 0;
        flow(slot[i]) = filled;
        load(rank[i]) = floor[i] + filled;
        const float distance = fabsf(filled - old[i]);
        size = size > distance ? size : distance;
      }
    }
    return size;
  }

  /// The level of the next round; false when it fell in no lane.
  static __device__ bool fall(float& level, float next) {
    const bool fell = level - next > 0;
    level = next;
    return __any_sync(kLaneMask, fell) != 0;
  }

  __device__ float floor_of(int slot) { return load(arrangement_.rank_of(slot)) - flow(slot); }

  template <bool saves>
  __device__ float level_many(int e) {
    const CopyList copies = arrangement_.copies(e);
    if (saves) {
      LPLB_ROLL
      for (const int slot : copies) {
        save_slot(slot);
        save_rank(arrangement_.rank_of(slot));
      }
    }
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
      if (!fall(level, sum / count)) {
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
    const CopyList copies = arrangement_.copies(e);
    const float share = flow(slot) * (1.0F / static_cast<float>(copies.size()));
    load(arrangement_.rank_of(slot)) -= flow(slot);
    flow(slot) = 0;
    LPLB_ROLL
    for (const int copy : copies) {
      const int rank = arrangement_.rank_of(copy);
      save_slot(copy);
      save_rank(rank);
      flow(copy) += share;
      load(rank) += share;
      push(rank);
    }
  }

  __device__ void exchange(int a, int b) {
    const int rank_a = arrangement_.rank_of(a);
    const int rank_b = arrangement_.rank_of(b);
    const float flow_a = flow(a);
    const float flow_b = flow(b);
    load(rank_a) -= flow_a;
    load(rank_b) -= flow_b;
    flow(a) = flow_b;
    flow(b) = flow_a;
    load(rank_a) += flow_b;
    load(rank_b) += flow_a;
    push(rank_a);
  }

  ArrangementView arrangement_;
  LaneMemory memory_;
  int lane_;
  int num_saved_ = 0;
  int first_ = 0;  // of the queue, which goes round
  int num_waiting_ = 0;
};

}  // namespace lplb::cuda
