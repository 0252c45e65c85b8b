// The bookkeeping of a block, and the choice between the vector widths that the processor has. On x86-64 the inner
// loops are compiled twice: for every processor, and for those with AVX2.

#include "optimize/lane_block.h"

#include <utility>

#include "optimize/levelling.h"

namespace lplb {
namespace {

#if defined(__x86_64__) && defined(__GNUC__)
#define LPLB_AVX2 [[gnu::target("avx2")]]
const bool kHasAvx2 = __builtin_cpu_supports("avx2") != 0;

LPLB_AVX2 void relax_avx2(LaneBlock& block, const ArrangementView& arrangement, DirtyRanks& dirty,
                          const RelaxLimits& limits) {
  Levelling::relax<8>(block, arrangement, dirty, limits);
}
LPLB_AVX2 void sweep_avx2(LaneBlock& block, const ArrangementView& arrangement) {
  Levelling::sweep<8>(block, arrangement);
}
LPLB_AVX2 void measure_avx2(const LaneBlock& block, LaneValues& max_load, LaneValues& excess) {
  Levelling::measure<8>(block, max_load, excess);
}
#else
constexpr bool kHasAvx2 = false;
void relax_avx2(LaneBlock&, const ArrangementView&, DirtyRanks&, const RelaxLimits&) {}
void sweep_avx2(LaneBlock&, const ArrangementView&) {}
void measure_avx2(const LaneBlock&, LaneValues&, LaneValues&) {}
#endif

void subtract(LaneValues& from, const LaneValues& values) {
  for (int lane = 0; lane < kLanes; ++lane) {
    from[lane] -= values[lane];
  }
}

void add(LaneValues& to, const LaneValues& values) {
  for (int lane = 0; lane < kLanes; ++lane) {
    to[lane] += values[lane];
  }
}

LaneValues scaled(const LaneValues& values, float factor) {
  LaneValues result;
  for (int lane = 0; lane < kLanes; ++lane) {
    result[lane] = values[lane] * factor;
  }
  return result;
}

}  // namespace

LaneBlock::LaneBlock(int num_logical, int num_ranks, int num_slots)
    : weight_(num_logical),
      flow_(num_slots),
      load_(num_ranks),
      slot_is_saved_(num_slots, 0),
      rank_is_saved_(num_ranks, 0) {}

void LaneBlock::restart(const ArrangementView& arrangement, int num_sweeps) {
  keep();
  flow_.assign(flow_.size(), LaneValues{});
  load_.assign(load_.size(), LaneValues{});
  for (int e = 0; e < arrangement.num_logical(); ++e) {
    const CopyList copies = arrangement.copies(e);
    const LaneValues share = scaled(weight_[e], 1.0F / static_cast<float>(copies.size()));
    for (const int slot : copies) {
      flow_[slot] = share;
      add(load_[arrangement.rank_of(slot)], share);
    }
  }
  for (int i = 0; i < num_sweeps; ++i) {
    sweep(arrangement);
  }
}

void LaneBlock::keep() {
  for (const Saved& saved : saved_) {
    (saved.index >= 0 ? slot_is_saved_[saved.index] : rank_is_saved_[~saved.index]) = 0;
  }
  saved_.clear();
}

void LaneBlock::take_back() {
  for (const Saved& saved : saved_) {
    (saved.index >= 0 ? flow_[saved.index] : load_[~saved.index]) = saved.values;
  }
  keep();
}

/// The tokens that slot had for expert e go to the expert's other copies.
void LaneBlock::leave(const ArrangementView& arrangement, int slot, int e, DirtyRanks& dirty) {
  const CopyList copies = arrangement.copies(e);
  const LaneValues share = scaled(flow_[slot], 1.0F / static_cast<float>(copies.size()));
  subtract(load_[arrangement.rank_of(slot)], flow_[slot]);
  flow_[slot] = LaneValues{};
  for (const int copy : copies) {
    const int rank = arrangement.rank_of(copy);
    save_slot(copy);
    save_rank(rank);
    add(flow_[copy], share);
    add(load_[rank], share);
    dirty.push(rank);
  }
}

void LaneBlock::exchange(const ArrangementView& arrangement, int a, int b, DirtyRanks& dirty) {
  const int rank_a = arrangement.rank_of(a);
  const int rank_b = arrangement.rank_of(b);
  subtract(load_[rank_a], flow_[a]);
  subtract(load_[rank_b], flow_[b]);
  std::swap(flow_[a], flow_[b]);
  add(load_[rank_a], flow_[a]);
  add(load_[rank_b], flow_[b]);
  dirty.push(rank_a);
}

void LaneBlock::follow(const ArrangementView& arrangement, const Move& move, DirtyRanks& dirty,
                       const RelaxLimits& limits) {
  const int rank = arrangement.rank_of(move.to);
  save_slot(move.to);
  save_rank(rank);
  if (move.kind == Move::Kind::kSwap) {
    save_slot(move.from);
    save_rank(arrangement.rank_of(move.from));
    exchange(arrangement, move.from, move.to, dirty);
  } else if (move.replaced != kNone) {
    leave(arrangement, move.to, move.replaced, dirty);
  }
  dirty.push(rank);
  if (kHasAvx2) {
    relax_avx2(*this, arrangement, dirty, limits);
  } else {
    Levelling::relax<4>(*this, arrangement, dirty, limits);
  }
}

void LaneBlock::sweep(const ArrangementView& arrangement) {
  if (kHasAvx2) {
    sweep_avx2(*this, arrangement);
  } else {
    Levelling::sweep<4>(*this, arrangement);
  }
}

void LaneBlock::measure(LaneValues& max_load, LaneValues& excess) const {
  if (kHasAvx2) {
    measure_avx2(*this, max_load, excess);
  } else {
    Levelling::measure<4>(*this, max_load, excess);
  }
}

}  // namespace lplb
