// The workspace of counting and remapping, as large as any device needs it.

#include "cuda/routing.cuh"

namespace lplb::cuda {

std::size_t routing_workspace_bytes(std::int64_t num_ids, int num_logical) {
  check(num_ids >= 0 && num_ids <= std::numeric_limits<std::int32_t>::max(), "[routing_workspace_bytes] num_ids (",
        num_ids, ") must be in 0..", std::numeric_limits<std::int32_t>::max());
  check(num_logical >= 1 && num_logical <= kMaxCudaLogical, "[routing_workspace_bytes] num_logical (", num_logical,
        ") must be in 1..", kMaxCudaLogical);
  constexpr int kWithoutClusters = 80;
  constexpr int kWithClusters = 90;
  return std::max(slice_rows_bytes(choose_slices(num_ids, kWithoutClusters), num_logical),
                  slice_rows_bytes(choose_slices(num_ids, kWithClusters), num_logical));
}

}  // namespace lplb::cuda
