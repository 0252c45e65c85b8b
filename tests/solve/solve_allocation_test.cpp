// The promise that a solve allocates nothing once its workspace and plan have seen the shape: operator new counts.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "lplb/solve.h"
#include "support/named_instances.h"

namespace {

std::atomic<std::int64_t> num_allocations{0};

}  // namespace

void* operator new(std::size_t num_bytes, const std::nothrow_t&) noexcept {
  ++num_allocations;
  return std::malloc(num_bytes == 0 ? 1 : num_bytes);
}

void* operator new(std::size_t num_bytes) {
  if (void* memory = operator new(num_bytes, std::nothrow)) {
    return memory;
  }
  throw std::bad_alloc();
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace lplb {
namespace {

TEST(SolveAllocation, CountsAllocations) {
  const std::int64_t before = num_allocations;
  const std::vector<int> some(100);
  EXPECT_GT(num_allocations, before) << some.size();
}

TEST(SolveAllocation, NoneAfterTheFirstSolveOfAShape) {
  for (const testing::NamedCase& named : testing::named_cases()) {
    const testing::PlacedBatches placed = testing::place_and_draw(named, 1, 8, 5).front();
    const SplitGraph graph(placed.placement);
    const std::vector<Tokens> base_load(named.num_ranks, 100);
    SolveWorkspace workspace;
    Plan plan;
    solve(graph, placed.batches[0], base_load, workspace, plan);
    const std::int64_t before = num_allocations;
    for (const std::vector<Tokens>& batch : placed.batches) {
      solve(graph, batch, base_load, workspace, plan);
    }
    EXPECT_EQ(num_allocations, before) << named.name;
  }
}

}  // namespace
}  // namespace lplb
