// The solver as a block of many threads, on the host: every thread a fiber, so that a missing barrier or a thread that
// owns too little shows without a GPU.

#include <gtest/gtest.h>

#include "support/emulated_simt.h"
#include "weighted/random_weighted.h"
#include "weighted/solve_problem.h"

namespace lplb::weighted {
namespace {

using lplb::testing::EmulatedBlock;

/// Values that the threads bring together, and float as the GPU has it.
template <int kChunk_, bool kPlain_>
class FiberBlock {
 public:
  static constexpr int kChunk = kChunk_;
  static constexpr bool kPlain = kPlain_;
  using Real = float;

  FiberBlock(std::vector<Extremes<double>>& values, int chunk_bits) : values_(values), chunk_bits_(chunk_bits) {}

  static int thread() { return EmulatedBlock::active().thread(); }
  static int num_threads() { return EmulatedBlock::active().num_threads(); }
  int chunk_bits() const { return chunk_bits_; }
  static void sync() { EmulatedBlock::active().meet_block(); }

  Extremes<float> combine(const Extremes<float>& mine) {
    const Extremes<double> all = bring({mine.max0, mine.max1, mine.sum0, mine.sum1});
    return {static_cast<float>(all.max0), static_cast<float>(all.max1), static_cast<float>(all.sum0),
            static_cast<float>(all.sum1)};
  }
  double sum(double value) { return bring({.sum0 = value}).sum0; }
  int sum(int value) { return static_cast<int>(sum(static_cast<double>(value))); }
  template <int kCount>
  void sum(double (&values)[kCount]) {
    for (double& value : values) {
      value = sum(value);
    }
  }
  double max(double value) { return bring({.max0 = value}).max0; }
  template <class T>
  static T inverse(T x) {
    return 1 / x;
  }
  static int exponent(std::uint32_t bits) { return SerialBlock::exponent(bits); }

 private:
  Extremes<double> bring(const Extremes<double>& mine) {
    values_[thread()] = mine;
    sync();
    Extremes<double> all = values_[0];
    for (int i = 1; i < num_threads(); ++i) {
      all = {std::max(all.max0, values_[i].max0), std::max(all.max1, values_[i].max1), all.sum0 + values_[i].sum0,
             all.sum1 + values_[i].sum1};
    }
    sync();
    return all;
  }

  std::vector<Extremes<double>>& values_;
  int chunk_bits_;
};

/// `chunk_bits`: of the threads that share a row.
template <int kChunk, bool kPlain = false>
void expect_as_one_thread(int num_threads, int chunk_bits, double tolerance) {
  constexpr int kInstances = 60;
  int num_solved = 0;
  Rng rng(41);
  EmulatedBlock fibers(num_threads);
  for (int i = 0; i < kInstances; ++i) {
    SCOPED_TRACE(i);
    const lplb::testing::WeightedInstance instance =
        lplb::testing::random_weighted_instance(rng, {.with_rows = !kPlain && i % 2 == 1});
    const WeightedModel model = instance.model();
    const Image& image = tolerance < kCarefulTolerance ? model.impl().one_block : model.impl().by_component;
    const int max_rows = num_threads >> chunk_bits;
    if (kChunk != 0 && (image.header.num_steps > kChunk << chunk_bits || image.header.num_rows > max_rows)) {
      continue;
    }
    ++num_solved;
    const int pivot_doubles = kChunk != 0 ? image.header.num_blocks * (kChunk << chunk_bits)
                                          : image.header.num_rows + image.header.num_rows % 2;
    const MemoryLayout layout = lay_out_memory(image.header, num_threads, pivot_doubles);
    std::vector<double> doubles(layout.num_doubles, std::nan(""));
    std::vector<Extremes<double>> values(num_threads);
    std::vector<double> share(model.num_physical());
    std::vector<double> rank_time(model.num_ranks());
    std::vector<Tokens> quota(model.num_physical());
    WeightedSummary summary;
    const ImageView view{.header = image.header, .words = image.words.data()};
    const Batch batch{.counts = instance.counts.data(),
                      .base_time = instance.base_time.empty() ? nullptr : instance.base_time.data(),
                      .row_bound = instance.row_bound.data(),
                      .tolerance = tolerance,
                      .max_iterations = 60};
    const Memory memory{.at = layout, .doubles = doubles.data()};
    fibers.run([&] {
      FiberBlock<kChunk, kPlain> block(values, chunk_bits);
      LoneTeam team(block);
      solve_problem(team, view, batch, memory,
                    {.share = share.data(), .rank_time = rank_time.data(), .quota = quota.data(), .summary = &summary});
    });
    const WeightedResult expected = solve_weighted(model, instance.input(), {.tolerance = tolerance});
    EXPECT_EQ(summary.status, expected.status);
    EXPECT_EQ(lplb::testing::check_shares(instance, share, rank_time), "");
    EXPECT_EQ(lplb::testing::check_quotas(instance, share, quota), "");
    if (summary.status == WeightedStatus::kConverged) {
      EXPECT_LE(summary.lower_bound, expected.max_time);
      EXPECT_LE(expected.lower_bound, summary.max_time);
    }
  }
  EXPECT_GT(num_solved, kInstances / 3);
}

TEST(WeightedBlock, OneWarp) { expect_as_one_thread<16>(32, 0, 1e-4); }
TEST(WeightedBlock, OneWarpWithoutRows) { expect_as_one_thread<16, true>(32, 0, 1e-4); }
TEST(WeightedBlock, OneWarpOfShortRows) { expect_as_one_thread<8, true>(32, 0, 1e-4); }
TEST(WeightedBlock, FourThreadsShareARow) { expect_as_one_thread<8>(128, 2, 1e-4); }
TEST(WeightedBlock, ATightTolerance) { expect_as_one_thread<16>(64, 1, 1e-7); }
TEST(WeightedBlock, MatrixInMemory) { expect_as_one_thread<0>(64, 0, 1e-4); }

}  // namespace
}  // namespace lplb::weighted
