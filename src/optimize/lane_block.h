#pragma once

// One block of lanes: how the tokens of eight batches are divided over the copies of an arrangement, kept level while
// the arrangement changes. Levelling is the equalizing step of the exact split in single precision, expert by expert
// (water-filling), from the ranks that a move touched outwards. The result is a legal division whose largest load is
// at most a little above the optimum; the exact solver judges what the search proposes in the end.

#include <cstdint>
#include <span>
#include <vector>

#include "optimize/arrangement.h"
#include "optimize/lanes.h"

namespace lplb {

struct RelaxLimits {
  float tolerance = 5e-3F;  // a rank whose load changed by less does not pass the change on
  int max_experts = 64;     // levelled after one move, at most
};

/// Ranks whose experts are still to be levelled: first in, first out, each at most once.
class DirtyRanks {
 public:
  explicit DirtyRanks(int num_ranks) : waiting_(num_ranks, 0) {}
  void push(int rank) {
    if (!waiting_[rank]) {
      waiting_[rank] = 1;
      queue_.push_back(rank);
    }
  }
  bool empty() const { return next_ == queue_.size(); }
  int pop() {
    const int rank = queue_[next_++];
    waiting_[rank] = 0;
    return rank;
  }
  void clear() {
    while (!empty()) {
      pop();
    }
    queue_.clear();
    next_ = 0;
  }

 private:
  std::vector<std::int32_t> queue_;
  std::vector<std::uint8_t> waiting_;  // [G]
  std::size_t next_ = 0;
};

class LaneBlock {
 public:
  LaneBlock(int num_logical, int num_ranks, int num_slots);

  /// Loads of the experts in each lane, to be written before restart(). [E]
  std::span<LaneValues> weights() { return weight_; }
  /// Divides evenly, then levels all experts `num_sweeps` times.
  void restart(const ArrangementView& arrangement, int num_sweeps);

  /// Follows a move that `arrangement` has already made and levels what it touched. Until keep() everything can be
  /// taken back.
  void follow(const ArrangementView& arrangement, const Move& move, DirtyRanks& dirty, const RelaxLimits& limits);
  void keep();
  void take_back();
  /// Levels all experts once more.
  void sweep(const ArrangementView& arrangement);

  std::span<const LaneValues> rank_load() const { return load_; }  // [G]
  std::span<const LaneValues> flow() const { return flow_; }       // [slots] tokens of the copy in the slot
  /// Largest load of a lane; sum over ranks of the squares of what is above the mean load.
  void measure(LaneValues& max_load, LaneValues& excess) const;

 private:
  friend struct Levelling;
  struct Saved {
    std::int32_t index;  // slot, or ~rank
    LaneValues values;
  };

  void save_slot(int slot) {
    if (!slot_is_saved_[slot]) {
      slot_is_saved_[slot] = 1;
      saved_.push_back({slot, flow_[slot]});
    }
  }
  void save_rank(int rank) {
    if (!rank_is_saved_[rank]) {
      rank_is_saved_[rank] = 1;
      saved_.push_back({~rank, load_[rank]});
    }
  }
  void leave(const ArrangementView& arrangement, int slot, int e, DirtyRanks& dirty);
  void exchange(const ArrangementView& arrangement, int a, int b, DirtyRanks& dirty);

  std::vector<LaneValues> weight_;  // [E]
  std::vector<LaneValues> flow_;    // [slots] tokens of the copy in the slot
  std::vector<LaneValues> load_;    // [G]
  std::vector<Saved> saved_;        // in the order of their first change since keep()
  std::vector<std::uint8_t> slot_is_saved_;
  std::vector<std::uint8_t> rank_is_saved_;
};

}  // namespace lplb
