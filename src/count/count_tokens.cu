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

/// Of a block: where there is one cluster, a thread for four ids of a slice; of several clusters two blocks are to fit
/// on a multiprocessor, and half as many threads may have 64 registers each.
constexpr int kThreadsOfOne = 1024;
constexpr int kThreadsOfMany = 512;

constexpr int num_threads(const Slices& slices) { return slices.num_clusters() > 1 ? kThreadsOfMany : kThreadsOfOne; }

template <int kThreads>
inline constexpr int kThreadsPerSlice = kThreads / kSlicesInFlight;
template <int kThreads>
inline constexpr int kIdsPerThread = kSliceIds / kThreadsPerSlice<kThreads>;

template <class Id>
struct CountParams {
  RoutingView<Id> routing;
  Slices slices;
  SliceRows rows;
  Tokens* counts;  // [E]
};

/// A thread's ids of one slice.
template <int kThreads, class Id>
struct SliceIds {
  Id id[kIdsPerThread<kThreads>];
};

template <int kThreads, class Id>
__device__ void load_ids(const RoutingView<Id>& routing, std::int32_t first, bool has_slice,
                         SliceIds<kThreads, Id>& ids) {
  for (int i = 0; i < kIdsPerThread<kThreads>; ++i) {
    const std::int32_t position = first + i * kThreadsPerSlice<kThreads>;
    ids.id[i] = has_slice && position < routing.num_ids ? routing.topk_idx[position] : Id{kNone};
  }
}

/// Adds the ids to the slice's histogram; whether one was bad. An addition of 1 whose result nobody reads costs the
/// same for 32 equal experts of a warp as for 32 different ones: the hardware counts equal addresses first.
template <int kThreads, class Id>
__device__ bool add_to_histogram(const RoutingView<Id>& routing, std::int32_t first, const SliceIds<kThreads, Id>& ids,
                                 std::int32_t* histogram) {
  const std::int32_t num_valid = num_valid_ids(routing);
  bool bad = false;
  for (int i = 0; i < kIdsPerThread<kThreads>; ++i) {
    if (first + i * kThreadsPerSlice<kThreads> < num_valid) {
      bad |= is_bad(routing, ids.id[i]);
      if (is_expert(routing, ids.id[i])) {
        atomicAdd(&histogram[ids.id[i]], 1);
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

/// What a block has counted and not yet added up.
struct LastSlices {
  int first;        // the slices whose histograms are in shared memory
  bool has_before;  // there were others before them
};

/// Histograms of the block's slices. Leaves those of the last ones, whose rows are still to be written: before the
/// barrier, they would have to reach L2 first. The sums of all before them are in `before` [E], where there are any.
template <int kThreads, class Id>
__device__ LastSlices count_block(const CountParams<Id>& p, std::int32_t* histograms, std::int32_t* before) {
  const int num_logical = p.routing.num_logical;
  constexpr int kPerSlice = kThreadsPerSlice<kThreads>;
  const int group = static_cast<int>(threadIdx.x) / kPerSlice;
  const int lane = static_cast<int>(threadIdx.x) % kPerSlice;
  std::int32_t* const histogram = histograms + group * num_logical;
  const int first_slice = static_cast<int>(blockIdx.x) * p.slices.slices_per_block;
  const int end_slice = min(first_slice + p.slices.slices_per_block, p.slices.num_slices);
  bool bad = false;
  int slice = first_slice;
  for (;; slice += kSlicesInFlight) {
    const std::int32_t first = (slice + group) * kSliceIds + lane;
    SliceIds<kThreads, Id> ids;
    load_ids(p.routing, first, slice + group < end_slice, ids);
    for (int e = lane; e < num_logical; e += kPerSlice) {
      histogram[e] = 0;
    }
    __syncthreads();
    bad |= slice + group < end_slice && add_to_histogram(p.routing, first, ids, histogram);
    __syncthreads();
    if (slice + kSlicesInFlight >= end_slice) {
      break;
    }
#pragma unroll 1
    for (int e = static_cast<int>(threadIdx.x); e < num_logical; e += kThreads) {
      const std::int32_t tokens = slice == first_slice ? 0 : before[e];
      before[e] = tokens + sum_of_rows(histograms, num_logical, e);
      write_slice_rows(p, histograms, slice, e, tokens);
    }
    __syncthreads();
  }
  if (bad && p.routing.status != nullptr) {
    atomicOr(p.routing.status, kStatusBadId);
  }
  return {.first = slice, .has_before = slice != first_slice};
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

/// The blocks' sums, and from them each block's row and the last slices'. `of_blocks` [kMaxClusterSize, E] has what
/// came before the last slices in this block's place, and takes the sums that the other blocks of the cluster write.
/// Where the cluster is the only one, its sums are the counts.
template <int kThreads, int kClusterSize, class Id>
__device__ void add_cluster(const CountParams<Id>& p, std::int32_t* of_blocks, const std::int32_t* histograms,
                            LastSlices last) {
  constexpr int kWarps = kThreads / 32;
  constexpr bool kIsAlone = kThreads == kThreadsOfOne;
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
      const std::int32_t before = last.has_before ? own[e] : 0;
      store_in_block(own + e, warp % kClusterSize, before + sum_of_rows(histograms, num_logical, e));
    }
  }
  arrive_in_cluster();
  wait_in_cluster();
#pragma unroll 1
  for (int e = static_cast<int>(threadIdx.x); e < num_logical; e += kThreads) {
    const std::int32_t before_last = last.has_before ? own[e] : 0;
    std::int32_t before = 0;
    std::int32_t sum = before_last + sum_of_rows(histograms, num_logical, e);
    for (int block = 0; block < kClusterSize; ++block) {
      const std::int32_t tokens = block == rank ? 0 : of_blocks[block * num_logical + e];
      before += block < rank ? tokens : 0;
      sum += tokens;
    }
    std::uint64_t total = 0;
    if (rank == 0) {
      if constexpr (kIsAlone) {
        p.counts[e] = sum;
      } else {
        total = add_to_total(p, e, sum);
      }
    }
    p.rows.block_row[static_cast<std::int64_t>(blockIdx.x) * num_logical + e] = before;
    write_slice_rows(p, histograms, last.first, e, before_last);
    if (!kIsAlone && total / kCluster == p.slices.num_clusters()) {
      p.counts[e] = static_cast<Tokens>(total);
      p.rows.totals[e] = 0;
    }
  }
}

/// Of several clusters two blocks fit on a multiprocessor, so that 16 clusters of 8 run together wherever the free ones
/// are. Loops over experts mostly run once, and are not unrolled: a kernel this short waits for its instructions, too.
/// A block owns up to slices_per_block slices in turn, four at a time, a quarter of its threads each; a thread four or
/// eight ids of a slice.
/// Shared memory: 48 E bytes. Floor: launch, one round trip to the ids (0.4 us), the atomics (0.3 us), one cluster
/// barrier (0.3 us), and the way of the last stores to L2.
template <int kThreads, int kClusterSize, class Id>
__global__ void __launch_bounds__(kThreads, kThreadsOfOne / kThreads) count_kernel(const CountParams<Id> p) {
  extern __shared__ std::int32_t shared[];
  std::int32_t* const of_blocks = shared;
  std::int32_t* const histograms = of_blocks + kMaxClusterSize * p.routing.num_logical;
  say_started_in_cluster();
  // In this order: what starts next may read the ids without waiting.
  wait_for_previous();
  let_next_start();
  const LastSlices last = count_block<kThreads>(p, histograms, of_blocks + cluster_rank() * p.routing.num_logical);
  add_cluster<kThreads, kClusterSize>(p, of_blocks, histograms, last);
}

template <class Id>
auto kernel_for(const Slices& slices) {
  if (num_threads(slices) == kThreadsOfMany) {
    return slices.cluster_size == 1 ? count_kernel<kThreadsOfMany, 1, Id>
                                    : count_kernel<kThreadsOfMany, kMaxClusterSize, Id>;
  }
  switch (slices.cluster_size) {
    case 1:
      return count_kernel<kThreadsOfOne, 1, Id>;
    case 2:
      return count_kernel<kThreadsOfOne, 2, Id>;
    case 4:
      return count_kernel<kThreadsOfOne, 4, Id>;
    default:
      return count_kernel<kThreadsOfOne, kMaxClusterSize, Id>;
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
  launch("count_tokens", kernel_for<Id>(params.slices),
         {.num_blocks = params.slices.num_blocks,
          .num_threads = num_threads(params.slices),
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
