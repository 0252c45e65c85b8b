// A placement on the device: what it refuses, and that a replacement keeps the shape.

#include "lplb/cuda_placement.h"

#include "support/cuda_test.h"
#include "support/plans.h"

namespace lplb::cuda {
namespace {

using testing::message_of;

class PlacementCuda : public testing::CudaTest {};

TEST_F(PlacementCuda, HasTheShapeOfItsPlacement) {
  const DevicePlacement placement(Placement({0, 1, 1, kNone}, 2, 2));
  EXPECT_EQ(placement.num_logical(), 2);
  EXPECT_EQ(placement.num_physical(), 4);
  EXPECT_EQ(placement.num_ranks(), 2);
}

TEST_F(PlacementCuda, RefusesWhatIsTooLarge) {
  EXPECT_EQ(message_of([] { DevicePlacement(contiguous_placement(1025, 1)); }),
            "[DevicePlacement] num_logical (1025) must be at most 1024");
  EXPECT_EQ(message_of([] { DevicePlacement(Placement(std::vector<std::int32_t>(2049, 0), 1, 1)); }),
            "[DevicePlacement] num_physical (2049) must be at most 2048");
}

TEST_F(PlacementCuda, ReplacementsKeepTheShape) {
  DevicePlacement placement(Placement({0, 1, 1, kNone}, 2, 2));
  placement.replace(Placement({1, 1, 0, 0}, 2, 2), stream());
  const auto error = [&](const Placement& other) { return message_of([&] { placement.replace(other, stream()); }); };
  EXPECT_EQ(error(Placement({0, 0, 0, 0}, 1, 2)), "[DevicePlacement::replace] num_logical (1) must stay 2");
  EXPECT_EQ(error(Placement({0, 1}, 2, 2)), "[DevicePlacement::replace] num_physical (2) must stay 4");
  EXPECT_EQ(error(Placement({0, 1, 1, 0}, 2, 4)), "[DevicePlacement::replace] num_ranks (4) must stay 2");
  EXPECT_EQ(error(Placement({0, 1, 1, 0}, 2, 2, 2)), "[DevicePlacement::replace] num_nodes (2) must stay 1");
  synchronize();
}

}  // namespace
}  // namespace lplb::cuda
