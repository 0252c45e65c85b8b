// The machine's devices, the runtime's errors as exceptions, and memory that goes where it should.

#include "support/cuda_test.h"
#include "support/plans.h"

namespace lplb::cuda {
namespace {

using testing::message_of;

class DeviceCuda : public testing::CudaTest {};

TEST_F(DeviceCuda, SaysWhatItIs) {
  const DeviceInfo info = device_info(0);
  EXPECT_FALSE(info.name.empty());
  EXPECT_GE(info.compute_capability, 80);
  EXPECT_GT(info.num_multiprocessors, 0);
  EXPECT_GE(info.max_shared_bytes, 48 * 1024);
}

TEST_F(DeviceCuda, RefusesADeviceThatIsNotThere) {
  EXPECT_EQ(message_of([] { device_info(-1); }).rfind("[device_info] device (-1) must be one of the ", 0), 0U);
  EXPECT_EQ(message_of([] { device_info(1000); }).rfind("[device_info] device (1000) must be one of the ", 0), 0U);
}

TEST_F(DeviceCuda, NamesTheFailedCall) {
  EXPECT_EQ(message_of([] { check_cuda(cudaErrorInvalidValue, "solve"); }),
            "[solve] cudaErrorInvalidValue: invalid argument");
}

TEST_F(DeviceCuda, BuffersStartAsZerosAndKeepWhatTheyGet) {
  DeviceBuffer<int> buffer(3);
  EXPECT_EQ(buffer.download(), (std::vector<int>{0, 0, 0}));
  buffer.upload(std::vector<int>{4, 5});
  EXPECT_EQ(buffer.download(), (std::vector<int>{4, 5, 0}));
  EXPECT_EQ(DeviceBuffer<int>().download(), std::vector<int>{});
}

}  // namespace
}  // namespace lplb::cuda
