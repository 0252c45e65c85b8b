// Introsort: quicksort with the median of three as pivot, heap sort where that recurses too deep, and one insertion
// sort at the end. Source: Musser, Introspective Sorting and Selection Algorithms (1997). It is not stable: pivots, the
// cut-off of 16 and the heap's moves are those of libstdc++'s std::sort, which the reference calls, because they decide
// the order of equal weights and with it EPLB's log2phy. std::sort itself may order them otherwise elsewhere.

#include "eplb/reference_sort.h"

#include <bit>
#include <utility>

namespace lplb::eplb {
namespace {

constexpr std::ptrdiff_t kCutOff = 16;  // shorter ranges are left to the insertion sort

bool before(const WeightedItem& a, const WeightedItem& b) { return a.weight > b.weight; }

/// Fills the hole from below, always with the child that comes last, then lets `value` rise from the leaf it reached.
void sift_down(WeightedItem* heap, std::ptrdiff_t hole, std::ptrdiff_t size, WeightedItem value) {
  const std::ptrdiff_t top = hole;
  while (2 * hole + 2 < size) {
    const std::ptrdiff_t right = 2 * hole + 2;
    const std::ptrdiff_t child = before(heap[right], heap[right - 1]) ? right - 1 : right;
    heap[hole] = heap[child];
    hole = child;
  }
  if (2 * hole + 2 == size) {
    heap[hole] = heap[size - 1];
    hole = size - 1;
  }
  while (hole > top && before(heap[(hole - 1) / 2], value)) {
    heap[hole] = heap[(hole - 1) / 2];
    hole = (hole - 1) / 2;
  }
  heap[hole] = value;
}

void heap_sort(WeightedItem* first, std::ptrdiff_t size) {
  for (std::ptrdiff_t parent = size / 2 - 1; parent >= 0; --parent) {
    sift_down(first, parent, size, first[parent]);
  }
  for (std::ptrdiff_t last = size - 1; last > 0; --last) {
    const WeightedItem value = first[last];
    first[last] = first[0];
    sift_down(first, 0, last, value);
  }
}

/// Swaps the median of a, b and c to `to`.
void move_median(WeightedItem& to, WeightedItem& a, WeightedItem& b, WeightedItem& c) {
  if (before(a, b)) {
    std::swap(to, before(b, c) ? b : before(a, c) ? c : a);
  } else {
    std::swap(to, before(a, c) ? a : before(b, c) ? c : b);
  }
}

/// Splits around the median of three, which ends in *first. Returns where the right part begins.
WeightedItem* partition(WeightedItem* first, WeightedItem* last) {
  move_median(*first, first[1], first[(last - first) / 2], last[-1]);
  const WeightedItem pivot = *first;
  WeightedItem* left = first + 1;
  WeightedItem* right = last;
  while (true) {
    while (before(*left, pivot)) {
      ++left;
    }
    --right;
    while (before(pivot, *right)) {
      --right;
    }
    if (left >= right) {
      return left;
    }
    std::swap(*left++, *right);
  }
}

void partition_deeply(WeightedItem* first, WeightedItem* last, int depth_left) {
  while (last - first > kCutOff) {
    if (depth_left-- == 0) {
      heap_sort(first, last - first);
      return;
    }
    WeightedItem* cut = partition(first, last);
    partition_deeply(cut, last, depth_left);
    last = cut;
  }
}

}  // namespace

void sort_descending(std::span<WeightedItem> items) {
  WeightedItem* const first = items.data();
  WeightedItem* const last = first + items.size();
  partition_deeply(first, last, 2 * (static_cast<int>(std::bit_width(items.size())) - 1));
  for (WeightedItem* next = first; next != last; ++next) {
    const WeightedItem value = *next;
    WeightedItem* hole = next;
    for (; hole != first && before(value, hole[-1]); --hole) {
      *hole = hole[-1];
    }
    *hole = value;
  }
}

}  // namespace lplb::eplb
