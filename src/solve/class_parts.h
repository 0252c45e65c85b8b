#pragma once

// The parts of a class that a sweep levels, one round after the other: part of the specification, the same on the CPU
// and the GPU. A class of up to four members is one part. Of a larger one with n members and m = ceil(n / 4), the parts
// of the first round are the members i, i + m, i + 2m and i + 3m, those of the second 4i to 4i + 3.

#include <algorithm>
#include <cstdint>
#include <limits>

namespace lplb {

inline constexpr int kMaxPartMembers = 4;

constexpr int num_parts(int num_members) { return (num_members + kMaxPartMembers - 1) / kMaxPartMembers; }
constexpr int num_rounds(int num_members) { return num_members <= kMaxPartMembers ? 1 : 2; }

/// Members first, first + stride, ..
struct ClassPart {
  int first;
  int stride;
  int size;
};

constexpr ClassPart class_part(int num_members, int round, int i) {
  const int stride = num_parts(num_members);
  if (round == 0) {
    return {.first = i, .stride = stride, .size = (num_members - i + stride - 1) / stride};
  }
  const int first = kMaxPartMembers * i;
  return {.first = first, .stride = 1, .size = std::min(kMaxPartMembers, num_members - first)};
}

/// The floor of a member that a part does not have: no level reaches it.
inline constexpr std::int32_t kNoFloor = std::numeric_limits<std::int32_t>::max();

/// To where `total` tokens fill a part of three or four members with these floors, whole tokens: the lowest level that
/// the lowest floor allows, or the two, three or four lowest. `d` of three is kNoFloor; modulo 2^32 it does no harm.
constexpr std::uint32_t part_level(const std::uint32_t& a, const std::uint32_t& b, const std::uint32_t& c,
                                   const std::uint32_t& d, const bool& has_fourth, const std::uint32_t& total) {
  const std::uint32_t all = a + b + (c + d);
  const std::uint32_t lowest = std::min(std::min(a, b), std::min(c, d));
  const std::uint32_t highest = std::max(std::max(a, b), std::max(c, d));
  const std::uint32_t two_lowest = std::min(std::min(a, b) + std::min(c, d), std::min(a + b, c + d));
  const std::uint32_t level = std::min(std::min(total + lowest, (total + two_lowest) / 2), (total + all - highest) / 3);
  return has_fourth ? std::min(level, (total + all) / 4) : level;
}

/// Tokens from a floor up to a level, none where the floor is higher.
constexpr std::uint32_t tokens_above(std::uint32_t level, std::uint32_t floor) {
  return static_cast<std::uint32_t>(std::max(static_cast<std::int32_t>(level - floor), 0));
}

}  // namespace lplb
