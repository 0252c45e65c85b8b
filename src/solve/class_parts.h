#pragma once

// The parts of a class that a sweep levels, one round after the other: part of the specification, the same on the CPU
// and the GPU. A class of up to four members is one part. Of a larger one with n members and m = ceil(n / 4), the parts
// of the first round are the members i, i + m, i + 2m and i + 3m, those of the second 4i to 4i + 3.

#include <algorithm>

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

}  // namespace lplb
