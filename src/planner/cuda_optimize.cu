#include "lplb/cuda_optimize.h"

#include "optimize/cuda_anneal.h"
#include "planner/layer_search.h"

namespace lplb::cuda {

LayersResult optimize_layers(std::span<const Tokens> windows, int num_layers, const OptimizeArgs& args,
                             std::span<const Placement> current, int total_slots) {
  return optimize_layers_by(anneal, windows, num_layers, args, current, total_slots);
}

}  // namespace lplb::cuda
