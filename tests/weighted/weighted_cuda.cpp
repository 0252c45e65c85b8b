// The weighted split on the GPU against the CPU, against the exact split, and against itself.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "cuda/device_buffer.cuh"
#include "lplb/cuda_solve.h"
#include "lplb/cuda_weighted.h"
#include "support/cuda_test.h"
#include "support/named_instances.h"
#include "support/repetitions.h"
#include "weighted/random_weighted.h"

namespace lplb::testing {
namespace {

struct DeviceResult {
  WeightedSummary summary;
  std::vector<double> share;
  std::vector<double> rank_time;
  std::vector<Tokens> quota;
};

void expect_same_answer(const WeightedInstance& instance, const WeightedResult& cpu, const DeviceResult& gpu) {
  EXPECT_EQ(check_shares(instance, gpu.share, gpu.rank_time), "");
  EXPECT_EQ(check_quotas(instance, gpu.share, gpu.quota), "");
  ASSERT_EQ(cpu.status, gpu.summary.status);
  if (gpu.summary.status == WeightedStatus::kConverged) {
    EXPECT_LE(gpu.summary.lower_bound, cpu.max_time * (1 + 1e-9));
    EXPECT_LE(cpu.lower_bound, gpu.summary.max_time * (1 + 1e-9));
  }
}

class WeightedCuda : public CudaTest {
 protected:
  DeviceResult solve_on_device(const WeightedInstance& instance, const WeightedModel& model, double tolerance,
                               int num_threads = 0) const {
    const cuda::WeightedDeviceModel device_model(model, tolerance);
    const cuda::DeviceBuffer<Tokens> counts(instance.counts);
    const cuda::DeviceBuffer<double> base(instance.base_time);
    const cuda::DeviceBuffer<double> bound(instance.row_bound);
    const cuda::DeviceBuffer<WeightedSummary> summary(1);
    const cuda::DeviceBuffer<double> share(model.num_physical());
    const cuda::DeviceBuffer<double> rank_time(model.num_ranks());
    const cuda::DeviceBuffer<Tokens> quota(model.num_physical());
    cuda::solve_weighted(device_model, {.counts = counts.data(), .base_time = base.data(), .row_bound = bound.data()},
                         {.summary = const_cast<WeightedSummary*>(summary.data()),
                          .share = const_cast<double*>(share.data()),
                          .rank_time = const_cast<double*>(rank_time.data()),
                          .quota = const_cast<Tokens*>(quota.data())},
                         stream(), {.num_threads = num_threads});
    synchronize();
    return {summary.download()[0], share.download(), rank_time.download(), quota.download()};
  }

  /// Half of them with rows, half with a tight tolerance, with as many threads as is best or with few.
  void check_random(const Repetitions& instances, const RandomLimits& shape, std::uint64_t seed) const {
    Rng rng(seed);
    const int num_instances = how_many(instances);
    for (int i = 0; i < num_instances; ++i) {
      const WeightedInstance instance = random_weighted_instance(rng, {.with_rows = i % 2 == 1, .shape = shape});
      const WeightedModel model = instance.model();
      const double tolerance = i % 4 < 2 ? 1e-4 : 1e-7;
      SCOPED_TRACE(i);
      expect_same_answer(instance, solve_weighted(model, instance.input(), {.tolerance = tolerance}),
                         solve_on_device(instance, model, tolerance, i % 3 * 96));
    }
  }
};

TEST_F(WeightedCuda, RandomInstancesAsOnTheCpu) { check_random({.of = "instances", .full = 400, .few = 20}, {}, 20); }

// Whose rows do not fit in one warp, or whose matrices not in registers: the kernels that small ones do not need.
TEST_F(WeightedCuda, LargeRandomInstancesAsOnTheCpu) {
  check_random({.of = "instances", .full = 40, .few = 9}, {.max_ranks = 96, .max_slots_per_rank = 6}, 181);
}

TEST_F(WeightedCuda, ChecksTheExactSplitOnTheSameDevice) {
  const auto all = static_cast<int>(named_cases().size());
  for (const NamedCase& named : std::span(named_cases()).first(how_many({.of = "cases", .full = all, .few = 3}))) {
    for (const PlacedBatches& placed : place_and_draw(named, 1, 3, 8)) {
      const SplitGraph graph(placed.placement);
      const cuda::SolveGraph device_graph(graph);
      for (const auto& batch : placed.batches) {
        WeightedInstance instance{.placement = placed.placement, .counts = batch};
        instance.time.assign(named.num_ranks, 1);
        instance.base_time.assign(named.num_ranks, 0);
        const DeviceResult weighted = solve_on_device(instance, instance.model(), 1e-4);
        const cuda::DeviceBuffer<Tokens> counts(batch);
        cuda::DeviceBuffer<cuda::PlanSummary> summary(1);
        cuda::DeviceBuffer<std::byte> workspace(cuda::solve_workspace_bytes(device_graph));
        cuda::solve(device_graph, {.counts = counts.data()}, {.summary = summary.data()}, workspace.data(), stream());
        synchronize();
        const cuda::PlanSummary exact = summary.download()[0];
        EXPECT_EQ(weighted.summary.status, WeightedStatus::kConverged) << named.name;
        EXPECT_LE(weighted.summary.lower_bound, exact.max_load) << named.name;
        EXPECT_GT(weighted.summary.max_time, exact.max_load - 1) << named.name;
      }
    }
  }
}

TEST_F(WeightedCuda, ReplaysAndManyProblemsInOneLaunchGiveTheSameBits) {
  const PlacedBatches placed = place_and_draw(named_cases()[5], 1, 1, 9)[0];
  WeightedInstance instance{.placement = placed.placement, .counts = placed.batches[0]};
  instance.time.assign(placed.placement.num_ranks(), 1);
  const WeightedModel model = instance.model();
  const cuda::WeightedDeviceModel device_model(model);
  const int num_problems = how_many({.of = "problems", .full = 200, .few = 20});
  const std::size_t num_physical = model.num_physical();
  std::vector<Tokens> all_counts;
  for (int i = 0; i < num_problems; ++i) {
    all_counts.insert(all_counts.end(), instance.counts.begin(), instance.counts.end());
  }
  const cuda::DeviceBuffer<Tokens> counts(all_counts);
  cuda::DeviceBuffer<WeightedSummary> summary(num_problems);
  cuda::DeviceBuffer<double> share(num_problems * num_physical);
  const CapturedGraph graph(stream(), [&] {
    cuda::solve_weighted(device_model, {.counts = counts.data()}, {.summary = summary.data(), .share = share.data()},
                         stream(), {.num_problems = num_problems});
  });
  std::vector<double> first;
  const int num_replays = how_many({.of = "replays", .full = 10, .few = 2});
  for (int replay = 0; replay < num_replays; ++replay) {
    graph.replay();
    synchronize();
    const std::vector<double> found = share.download();
    first = first.empty() ? found : first;
    ASSERT_EQ(std::memcmp(first.data(), found.data(), found.size() * sizeof(double)), 0);
  }
  for (int i = 1; i < num_problems; ++i) {
    ASSERT_EQ(std::memcmp(first.data(), first.data() + i * num_physical, num_physical * sizeof(double)), 0) << i;
  }
}

}  // namespace
}  // namespace lplb::testing
