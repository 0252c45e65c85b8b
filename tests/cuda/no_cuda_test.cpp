// The interface of a build without CUDA: it links, finds no device, and says why nothing runs.

#include <gtest/gtest.h>

#include "lplb/cuda.h"
#include "lplb/cuda_count.h"
#include "lplb/cuda_optimize.h"
#include "lplb/cuda_planner.h"
#include "lplb/cuda_weighted.h"
#include "support/plans.h"

namespace lplb::cuda {
namespace {

using testing::message_of;

constexpr const char* kWhy =
    "] this build of lplb has no CUDA stages; configure with LPLB_CUDA=ON where a CUDA toolkit is";

TEST(NoCuda, FindsNoDevice) {
  EXPECT_FALSE(is_built());
  EXPECT_EQ(device_count(), 0);
}

TEST(NoCuda, SaysWhyNothingRuns) {
  const Placement placement({0, 1}, 2, 2);
  EXPECT_THROW(device_info(0), CudaError);
  EXPECT_EQ(message_of([] { device_info(0); }), std::string("[device_info") + kWhy);
  EXPECT_EQ(message_of([] { count_tokens(Routing<std::int32_t>{}, {}, {}, nullptr); }),
            std::string("[count_tokens") + kWhy);
  EXPECT_EQ(message_of([&] { DevicePlacement{placement}; }), std::string("[DevicePlacement") + kWhy);
  EXPECT_EQ(message_of([&] { SolveGraph{SplitGraph(placement)}; }), std::string("[SolveGraph") + kWhy);
  const std::vector<double> time{1, 1};
  const WeightedModel model(placement, {.time_per_token = time});
  EXPECT_EQ(message_of([&] { WeightedDeviceModel{model}; }), std::string("[WeightedDeviceModel") + kWhy);
  EXPECT_EQ(message_of([] { optimize_layers({}, 1, {}); }), std::string("[optimize_layers") + kWhy);
  EXPECT_EQ(message_of([&] { Planner(placement, {}); }), std::string("[Planner") + kWhy);
}

}  // namespace
}  // namespace lplb::cuda
