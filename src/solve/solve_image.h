#pragma once

// The split graph as the CUDA solver reads it: one block of 32-bit words, made once a placement on the host and copied
// to the device as it is. Offsets are in words from its start, so that it can be moved; sections start at multiples of
// four words.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lplb/solve.h"

namespace lplb::cuda {

/// Largest component that one warp solves, and largest shape.
inline constexpr int kMaxComponentRanks = 128;
inline constexpr int kMaxPairColors = 8;
inline constexpr int kMaxPairColorsOf64 = 6;  // of more than 32 ranks
/// Ranks a lane in a component with classes. Where lanes have one each, one of them has none (no_rank).
constexpr int class_ranks_per_lane(int num_ranks) { return num_ranks < 32 ? 1 : num_ranks <= 64 ? 2 : 4; }
/// Colors whose outlets are looked up at once.
constexpr int class_colors_at_once(int ranks_per_lane) { return ranks_per_lane < 4 ? 3 : 1; }

/// The tables of a component with classes, a row a color and a column a rank. Where lanes have several ranks, they have
/// a column for each that a lane may have and whole groups of colors, so that what a lane reads lies at fixed
/// distances.
struct ClassTableShape {
  int num_rows;
  int num_columns;
};
constexpr int class_columns(int num_ranks, int ranks_per_lane) {
  return ranks_per_lane == 1 ? num_ranks : 32 * ranks_per_lane;
}
constexpr ClassTableShape class_table_shape(int num_colors, int num_ranks) {
  const int ranks_per_lane = class_ranks_per_lane(num_ranks);
  const int at_once = class_colors_at_once(ranks_per_lane);
  return {.num_rows = (num_colors + at_once - 1) / at_once * at_once,
          .num_columns = class_columns(num_ranks, ranks_per_lane)};
}
inline constexpr int kMaxImageLogical = 4096;
inline constexpr int kMaxImagePhysical = 16384;

/// How a warp works on a component. Pairs: classes of two ranks alone, all in registers; up to 32 ranks and 4 colors,
/// 32 and 8, 64 and 3, or 64 and 6. Classes: any, up to 31, 64 or 128 ranks.
enum class TaskKind : std::int32_t { kPairs1x4, kPairs1x8, kPairs2x3, kPairs2x6, kClasses1, kClasses2, kClasses4 };

/// A component with classes: the work of one warp.
struct alignas(16) SolveTask {
  std::int32_t ranks;         // word offset of its ranks, ascending; G where a lane has none
  std::int32_t num_ranks;     // R
  std::int32_t num_colors;    // of this component
  TaskKind kind;              //
  std::int32_t has_cycle;     // 0 or 1
  std::int32_t component;     // number of the component
  std::int32_t first_rank;    // of the fixed loads and shares, which lie by component
  std::int32_t pairs;         // pairs: word offset of PairWord [lanes' ranks, 4 or 8]
  std::int32_t masks;         // classes: word offset of the members as bits [num_rows, num_columns][1, 2 or 4 words]
  std::int32_t steps;         // classes: word offset of PartArc [num_steps, num_columns]
  std::int32_t num_steps;     // of a sweep
  std::int32_t first_amount;  // of the amounts: pairs [num_colors, R], classes [num_rows, num_columns]
  std::uint32_t reciprocal;   // reciprocal_of(R)
  std::int32_t reciprocals;   // word offset of reciprocal_of(n), n = 0..R
  std::int32_t is_wide;       // 0 or 1
  std::int32_t padding;
};

inline constexpr int kTaskWords = sizeof(SolveTask) / sizeof(std::uint32_t);
inline constexpr int kTaskKindWord = offsetof(SolveTask, kind) / sizeof(std::uint32_t);

/// floor(2^32 / n), or what a word holds of it.
constexpr std::uint32_t reciprocal_of(std::uint32_t n) {
  return n < 2 ? ~std::uint32_t{0} : static_cast<std::uint32_t>((std::uint64_t{1} << 32) / n);
}

/// A pair as one of its ranks sees it: partner | kPairIsLower where it is the lower one | place of its tokens
/// (place_of_tokens) << 16. Where a color has none: the rank itself, and expert E.
using PairWord = std::uint32_t;
inline constexpr std::uint32_t kPairIsLower = 1U << 8;

/// What a rank of a component with classes has of one class to begin with: its even share of the class's tokens; no
/// members where it has no class of the color. They lie behind the image, in the same place for every image of a shape.
struct alignas(16) EvenShare {
  std::uint32_t members_and_tokens;  // members of the class | index of the rank among them << 8 | place of tokens << 16
  std::uint32_t reciprocal;          // reciprocal_of(members)
  std::int32_t amount;               // index of the rank's amount
  std::int32_t rank;                 // index of the rank's share
};

/// The part of a class (class_parts.h) that a rank has in one step of a sweep, as this rank sees it.
struct alignas(8) PartArc {
  /// The others, ascending, numbers within the component, eight bits each; where there is none, no_rank() | number of
  /// lower ones << 24 | members of the part << 26. Where the rank is in none, or alone in one: less than two members.
  std::uint32_t part;
  std::uint32_t amount_and_step;  // index of the rank's amount | kOfColorBefore | kAnyWide

  static constexpr std::uint32_t kAnyWide = 1U << 31;        // some part of this step has three members or more
  static constexpr std::uint32_t kOfColorBefore = 1U << 30;  // the step before has the same color, around the end

  constexpr int other(int i) const { return static_cast<int>(part >> 8 * i & 255); }
  constexpr unsigned place() const { return part >> 24 & 3; }
  constexpr unsigned size() const { return part >> 26; }
  constexpr int amount() const { return static_cast<int>(amount_and_step & (kOfColorBefore - 1)); }
  constexpr bool is_any_wide() const { return (amount_and_step & kAnyWide) != 0; }
  constexpr bool is_of_color_before() const { return (amount_and_step & kOfColorBefore) != 0; }
};

/// In place of a rank that a part does not have: a lane without a rank where lanes have one each, else one beyond all.
constexpr int no_rank(int ranks_per_lane) { return ranks_per_lane == 1 ? 31 : 32 * ranks_per_lane; }

/// A class as the way back to experts needs it.
struct alignas(16) SolveClass {
  std::int32_t first_expert;  // word offset of its experts
  std::int32_t num_experts;
  std::int32_t first_arc;  // word offset of the indices of its amounts, by member
  std::int32_t num_members;
};

/// A slot whose expert lives on several ranks.
struct alignas(16) SharedSlot {
  std::uint32_t slot;   // | kSharesAmount
  std::int32_t amount;  // index of the rank's amount
  std::uint64_t key;    // the slot's factor of the digest
};

/// The slot does not have the whole amount: SlotPart says which part.
inline constexpr std::uint32_t kSharesAmount = 1U << 31;
struct alignas(16) SlotPart {
  std::int32_t class_idx;
  std::int32_t expert;
  std::int32_t position;  // of the expert in the class
  std::uint32_t stack;    // copies of the expert on the rank | number of this one among them << 16
};

/// The first words of an image, before the sections that every image of a shape has in the same place. Offsets are in
/// words.
struct alignas(16) SolveHeader {
  std::int32_t num_words;  // of the whole image, a multiple of 4
  std::int32_t num_tasks;
  std::int32_t num_totals;  // classes of several experts
  std::int32_t num_amounts;
  std::int32_t num_shared;
  std::int32_t num_lone;  // ranks that are components without classes
  std::int32_t classes;
  std::int32_t lone;    // rank | component << 16
  std::int32_t stacks;  // copies on the rank | number of this one << 16
  std::int32_t shared;
  std::int32_t parts;       // SlotPart of the same
  std::int32_t num_shares;  // of EvenShare
};

inline constexpr int kSlotsBegin = sizeof(SolveHeader) / sizeof(std::uint32_t);  // [P] as said below

/// Word offsets of what every image of a shape has in the same place.
struct ImageLayout {
  int keys = 0;          // [P + G] factors of the digest, two words each
  int destinations = 0;  // [E] where an expert's tokens are added up, a fixed load or a class's total; 0: nowhere
  int positions = 0;     // [G] place of a rank's fixed load; 0 for a dead rank
  int tasks = 0;
};
constexpr ImageLayout image_layout(int num_logical, int num_physical, int num_ranks) {
  const auto round_up = [](int words) { return (words + 3) / 4 * 4; };
  ImageLayout layout;
  layout.keys = kSlotsBegin + round_up(num_physical);
  layout.destinations = layout.keys + round_up(2 * (num_physical + num_ranks));
  layout.positions = layout.destinations + round_up(num_logical);
  layout.tasks = layout.positions + round_up(num_ranks);
  return layout;
}

/// A slot: expert | stack << 16. `stack` is 0 for a sole copy, kSharedStack for a slot that is listed in `shared`, else
/// 1 + index of `stacks`. The expert is E, which has no tokens, where a slot is shared, empty, or on a dead rank.
inline constexpr std::uint32_t kSharedStack = 0xffff;

/// What a placement is to the CUDA solver.
struct SolveImage {
  std::vector<std::uint32_t> words;  // SolveHeader and what follows
  std::vector<EvenShare> shares;
};

/// Throws InvalidArgument where the shape is too large for the CUDA solver.
SolveImage make_solve_image(const SplitGraph& graph);

}  // namespace lplb::cuda
