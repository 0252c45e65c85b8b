// Counting on the GPU gives the CPU's counts: every style of batch, sizes on both sides of every boundary, padding, bad
// ids, repeated and captured.

#include "lplb/cuda_count.h"

#include "lplb/count.h"
#include "support/cuda_test.h"
#include "support/plans.h"
#include "support/random_batch.h"
#include "support/repetitions.h"

namespace lplb::cuda {
namespace {

using testing::BatchStyle;
using testing::message_of;
using testing::random_topk;
using testing::widened;

class CountCuda : public testing::CudaTest {
 protected:
  template <class Id>
  std::vector<Tokens> count(const std::vector<Id>& ids, int num_logical, int top_k = 1,
                            const std::int32_t* num_valid = nullptr, std::int32_t* status = nullptr) {
    const DeviceBuffer<Id> device_ids(ids);
    DeviceBuffer<Tokens> counts(std::vector<Tokens>(num_logical, -7));
    DeviceBuffer<std::byte> workspace(routing_workspace_bytes(ids.size(), num_logical));
    count_tokens({.topk_idx = device_ids.span(), .top_k = top_k, .num_valid_tokens = num_valid, .status = status},
                 counts.span(), workspace.span(), stream());
    synchronize();
    return counts.download();
  }
};

template <class Id>
std::vector<Tokens> count_on_cpu(std::span<const Id> ids, int num_logical) {
  std::vector<Tokens> counts(num_logical);
  lplb::count_tokens(ids, counts);
  return counts;
}

TEST_F(CountCuda, EqualsTheCpu) {
  Rng rng = testing::seeded(401, 0);
  constexpr int kNumLogical[] = {257, 1, 2, 31, 128, 256, 1000, 1024};
  const int num_shapes = testing::how_many({.of = "numbers of experts", .full = 8, .few = 1});
  for (const int num_logical : std::span(kNumLogical).first(num_shapes)) {
    for (const std::size_t num_ids : {0, 1, 1023, 1024, 1025, 4097, 12000, 32768, 33000, 131072, 600001}) {
      for (const BatchStyle style : testing::repeated_styles()) {
        const std::vector<std::int32_t> ids = random_topk(rng, num_ids, num_logical, style);
        const std::vector<Tokens> expected = count_on_cpu<std::int32_t>(ids, num_logical);
        ASSERT_EQ(count(ids, num_logical), expected) << num_logical << " experts, " << num_ids << " ids";
        ASSERT_EQ(count(widened(ids), num_logical), expected) << num_logical << " experts, " << num_ids << " ids";
      }
    }
  }
}

TEST_F(CountCuda, APaddedBatchCountsItsValidTokens) {
  Rng rng = testing::seeded(402, 0);
  constexpr int kTopK = 8;
  constexpr int kTokens = 5000;
  const std::vector<std::int32_t> ids = random_topk(rng, kTokens * kTopK, 64, BatchStyle::kUniform);
  for (const int valid : {0, 1, 129, 4999, 5000}) {
    const DeviceBuffer<std::int32_t> num_valid(std::vector<std::int32_t>{valid});
    EXPECT_EQ(count(ids, 64, kTopK, num_valid.data()),
              count_on_cpu(std::span<const std::int32_t>(ids).first(valid * kTopK), 64));
  }
  for (const int wrong : {-3, 5001, 2147483647}) {
    const DeviceBuffer<std::int32_t> num_valid(std::vector<std::int32_t>{wrong});
    EXPECT_EQ(count(ids, 64, kTopK, num_valid.data()),
              count_on_cpu(std::span<const std::int32_t>(ids).first(wrong < 0 ? 0 : ids.size()), 64));
  }
}

TEST_F(CountCuda, BadIdsAreSkippedAndReported) {
  const std::vector<std::int64_t> ids = {0, 3, 4, -1, -2, (std::int64_t{1} << 32) + 1, 3, INT64_MIN, INT64_MAX};
  DeviceBuffer<std::int32_t> status(1);
  EXPECT_EQ(count(ids, 4, 1, nullptr, status.data()), (std::vector<Tokens>{1, 0, 0, 2}));
  EXPECT_EQ(status.download()[0], kStatusBadId);
  EXPECT_EQ(count(ids, 4), (std::vector<Tokens>{1, 0, 0, 2}));

  DeviceBuffer<std::int32_t> clean(1);
  EXPECT_EQ(count(std::vector<std::int32_t>{3, -1, 0}, 4, 1, nullptr, clean.data()), (std::vector<Tokens>{1, 0, 0, 1}));
  EXPECT_EQ(clean.download()[0], 0);
}

TEST_F(CountCuda, TenRunsAndTenReplaysAreIdentical) {
  Rng rng = testing::seeded(403, 0);
  const std::vector<std::int32_t> ids = random_topk(rng, 200'000, 256, BatchStyle::kSkewed);
  const DeviceBuffer<std::int32_t> device_ids(ids);
  DeviceBuffer<Tokens> counts(256);
  DeviceBuffer<std::byte> workspace(routing_workspace_bytes(ids.size(), 256));
  const auto run = [&] {
    count_tokens({.topk_idx = device_ids.span(), .top_k = 1}, counts.span(), workspace.span(), stream());
  };
  run();
  synchronize();
  const std::vector<std::byte> first = workspace.download();
  const testing::CapturedGraph graph(stream(), run);
  const int num_runs = testing::how_many({.of = "runs", .full = 10, .few = 1});
  for (int i = 0; i < num_runs; ++i) {
    run();
    graph.replay();
    synchronize();
    ASSERT_EQ(counts.download(), count_on_cpu<std::int32_t>(ids, 256));
    ASSERT_EQ(workspace.download(), first);
  }
}

TEST_F(CountCuda, ErrorsNameTheArgument) {
  const DeviceBuffer<std::int32_t> ids(9);
  DeviceBuffer<Tokens> counts(1025);
  DeviceBuffer<std::byte> workspace(routing_workspace_bytes(9, 1024));
  const auto error = [&](int top_k, std::size_t num_logical, std::size_t workspace_bytes) {
    return message_of([&] {
      count_tokens({.topk_idx = ids.span(), .top_k = top_k}, counts.span().first(num_logical),
                   workspace.span().first(workspace_bytes), stream());
    });
  };
  EXPECT_EQ(error(3, 1024, workspace.size()), "no error");
  EXPECT_EQ(error(2, 1024, workspace.size()),
            "[count_tokens] topk_idx has 9 entries; that must be a multiple of top_k (2)");
  EXPECT_EQ(error(3, 1025, workspace.size()), "[count_tokens] the number of experts (1025) must be in 1..1024");
  EXPECT_EQ(error(3, 1024, 100),
            "[count_tokens] workspace has 100 bytes; it must have 20480 (routing_workspace_bytes)");
  EXPECT_EQ(message_of([] { routing_workspace_bytes(-1, 8); }),
            "[routing_workspace_bytes] num_ids (-1) must be in 0..2147483647");
  EXPECT_EQ(message_of([] { routing_workspace_bytes(1, 0); }),
            "[routing_workspace_bytes] num_logical (0) must be in 1..1024");
}

}  // namespace
}  // namespace lplb::cuda
