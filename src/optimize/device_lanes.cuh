#pragma once

// One lane of a block on the device: what LaneBlock is on the CPU, a thread for each lane. The eight lanes of a block
// are threads of one warp and decide alike, from what they share: which ranks are waiting to be levelled, what is to be
// taken back. The same operations in the same order as src/optimize/levelling.h, which is the specification; compiled
// without fused multiply-adds.

#include <cstdint>

#include "lplb/placement.h"
#include "optimize/arrangement.h"
#include "optimize/chain.h"
#include "optimize/lane_block.h"

namespace lplb::cuda {

inline constexpr unsigned kLaneMask = (1U << kLanes) - 1;

/// Memory of the blocks of a chain. Values of one lane are kLanes apart; the rest is of all lanes of a block. S slots,
/// B blocks.
struct LaneMemory {
  float* weight = nullptr;             // [B, E, kLanes]
  float* flow = nullptr;               // [B, S, kLanes] tokens of the copy in the slot
  float* load = nullptr;               // [B, G, kLanes]
  float* saved_value = nullptr;        // [B, S + G, kLanes]
  std::int32_t* saved_at = nullptr;    // [B, S + G] slot, or ~rank
  std::uint8_t* slot_saved = nullptr;  // [B, S]
  std::uint8_t* rank_saved = nullptr;  // [B, G]
  std::uint16_t* queue = nullptr;      // [B, G] ranks whose experts are still to be levelled
  std::uint8_t* waiting = nullptr;     // [B, G] 1 = the rank is in the queue
};

class DeviceLane {
 public:
  __device__ DeviceLane(const LaneMemory& memory, const ArrangementView& arrangement, int block, int lane)
      : arrangement_(arrangement) {
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
               .slot_saved = memory.slot_saved + of_block(slots),
               .rank_saved = memory.rank_saved + of_block(ranks),
               .queue = memory.queue + of_block(ranks),
               .waiting = memory.waiting + of_block(ranks)};
  }

  __device__ float* weights() { return memory_.weight; }

  /// Divides evenly, then levels all experts `num_sweeps` times.
  __device__ void restart(int num_sweeps) {
    keep();
    for (int slot = 0; slot < arrangement_.num_slots(); ++slot) {
      flow(slot) = 0;
    }
    for (int rank = 0; rank < arrangement_.num_ranks(); ++rank) {
      load(rank) = 0;
    }
    for (int e = 0; e < arrangement_.num_logical(); ++e) {
      const CopyList copies = arrangement_.copies(e);
      const float share = memory_.weight[e * kLanes] * (1.0F / static_cast<float>(copies.size()));
      for (const int slot : copies) {
        flow(slot) = share;
        load(arrangement_.rank_of(slot)) += share;
      }
    }
    for (int i = 0; i < num_sweeps; ++i) {
      for (int e = 0; e < arrangement_.num_logical(); ++e) {
        if (arrangement_.copies(e).size() > 1) {
          level(e);
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
    for (int i = 0; i < num_saved_; ++i) {
      unsave(memory_.saved_at[i]);
    }
    num_saved_ = 0;
  }

  __device__ void take_back() {
    for (int i = 0; i < num_saved_; ++i) {
      const std::int32_t at = memory_.saved_at[i];
      (at >= 0 ? flow(at) : load(~at)) = memory_.saved_value[i * kLanes];
      unsave(at);
    }
    num_saved_ = 0;
  }

  __device__ double excess() const {
    float largest = 0;
    float squares = 0;
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

  // A flag is written only when all lanes have read it: each must come to the same decision.

  __device__ void save(std::uint8_t& is_saved, std::int32_t at, float value) {
    if (!is_saved) {
      __syncwarp(kLaneMask);
      is_saved = 1;
      memory_.saved_at[num_saved_] = at;
      memory_.saved_value[num_saved_ * kLanes] = value;
      ++num_saved_;
    }
  }
  __device__ void save_slot(int slot) { save(memory_.slot_saved[slot], slot, flow(slot)); }
  __device__ void save_rank(int rank) { save(memory_.rank_saved[rank], ~rank, load(rank)); }
  __device__ void unsave(std::int32_t at) { (at >= 0 ? memory_.slot_saved[at] : memory_.rank_saved[~at]) = 0; }

  __device__ void push(int rank) {
    if (!memory_.waiting[rank]) {
      __syncwarp(kLaneMask);
      memory_.waiting[rank] = 1;
      int at = first_ + num_waiting_++;
      at -= at >= arrangement_.num_ranks() ? arrangement_.num_ranks() : 0;
      memory_.queue[at] = static_cast<std::uint16_t>(rank);
    }
  }
  __device__ int pop() {
    __syncwarp(kLaneMask);
    const int rank = memory_.queue[first_];
    memory_.waiting[rank] = 0;
    first_ = first_ + 1 == arrangement_.num_ranks() ? 0 : first_ + 1;
    --num_waiting_;
    return rank;
  }

  __device__ void relax(const RelaxLimits& limits) {
    int num_left = limits.max_experts;
    while (num_waiting_ > 0 && num_left > 0) {
      const int rank = pop();
      const int first = arrangement_.first_slot(rank);
      for (int slot = first; slot < first + arrangement_.num_slots(rank); ++slot) {
        const std::int32_t e = arrangement_.expert_at(slot);
        if (e == kNone || arrangement_.copies(e).size() < 2) {
          continue;
        }
        for (const int copy : arrangement_.copies(e)) {
          save_slot(copy);
          save_rank(arrangement_.rank_of(copy));
        }
        --num_left;
        // No number is negative here, so that their bits are in the same order.
        const unsigned largest = __reduce_max_sync(kLaneMask, __float_as_uint(level(e)));
        if (__uint_as_float(largest) > limits.tolerance) {
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

  /// Levels expert e and returns how much a rank's load changed, at most.
  __device__ float level(int e) {
    const CopyList copies = arrangement_.copies(e);
    return copies.size() == 2 ? level_pair(copies.front(), copies[1]) : level_many(e, copies);
  }

  __device__ float level_pair(int a, int b) {
    float& load_a = load(arrangement_.rank_of(a));
    float& load_b = load(arrangement_.rank_of(b));
    const float flow_a = flow(a);
    const float flow_b = flow(b);
    float moved = (load_a - load_b) * 0.5F;
    moved = moved < flow_a ? moved : flow_a;
    moved = moved > -flow_b ? moved : -flow_b;
    flow(a) = flow_a - moved;
    flow(b) = flow_b + moved;
    load_a -= moved;
    load_b += moved;
    return fabsf(moved);
  }

  __device__ float floor_of(int slot) { return load(arrangement_.rank_of(slot)) - flow(slot); }

  __device__ float level_many(int e, const CopyList& copies) {
    const float weight = memory_.weight[e * kLanes];
    float lowest = floor_of(copies.front());
    float sum = weight;
    for (const int slot : copies) {
      const float floor = floor_of(slot);
      sum += floor;
      lowest = floor < lowest ? floor : lowest;
    }
    float level = sum * (1.0F / static_cast<float>(copies.size()));
    for (int round = 1; round < copies.size(); ++round) {
      level = level > lowest ? level : lowest;
      sum = weight;
      float count = 0;
      for (const int slot : copies) {
        const float floor = floor_of(slot);
        sum += floor <= level ? floor : 0;
        count += floor <= level ? 1.0F : 0;
      }
      const float next = sum / count;
      const bool fell = level - next > 0;
      level = next;
      if (!__any_sync(kLaneMask, fell)) {
        break;
      }
    }
    float size = 0;
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
  int num_saved_ = 0;
  int first_ = 0;  // of the queue, which goes round
  int num_waiting_ = 0;
};

}  // namespace lplb::cuda
