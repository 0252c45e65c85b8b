// parallel_for: each item once, on threads within range, exceptions handed on.

#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace lplb {
namespace {

TEST(ResolveNumThreads, ZeroAndLessMeanOnePerCore) {
  EXPECT_EQ(resolve_num_threads(3), 3);
  EXPECT_GE(resolve_num_threads(0), 1);
  EXPECT_EQ(resolve_num_threads(-5), resolve_num_threads(0));
}

TEST(ParallelFor, CallsEachItemOnce) {
  for (const int num_threads : {0, 1, 2, 5, 200}) {
    std::vector<std::atomic<int>> calls(100);
    std::atomic<bool> in_range{true};
    parallel_for(100, num_threads, [&](int item, int thread_idx) {
      ++calls[item];
      if (thread_idx < 0 || thread_idx >= resolve_num_threads(num_threads)) {
        in_range = false;
      }
    });
    EXPECT_TRUE(in_range);
    for (const auto& count : calls) {
      EXPECT_EQ(count, 1) << num_threads << " threads";
    }
  }
}

TEST(ParallelFor, NothingToDo) {
  parallel_for(0, 4, [](int, int) { FAIL(); });
}

TEST(ParallelFor, AThreadIndexIsUsedByOneThreadAtATime) {
  std::vector<int> sums(4);  // not atomic: a data race here is what thread sanitizer would report
  parallel_for(1000, 4, [&](int item, int thread_idx) { sums[thread_idx] += item; });
  EXPECT_EQ(sums[0] + sums[1] + sums[2] + sums[3], 999 * 1000 / 2);
}

TEST(ParallelFor, HandsOnAnException) {
  for (const int num_threads : {1, 4}) {
    std::atomic<int> num_calls{0};
    try {
      parallel_for(100000, num_threads, [&](int item, int) {
        ++num_calls;
        if (item == 10) {
          throw std::runtime_error("item 10");
        }
      });
      FAIL() << "the exception was lost";
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), std::string("item 10"));
    }
    EXPECT_LT(num_calls, 100000) << "the rest was not abandoned";
  }
}

}  // namespace
}  // namespace lplb
