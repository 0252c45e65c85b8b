#include "lplb/cuda_optimize.h"

#include <cuda_runtime.h>

#include "base/check.h"
#include "cuda/error.cuh"
#include "lplb/cuda.h"
#include "optimize/cuda_anneal.h"
#include "planner/layer_search.h"

namespace lplb::cuda {
namespace {

/// Makes a device the current one of this thread, for a while.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device) {
    check_cuda(cudaGetDevice(&before_), "cuda::optimize_layers");
    if (device >= device_count()) {
      throw CudaError(concat("[cuda::optimize_layers] device (", device, ") must be one of the ", device_count(),
                             " devices from 0 on"));
    }
    if (device >= 0) {
      check_cuda(cudaSetDevice(device), "cuda::optimize_layers");
    }
  }
  ~CurrentDevice() { cudaSetDevice(before_); }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int before_ = 0;
};

}  // namespace

LayersResult optimize_layers(std::span<const Tokens> windows, int num_layers, const OptimizeArgs& args,
                             std::span<const Placement> current, int total_slots, int device) {
  const CurrentDevice scope(device);
  return optimize_layers_by(anneal, windows, num_layers, args, current, total_slots);
}

}  // namespace lplb::cuda
