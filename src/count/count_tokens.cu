// Counting in one kernel: each block makes histograms of its slices in shared memory and writes its sums into the
// shared memory of its cluster's blocks, so that one barrier later each knows what comes before it. Where there are
// several clusters, their sums are added up by atomics, and whichever comes last for an expert writes its count; sums
// of integers do not depend on their order.

#include "lplb/cuda_count.h"

#include "cuda/cluster.cuh"
#include "cuda/launch.cuh"
#include "cuda/routing.cuh"
#include "cuda/slices.h"

namespace lplb::cuda {
namespace {

constexpr int kThreads = 1024;
constexpr int kThreadsPerSlice = kThreads / kSlicesInFlight;
constexpr int kIdsPerThread = kSliceIds / kThreadsPerSlice;

template <class Id>
struct CountParams {
  RoutingView<Id> routing;
  Slices slices;
  SliceRows rows;
  Tokens* counts;  // [E]
};

/// A thread's ids of one slice.
template <class Id>
struct SliceIds {
  Id id[kIdsPerThread];
};

template <class Id>
__device__ void load_ids(const RoutingView<Id>& routing, std::int32_t first, bool has_slice, SliceIds<Id>& ids) {
  for (int i = 0; i < kIdsPerThread; ++i) {
    const std::int32_t position = first + i * kThreadsPerSlice;
    ids.id[i] = has_slice && position < routing.num_ids ? routing.topk_idx[position] : Id{kNone};
  }
}

/// Adds the ids to the slice's histogram; whether one was bad. An addition of 1 whose result nobody reads costs the
/// same for 32 equal experts of a warp as for 32 different ones: the hardware counts equal addresses first.
template <class Id>
__device__ bool add_to_histogram(const RoutingView<Id>& routing, std::int32_t first, const SliceIds<Id>& ids,
                                 std::int32_t* histogram) {
  const std::int32_t num_valid = num_valid_ids(routing);
  bool bad = false;
  for (int i = 0; i < kIdsPerThread; ++i) {
    if (first + i * kThreadsPerSlice < num_valid) {
      const std::int32_t expert = expert_of(routing, ids.id[i]);
      bad |= is_bad(routing, ids.id[i]);
      if (expert != kNone) {
        atomicAdd(&histogram[expert], 1);
      }
    }
  }
  return bad;
}

/// The expert's tokens in the slices whose histograms are in shared memory.
__device__ std::int32_t sum_of_rows(const std::int32_t* histograms, int num_logical, int e) {
  std::int32_t sum = 0;
  for (int i = 0; i < kSlicesInFlight; ++i) {
    sum += histograms[i * num_logical + e];
  }
  return sum;
}

/// Rows of the slices from `slice` on whose histograms are in shared memory; `before` tokens of the expert come first.
template <class Id>
__device__ void write_slice_rows(const CountParams<Id>& p, const std::int32_t* histograms, int slice, int e,
                                 std::int32_t before) {
  const int num_logical = p.routing.num_logical;
  const int num_rows = min(kSlicesInFlight, p.slices.num_slices - slice);
  for (int i = 0; i < kSlicesInFlight; ++i) {
    if (i < num_rows) {
      p.rows.slice_row[static_cast<std::int64_t>(slice + i) * num_logical + e] = before;
    }
    before += histograms[i * num_logical + e];
  }
}

/// Histograms of the block's slices; leaves the block's sums in `total` [E], and the last slices' histograms, whose
/// rows are still to be written: before the barrier, they would have to reach L2 first. Returns the first of those
/// slices.
template <class Id>
__device__ int count_block(const CountParams<Id>& p, std::int32_t* histograms, std::int32_t* total) {
  const int num_logical = p.routing.num_logical;
  const int group = static_cast<int>(threadIdx.x) / kThreadsPerSlice;
  const int lane = static_cast<int>(threadIdx.x) % kThreadsPerSlice;
  std::int32_t* const histogram = histograms + group * num_logical;
  const int first_slice = static_cast<int>(blockIdx.x) * p.slices.slices_per_block;
  const int end_slice = min(first_slice + p.slices.slices_per_block, p.slices.num_slices);
  bool bad = false;
  int slice = first_slice;
  for (;; slice += kSlicesInFlight) {
    const std::int32_t first = (slice + group) * kSliceIds + lane;
    SliceIds<Id> ids;
    load_ids(p.routing, first, slice + group < end_slice, ids);
    for (int e = lane; e < num_logical; e += kThreadsPerSlice) {
      histogram[e] = 0;
    }
    __syncthreads();
    bad |= slice + group < end_slice && add_to_histogram(p.routing, first, ids, histogram);
    __syncthreads();
    const bool is_last = slice + kSlicesInFlight >= end_slice;
#pragma unroll 1
    for (int e = static_cast<int>(threadIdx.x); e < num_logical; e += kThreads) {
      const std::int32_t before = slice == first_slice ? 0 : total[e];
      total[e] = before + sum_of_rows(histograms, num_logical, e);
      if (!is_last) {
        write_slice_rows(p, histograms, slice, e, before);
      }
    }
    __syncthreads();
    if (is_last) {
      break;
    }
  }
  if (bad && p.routing.status != nullptr) {
    atomicOr(p.routing.status, kStatusBadId);
  }
  return slice;
}

/// What a cluster adds to a total beside its tokens.
constexpr std::uint64_t kCluster = std::uint64_t{1} << 32;

/// Adds the cluster's tokens of an expert to those of the clusters that came before it, whichever these are, and
/// returns the new total: the last to come has them all, and nobody had to zero the counts.
template <class Id>
__device__ std::uint64_t add_to_total(const CountParams<Id>& p, int e, std::int32_t tokens) {
  const auto cluster = static_cast<std::int64_t>(blockIdx.x) / p.slices.cluster_size;
  p.rows.cluster_sum[cluster * p.routing.num_logical + e] = tokens;
  const std::uint64_t added = kCluster + static_cast<std::uint32_t>(tokens);
  return added + atomicAdd(reinterpret_cast<unsigned long long*>(p.rows.totals + e), added);
}

/// From the blocks' sums to each block's row and the last slices'. `of_blocks` [kMaxClusterSize, E] has this block's
/// sums in its place and takes those that the other blocks of the cluster write.
template <int kClusterSize, class Id>
__device__ void add_cluster(const CountParams<Id>& p, std::int32_t* of_blocks, const std::int32_t* histograms,
                            int last_slice) {
  constexpr int kWarps = kThreads / 32;
  const int num_logical = p.routing.num_logical;
  const int rank = cluster_rank();
  const int warp = static_cast<int>(threadIdx.x) / 32;
  std::int32_t* const own = of_blocks + rank * num_logical;
  // Their shared memory is there once they have all started.
  wait_in_cluster();
#pragma unroll 1
  for (int e = warp / kClusterSize * 32 + static_cast<int>(threadIdx.x) % 32; e < num_logical;
       e += kWarps / kClusterSize * 32) {
    if (warp % kClusterSize != rank) {
      store_in_block(own + e, warp % kClusterSize, own[e]);
    }
  }
  arrive_in_cluster();
  wait_in_cluster();
  const bool is_alone = p.slices.num_clusters() == 1;
#pragma unroll 1
  for (int e = static_cast<int>(threadIdx.x); e < num_logical; e += kThreads) {
    std::int32_t before = 0;
    std::int32_t sum = 0;
    for (int block = 0; block < kClusterSize; ++block) {
      const std::int32_t tokens = of_blocks[block * num_logical + e];
      before += block < rank ? tokens : 0;
      sum += tokens;
    }
    if (rank == 0 && is_alone) {
      p.counts[e] = sum;
    }
    const std::uint64_t total = rank == 0 && !is_alone ? add_to_total(p, e, sum) : 0;
    p.rows.block_row[static_cast<std::int64_t>(blockIdx.x) * num_logical + e] = before;
    write_slice_rows(p, histograms, last_slice, e, own[e] - sum_of_rows(histograms, num_logical, e));
    if (total / kCluster == p.slices.num_clusters()) {
      p.counts[e] = static_cast<Tokens>(total);
      p.rows.totals[e] = 0;
    }
  }
}

/// Two blocks fit on a multiprocessor, so that 16 clusters of 8 run together wherever the free ones are. Loops over
/// experts mostly run once, and are not unrolled: a kernel this short waits for its instructions, too.
/// A block owns up to slices_per_block slices in turn, four at a time, 256 threads each; a thread four ids of a slice.
/// Shared memory: 48 E bytes. Floor: launch, one round trip to the ids (0.4 us), the atomics (0.3 us), one cluster
/// barrier (0.3 us), and the way of the last stores to L2.
template <int kClusterSize, class Id>
__global__ void __launch_bounds__(kThreads, 2) count_kernel(const CountParams<Id> p) {
  extern __shared__ std::int32_t shared[];
  std::int32_t* const of_blocks = shared;
  std::int32_t* const histograms = of_blocks + kMaxClusterSize * p.routing.num_logical;
  say_started_in_cluster();
  // In this order: what starts next may read the ids without waiting.
  wait_for_previous();
  let_next_start();
  const int last_slice = count_block(p, histograms, of_blocks + cluster_rank() * p.routing.num_logical);
  add_cluster<kClusterSize>(p, of_blocks, histograms, last_slice);
}

template <class Id>
auto kernel_for(int cluster_size) {
  switch (cluster_size) {
    case 1:
      return count_kernel<1, Id>;
    case 2:
      return count_kernel<2, Id>;
    case 4:
      return count_kernel<4, Id>;
    default:
      return count_kernel<kMaxClusterSize, Id>;
  }
}

template <class Id>
void launch_count(const Routing<Id>& routing, std::span<Tokens> counts, std::span<std::byte> workspace, Stream stream) {
  const int num_logical = static_cast<int>(counts.size());
  CountParams<Id> params{.routing = view_routing("count_tokens", routing, num_logical),
                         .slices = choose_slices(routing.topk_idx.size(), current_compute_capability()),
                         .rows = {},
                         .counts = counts.data()};
  check_workspace("count_tokens", workspace, params.slices, num_logical);
  params.rows = slice_rows(workspace.data(), params.slices, num_logical);
  launch("count_tokens", kernel_for<Id>(params.slices.cluster_size),
         {.num_blocks = params.slices.num_blocks,
          .num_threads = kThreads,
          .shared_bytes = (kSlicesInFlight + kMaxClusterSize) * sizeof(std::int32_t) * num_logical,
          .cluster_size = params.slices.cluster_size,
          .overlaps_previous = true},
         stream, params);
}

}  // namespace

void count_tokens(const Routing<std::int32_t>& routing, std::span<Tokens> counts, std::span<std::byte> workspace,
                  Stream stream) {
  launch_count(routing, counts, workspace, stream);
}

void count_tokens(const Routing<std::int64_t>& routing, std::span<Tokens> counts, std::span<std::byte> workspace,
                  Stream stream) {
  launch_count(routing, counts, workspace, stream);
}

}  // namespace lplb::cuda
