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
inline constexpr int kMaxImageLogical = 4096;
inline constexpr int kMaxImagePhysical = 16384;

/// How a warp works on a component. Pairs: classes of two ranks alone, all in registers; up to 32 ranks and 4 colors,
/// 32 and 8, or 64 and 6. Classes: any, up to 32, 64 or 128 ranks.
enum class TaskKind : std::int32_t { kPairs1x4, kPairs1x8, kPairs2x6, kClasses1, kClasses2, kClasses4 };

/// A component with classes: the work of one warp.
struct alignas(16) SolveTask {
  std::int32_t ranks;       // word offset of its ranks, ascending; G where a lane has none
  std::int32_t num_ranks;   // R
  std::int32_t num_colors;  // of this component
  TaskKind kind;            //
  std::int32_t has_cycle;   // 0 or 1
  std::int32_t component;   // number of the component
  std::int32_t arcs;   // pairs: word offset of PairWord [lanes' ranks, 4 or 8]; classes: of SolveArc [num_colors, R]
  std::int32_t masks;  // classes: word offset of the members as bits [num_colors, R][1, 2 or 4 words]
  std::int32_t first_amount;  // of the amounts [num_colors, R]
  std::uint32_t wide_colors;  // bit k: color k has a class of three ranks or more; bit 31 stands for all from 31 on
  std::uint32_t reciprocal;   // reciprocal_of(R)
  std::int32_t reciprocals;   // word offset of reciprocal_of(n), n = 0..R
};

inline constexpr int kTaskWords = sizeof(SolveTask) / sizeof(std::uint32_t);
inline constexpr int kTaskKindWord = offsetof(SolveTask, kind) / sizeof(std::uint32_t);

/// floor(2^32 / n), or what a word holds of it.
constexpr std::uint32_t reciprocal_of(std::uint32_t n) {
  return n < 2 ? ~std::uint32_t{0} : static_cast<std::uint32_t>((std::uint64_t{1} << 32) / n);
}

/// A pair as one of its ranks sees it: partner | kPairIsLower where it is the lower one | index of its tokens << 16.
/// Where a color has none: the rank itself, and expert E. Tokens are indexed so: the experts' counts, 0 for expert E,
/// and after it the totals of the classes, which a pair of one expert does not need.
using PairWord = std::uint32_t;
inline constexpr std::uint32_t kPairIsLower = 1U << 8;

/// What a rank has of one color; all 0 where it has no class. Members are numbers within the component.
struct alignas(8) SolveArc {
  std::uint32_t head;  // num_members | index of the rank among them << 8 | class << 16
  /// Of a pair: the lower rank | the higher one << 8. Of more: number of the class among those of its color.
  std::uint32_t members;
};

/// A class as the way back to experts needs it.
struct alignas(16) SolveClass {
  std::int32_t first_expert;  // word offset of its experts
  std::int32_t num_experts;
  std::int32_t first_arc;  // word offset of the indices of its amounts, by member
  std::int32_t num_members;
};

/// A slot whose expert lives on several ranks.
struct alignas(16) SharedSlot {
  std::uint32_t slot_and_expert;     // slot | expert << 16
  std::uint32_t class_and_position;  // class | position of the expert in it << 16
  std::int32_t amount;               // index of the rank's amount
  std::uint32_t stack;               // copies of the expert on the rank | number of this one among them << 16
};

/// The first words of an image, before the sections that every image of a shape has in the same place. Offsets are in
/// words.
struct alignas(16) SolveHeader {
  std::int32_t num_words;  // of the whole image, a multiple of 4
  std::int32_t num_tasks;
  std::int32_t num_totals;  // classes, where a task needs their totals; else 0
  std::int32_t num_amounts;
  std::int32_t num_shared;
  std::int32_t num_lone;  // ranks that are components without classes
  std::int32_t classes;
  std::int32_t lone;    // rank | component << 16
  std::int32_t stacks;  // copies on the rank | number of this one << 16
  std::int32_t shared;
  std::int32_t padding[2];
};

inline constexpr int kSlotsBegin = sizeof(SolveHeader) / sizeof(std::uint32_t);  // [P] as said below
/// Of live [G], 0 or 1; of the digest's factors [P + G], two words each; and of the tasks.
constexpr int live_begin(int num_physical) { return kSlotsBegin + (num_physical + 3) / 4 * 4; }
constexpr int keys_begin(int num_physical, int num_ranks) { return live_begin(num_physical) + (num_ranks + 3) / 4 * 4; }
constexpr int tasks_begin(int num_physical, int num_ranks) {
  return keys_begin(num_physical, num_ranks) + (2 * (num_physical + num_ranks) + 3) / 4 * 4;
}

/// A slot: expert | stack << 16. `stack` is 0 for a sole copy, kSharedStack for a slot that is listed in `shared`, else
/// 1 + index of `stacks`. The expert is E, which has no tokens, where a slot is shared, empty, or on a dead rank.
inline constexpr std::uint32_t kSharedStack = 0xffff;

/// The image of a graph. Throws InvalidArgument where the shape is too large for the CUDA solver.
std::vector<std::uint32_t> make_solve_image(const SplitGraph& graph);

}  // namespace lplb::cuda
