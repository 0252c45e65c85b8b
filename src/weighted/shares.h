#pragma once

// Dividing whole units over the slots of a cell, which share evenly, and what needs no solving: the time of experts
// whose copies are in one cell, their shares, and the slots that get nothing. Helpers do this beside the solving.

#include "weighted/problem.h"

namespace lplb::weighted {

/// Where the result goes; null pointers are left out.
struct Output {
  double* share;      // [P]
  double* rank_time;  // [G]
  Tokens* quota;      // [P]
  WeightedSummary* summary;
};

/// A token is 2^unit_bits units: as many as leave an expert's units below 2^52.
template <class Block>
LPLB_WEIGHTED int unit_bits(Tokens tokens) {
  return 51 - Block::exponent(static_cast<std::uint32_t>(tokens));
}

/// What slot `number` of `count` gets; what does not divide goes to the lowest.
template <class Block>
LPLB_WEIGHTED long long part_of(long long units, int count, int number) {
  if (count == 1) {
    return units;
  }
  // Off by one at most: the units are below 2^52.
  auto part = static_cast<long long>(static_cast<double>(units) * Block::inverse(static_cast<double>(count)));
  long long rest = units - part * count;
  if (rest < 0) {
    --part;
    rest += count;
  } else if (rest >= count) {
    ++part;
    rest -= count;
  }
  return part + (number < rest ? 1 : 0);
}

/// The slots of one cell.
struct CellSlots {
  const std::int32_t* slots;
  int count;
};

LPLB_WEIGHTED CellSlots cell_of(const ImageView& image, int cell) {
  const std::int32_t* const begin = image.ints(image.header.cell_begin) + cell;
  return {.slots = image.ints(image.header.cell_slot) + begin[0], .count = begin[1] - begin[0]};
}

template <class Block>
LPLB_WEIGHTED void write_shares(const CellSlots& cell, long long units, double unit, double* share) {
  for (int i = 0; i < cell.count && share != nullptr; ++i) {
    share[cell.slots[i]] = static_cast<double>(part_of<Block>(units, cell.count, i)) * unit;
  }
}

/// Times of the fixed experts, added up by a few threads a rank; Start adds these up.
struct FixedTimes {
  /// Of the number of threads a rank.
  LPLB_WEIGHTED static int lane_bits(const ImageHeader& h, int num_threads) {
    return h.num_ranks * 8 <= num_threads   ? 3
           : h.num_ranks * 4 <= num_threads ? 2
           : h.num_ranks * 2 <= num_threads ? 1
                                            : 0;
  }

  template <class Block>
  LPLB_WEIGHTED static void add_up(const Block& block, const ImageView& image, const Batch& batch, const Memory& m) {
    const ImageHeader& h = image.header;
    const int bits = lane_bits(h, block.num_threads());
    deal(block, h.num_ranks << bits, [&](int i) {
      const std::int32_t* const begin = image.ints(h.rank_fixed) + (i >> bits);
      double time = 0;
      LPLB_WEIGHTED_UNROLL_4
      for (int f = begin[0] + (i & ((1 << bits) - 1)); f < begin[1]; f += 1 << bits) {
        time += batch.counts[image.ints(h.fixed_expert)[f]] * image.doubles(h.fixed_time)[f];
      }
      m.partial()[i] = time;
    });
  }
};

/// Shares and quotas of the fixed experts, and the zeros of slots that no live copy has.
template <class Block>
LPLB_WEIGHTED void share_out_fixed(const Block& block, const ImageView& image, const Batch& batch,
                                   const Output& output) {
  const ImageHeader& h = image.header;
  deal(block, h.num_fixed, [&](int f) {
    const Tokens tokens = batch.counts[image.ints(h.fixed_expert)[f]];
    const CellSlots cell = cell_of(image, h.num_columns + f);
    const int bits = tokens > 0 ? unit_bits<Block>(tokens) : 0;
    write_shares<Block>(cell, static_cast<long long>(tokens) << bits, power_of_two(-bits), output.share);
    LPLB_WEIGHTED_ROLL
    for (int i = 0; i < cell.count && output.quota != nullptr; ++i) {
      output.quota[cell.slots[i]] = static_cast<Tokens>(part_of<Block>(tokens, cell.count, i));
    }
  });
  const CellSlots idle = cell_of(image, h.num_columns + h.num_fixed);
  deal(block, idle.count, [&](int i) {
    if (output.share != nullptr) {
      output.share[idle.slots[i]] = 0;
    }
    if (output.quota != nullptr) {
      output.quota[idle.slots[i]] = 0;
    }
  });
}

}  // namespace lplb::weighted
