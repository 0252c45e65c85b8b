#pragma once

// The scalar rule that decides which copy takes the j-th token of an expert: shares as 32-bit binary fractions, rounded
// up, so that after n tokens the copy has exactly its q. (Bresenham's line with a multiplication instead of an error
// term.)

#include <cstdint>

namespace lplb {

/// ceil(q * 2^32 / n) for 0 <= q <= n < 2^31, n > 0. At most 2^32.
constexpr std::uint64_t interleave_fraction(std::int32_t q, std::int32_t n) {
  return ((static_cast<std::uint64_t>(q) << 32) + n - 1) / n;
}

/// How many of the first j tokens go to the copy: 0 for j = 0, q for j = n, and one more or the same for the next j.
constexpr std::int32_t interleave_before(std::uint64_t fraction, std::int32_t j) {
  return static_cast<std::int32_t>((static_cast<std::uint64_t>(j) * fraction) >> 32);
}

/// The same of a fraction below 1, as its 32 bits, and whether the copy takes token j: one product says both.
struct InterleaveStep {
  std::uint32_t before;
  bool takes;
};
constexpr InterleaveStep interleave_step(std::uint32_t fraction, std::uint32_t j) {
  const std::uint64_t product = std::uint64_t{j} * fraction;
  return {.before = static_cast<std::uint32_t>(product >> 32),
          .takes = static_cast<std::uint32_t>(product) > ~fraction};
}

/// The copy of token j: copy i takes its fraction of the tokens that copies before it have left over; the last takes
/// the rest. `fraction` [num_copies - 1], of interleave_fraction(q_i, q_i + ... + q_last); 0 where nothing is left.
constexpr int interleave_copy(const std::uint64_t* fraction, int num_copies, std::int32_t j) {
  for (int i = 0; i + 1 < num_copies; ++i) {
    const std::int32_t before = interleave_before(fraction[i], j);
    if (interleave_before(fraction[i], j + 1) != before) {
      return i;
    }
    j -= before;
  }
  return num_copies - 1;
}

}  // namespace lplb
