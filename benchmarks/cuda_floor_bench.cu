// What the card asks for, whatever a kernel does: a node of a CUDA graph by its shape, the fewest dependent steps of a
// split, one warp, nothing proved and nothing handed out but one word, and those of counting many ids and of remap. The
// floors that docs/cuda.md names. A sample is one replay of a graph that holds the kernel 100 times, divided by 100.
// Writes JSON to the given file.
//
//   bench_cuda_floor benchmarks/results/cuda_floor.json

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "cuda/cluster.cuh"
#include "cuda/device_buffer.cuh"
#include "cuda/launch.cuh"
#include "cuda/warp.cuh"
#include "cuda_bench.cuh"
#include "solve/simt.h"

namespace lplb::cuda {
namespace {

constexpr int kExperts = 256;
constexpr int kFixed = 8;  // experts that a lane adds up
constexpr int kColors = 4;
constexpr int kRemapThreads = 768;

/// As many bytes of parameters as a solver has.
struct Parameters {
  const int* in;
  int* out;
  int flag;
  int more[60];
};

__global__ void empty_kernel() { wait_for_previous(); }

__global__ void parameters_kernel(const __grid_constant__ Parameters p) {
  wait_for_previous();
  if (p.flag != 0) {
    *p.out = p.more[p.flag];
  }
}

/// The last thread stores a word, which the end of the kernel waits for.
__global__ void store_kernel(const __grid_constant__ Parameters p) {
  wait_for_previous();
  if (threadIdx.x == blockDim.x - 1) {
    *p.out = 1;
  }
}

/// Many registers, which a flag that is never set would fill.
__global__ void __launch_bounds__(384, 1) registers_kernel(const __grid_constant__ Parameters p) {
  wait_for_previous();
  if (p.flag != 0) {
    int values[128];
    for (int i = 0; i < 128; ++i) {
      values[i] = p.in[i * p.flag];
    }
    __syncthreads();
    for (int i = 0; i < 128; ++i) {
      p.out[i * p.flag] = values[127 - i];
    }
  }
  if (threadIdx.x == blockDim.x - 1) {
    *p.out = 1;
  }
}

/// One trip to the L2 cache, and a store that needs what it brings.
__global__ void trip_kernel(const __grid_constant__ Parameters p) {
  wait_for_previous();
  p.out[threadIdx.x] = p.in[threadIdx.x];
}

/// The same, and it lets the next kernel start at once.
__global__ void leading_kernel(const __grid_constant__ Parameters p) {
  let_next_start();
  p.out[blockIdx.x * blockDim.x + threadIdx.x] = p.in[threadIdx.x];
}

/// One trip, one barrier of the block around shared memory, and the store.
__global__ void barrier_kernel(const __grid_constant__ Parameters p) {
  __shared__ int shared[1024];
  wait_for_previous();
  shared[threadIdx.x] = p.in[threadIdx.x];
  __syncthreads();
  p.out[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}

/// The chain of a split over pairs: counts and what the lane needs of the placement in one trip, sums of what cannot
/// move, the bound, sweeps of four colors each, the digest. Everything else could run beside it.
__global__ void split_kernel(const __grid_constant__ Parameters p, int num_sweeps) {
  __shared__ int4 counts[kExperts / 4];
  wait_for_previous();
  const int lane = static_cast<int>(threadIdx.x);
  const int4* const in = reinterpret_cast<const int4*>(p.in);
  const int4 first = in[lane];
  const int4 second = in[lane + 32];
  const int4 words[4] = {in[64 + lane], in[96 + lane], in[128 + lane], in[160 + lane]};
  counts[lane] = first;
  counts[lane + 32] = second;
  __syncwarp();
  const int index[16] = {words[0].x, words[0].y, words[0].z, words[0].w, words[1].x, words[1].y,
                         words[1].z, words[1].w, words[2].x, words[2].y, words[2].z, words[2].w,
                         words[3].x, words[3].y, words[3].z, words[3].w};
  const int* const tokens = reinterpret_cast<const int*>(counts);
  int load = 0;
  for (int i = 0; i < kFixed; ++i) {
    load += tokens[index[i]];
  }
  load += __shfl_sync(kAllLanes, load, lane ^ 16);
  load += __shfl_sync(kAllLanes, load, lane ^ 8);
  int amount[kColors];
  int others[kColors];
  for (int color = 0; color < kColors; ++color) {
    const int total = tokens[index[kFixed + color]];
    amount[color] = total / 2;
    others[color] = total - total / 2;
    load += amount[color];
  }
  const auto total = static_cast<unsigned>(__reduce_add_sync(kAllLanes, load));
  const int target = of_all(static_cast<int>(__umulhi(total, static_cast<unsigned>(index[12]))));
  int sweeps = 0;
#pragma unroll 1
  while (sweeps < num_sweeps && __reduce_max_sync(kAllLanes, load) > target) {
#pragma unroll
    for (int color = 0; color < kColors; ++color) {
      const int other = __shfl_sync(kAllLanes, load, lane ^ (1 << color));
      const int move = std::max(std::min(wished_move(load - other, ~0), amount[color]), -others[color]);
      amount[color] -= move;
      others[color] += move;
      load -= move;
    }
    ++sweeps;
  }
  std::uint64_t digest = 0;
  for (int color = 0; color < kColors; ++color) {
    digest += static_cast<std::uint64_t>(index[color]) * 0x9e3779b97f4a7c15ULL * static_cast<unsigned>(amount[color]);
  }
  constexpr unsigned kMask = (1U << 22) - 1;
  const unsigned low = __reduce_add_sync(kAllLanes, static_cast<unsigned>(digest) & kMask);
  const unsigned middle = __reduce_add_sync(kAllLanes, static_cast<unsigned>(digest >> 22) & kMask);
  const unsigned high = __reduce_add_sync(kAllLanes, static_cast<unsigned>(digest >> 44));
  if (lane == 0) {
    *reinterpret_cast<std::uint64_t*>(p.out) =
        mix64(low + (static_cast<std::uint64_t>(middle) << 22) + (static_cast<std::uint64_t>(high) << 44)) + sweeps;
  }
}

/// What counting many ids does not do without, up to a stage. Of 64-bit ids all but the first stage load the lower
/// half.
enum class CountStage { kRead, kHistogram, kCluster, kAtomic };

constexpr int kSlices = 4;  // of a block, with a histogram each
constexpr int kSliceIds = 1024;

/// What follows the reading: `id` are the thread's, all of one slice.
template <CountStage kStage, int kThreads, int kIds, class Id>
__device__ void count_ids(const Id (&id)[kIds], int slice, int* out) {
  __shared__ int histogram[kSlices * kExperts];
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = 0; i < kSlices * kExperts / kThreads; ++i) {
    histogram[i * kThreads + thread] = 0;
  }
  __syncthreads();
  for (int i = 0; i < kIds; ++i) {
    atomicAdd(histogram + slice * kExperts + id[i], 1);
  }
  __syncthreads();
  if (kStage == CountStage::kCluster || kStage == CountStage::kAtomic) {
    arrive_in_cluster();
    wait_in_cluster();
  }
  if (thread < kExperts) {
    const int sum = histogram[thread] + histogram[kExperts + thread] + histogram[2 * kExperts + thread] +
                    histogram[3 * kExperts + thread];
    if (kStage == CountStage::kAtomic) {
      if (cluster_rank() == thread % 8) {
        out[kExperts + thread] = atomicAdd(out + thread, sum);
      }
    } else {
      out[thread] = sum;
    }
  }
}

/// A thread has four ids; or eight, where there are half as many threads and two blocks on a multiprocessor.
template <CountStage kStage, int kThreads, class Id>
__global__ void __launch_bounds__(kThreads, 1024 / kThreads) count_kernel(const Id* ids, int* out) {
  constexpr int kThreadsPerSlice = kThreads / kSlices;
  constexpr int kIds = kSliceIds / kThreadsPerSlice;
  wait_for_previous();
  const int thread = static_cast<int>(threadIdx.x);
  const int slice = thread / kThreadsPerSlice;
  const int first = (static_cast<int>(blockIdx.x) * kSlices + slice) * kSliceIds + thread % kThreadsPerSlice;
  Id id[kIds];
  Id sum = 0;
  for (int i = 0; i < kIds; ++i) {
    id[i] = ids[first + i * kThreadsPerSlice];
    sum += id[i];
  }
  if constexpr (kStage != CountStage::kRead) {
    count_ids<kStage, kThreads>(id, slice, out);
  } else if (sum < 0) {
    *out = 1;
  }
}

/// What handing out a table and the ids' places cannot do without: what is known of the placement, then the quotas, a
/// trip each; a barrier of the block, over which its warps share the table; and a store that needs it.
__global__ void __launch_bounds__(kRemapThreads) remap_kernel(const int* in, int* out) {
  __shared__ int table[kRemapThreads];
  wait_for_previous();
  const int thread = static_cast<int>(threadIdx.x);
  const int first = in[thread];
  table[thread] = in[first];
  __syncthreads();
  out[blockIdx.x * kRemapThreads + thread] = table[first];
}

/// What remapping many ids does not do without, up to a stage: ids read and written; an entry for each expert in shared
/// memory, looked up; the ranks of ids among equal ones of 16 experts; what comes before, a table, and a step with it.
enum class RemapStage { kCopy, kLookup, kRank, kStep };

constexpr int kManyThreads = 512;
constexpr int kManyIds = 4;      // of a thread
constexpr int kReplicated = 16;  // experts of which it is counted
constexpr int kBits = 4;

__device__ int number_of(int expert) { return expert < kReplicated ? expert : 0; }

/// Ranks in the block: a ballot a bit, a histogram of bytes a warp, and the bytes of earlier warps.
__device__ void rank_many(const int (&expert)[kManyIds], int (&rank)[kManyIds]) {
  __shared__ unsigned words[kManyThreads / 32 / 4 * kReplicated];
  const int warp = static_cast<int>(threadIdx.x) / 32;
  auto* const histogram = reinterpret_cast<std::uint8_t*>(words + warp / 4 * kReplicated) + warp % 4;
  if (threadIdx.x < kManyThreads / 32 / 4 * kReplicated) {
    words[threadIdx.x] = 0;
  }
  __syncthreads();
  for (int i = 0; i < kManyIds; ++i) {
    unsigned peers = __ballot_sync(kAllLanes, expert[i] < kReplicated);
    for (int bit = 0; bit < kBits; ++bit) {
      const bool is_set = (expert[i] >> bit & 1) != 0;
      const unsigned with_bit = __ballot_sync(kAllLanes, is_set);
      peers &= is_set ? with_bit : ~with_bit;
    }
    const int before = __popc(peers & ((1U << (threadIdx.x % 32)) - 1));
    const int number = number_of(expert[i]);
    rank[i] = before + histogram[4 * number];
    __syncwarp();
    if (expert[i] < kReplicated && before == 0) {
      histogram[4 * number] += static_cast<std::uint8_t>(__popc(peers));
    }
    __syncwarp();
  }
  __syncthreads();
  for (int word = 0; 4 * word < warp; ++word) {
    const unsigned earlier = warp - 4 * word >= 4 ? ~0U : (1U << 8 * (warp - 4 * word)) - 1;
    for (int i = 0; i < kManyIds; ++i) {
      const int number = number_of(expert[i]);
      rank[i] += static_cast<int>(__dp4a(words[word * kReplicated + number] & earlier, 0x01010101U, 0U));
    }
  }
}

/// As remap has it: 256 blocks, all of which run at once. `table` has an entry an expert.
template <RemapStage kStage>
__global__ void __launch_bounds__(kManyThreads, 2)
    many_kernel(const std::int64_t* ids, const int* table, std::int64_t* out) {
  __shared__ int entries[kExperts];
  __shared__ int before[kReplicated];
  const auto thread = static_cast<int>(threadIdx.x);
  const int first = static_cast<int>(blockIdx.x) * kManyIds * kManyThreads + thread;
  std::int64_t id[kManyIds];
  for (int i = 0; i < kManyIds; ++i) {
    id[i] = ids[first + i * kManyThreads];
  }
  if constexpr (kStage != RemapStage::kCopy) {
    if (thread < kExperts) {
      entries[thread] = table[thread];
    }
    __syncthreads();
    int expert[kManyIds];
    for (int i = 0; i < kManyIds; ++i) {
      expert[i] = static_cast<int>(id[i]);
      id[i] = entries[expert[i]];
    }
    int rank[kManyIds] = {};
    if constexpr (kStage != RemapStage::kLookup) {
      rank_many(expert, rank);
    }
    wait_for_previous();
    if constexpr (kStage == RemapStage::kStep) {
      if (thread < kReplicated) {
        before[thread] = table[kExperts + thread];
      }
      __syncthreads();
      for (int i = 0; i < kManyIds; ++i) {
        const int number = number_of(expert[i]);
        rank[i] = (rank[i] & before[number]) != 0 ? 1 : 0;
      }
    }
    for (int i = 0; i < kManyIds; ++i) {
      id[i] += expert[i] < kReplicated ? rank[i] : 0;
    }
  } else {
    wait_for_previous();
  }
  for (int i = 0; i < kManyIds; ++i) {
    out[first + i * kManyThreads] = id[i];
  }
}

/// Counts, then words that index them, none of which say that the loads are even: every sweep is made.
std::vector<int> floor_input() {
  Rng rng(5);
  std::vector<int> words(4 * 192);
  for (int i = 0; i < kExperts; ++i) {
    words[i] = static_cast<int>(rng.below(1000));
  }
  for (std::size_t i = kExperts; i < words.size(); ++i) {
    words[i] = static_cast<int>(rng.below(kExperts));
  }
  return words;
}

/// Of 65,536 tokens with 8 each.
std::vector<std::int32_t> many_ids() {
  Rng rng(6);
  std::vector<std::int32_t> ids(65'536 * 8);
  for (std::int32_t& id : ids) {
    id = static_cast<std::int32_t>(rng.below(kExperts));
  }
  return ids;
}

/// All stages of counting with blocks of kThreads.
template <int kThreads, class Id, class Time>
void time_count(const Time& time, const Id* ids, int* out) {
  const LaunchConfig config{.num_blocks = 128, .num_threads = kThreads, .cluster_size = 8};
  const std::string prefix = concat("count/65536x8_int", 8 * sizeof(Id), "_", kThreads, "_threads_");
  time(prefix + "read", count_kernel<CountStage::kRead, kThreads, Id>, config, ids, out);
  time(prefix + "histogram", count_kernel<CountStage::kHistogram, kThreads, Id>, config, ids, out);
  time(prefix + "cluster_barrier", count_kernel<CountStage::kCluster, kThreads, Id>, config, ids, out);
  time(prefix + "atomic", count_kernel<CountStage::kAtomic, kThreads, Id>, config, ids, out);
}

/// All stages of remapping many ids; the last also behind a kernel that brings it the table, as apportioning does.
template <class Time>
void time_many(Bench& bench, const Time& time, const std::int64_t* ids, const int* table, std::int64_t* out,
               const Parameters& p) {
  const LaunchConfig config{.num_blocks = 256, .num_threads = kManyThreads};
  time("remap/65536x8_int64_copy", many_kernel<RemapStage::kCopy>, config, ids, table, out);
  time("remap/65536x8_int64_lookup", many_kernel<RemapStage::kLookup>, config, ids, table, out);
  time("remap/65536x8_int64_rank", many_kernel<RemapStage::kRank>, config, ids, table, out);
  time("remap/65536x8_int64_step", many_kernel<RemapStage::kStep>, config, ids, table, out);
  bench.time(
      "floor/cuda/remap/65536x8_int64_step_behind_another", 0, [](int) {},
      [&] {
        launch("bench", leading_kernel, {.num_blocks = 64, .num_threads = 128}, bench.stream(), p);
        launch("bench", many_kernel<RemapStage::kStep>,
               {.num_blocks = 256, .num_threads = kManyThreads, .overlaps_previous = true}, bench.stream(), ids, table,
               out);
      });
}

int run(const char* path) {
  Bench bench;
  const DeviceBuffer<int> in(floor_input());
  const std::vector<std::int32_t> many = many_ids();
  const DeviceBuffer<std::int32_t> ids(many);
  const DeviceBuffer<std::int64_t> wide_ids(std::vector<std::int64_t>(many.begin(), many.end()));
  DeviceBuffer<int> out(32 * 768);
  const Parameters p{.in = in.data(), .out = out.data(), .flag = 0, .more = {}};
  const auto time = [&](const std::string& name, auto kernel, const LaunchConfig& config, const auto&... args) {
    bench.time(
        "floor/cuda/" + name, 0, [](int) {}, [&] { launch("bench", kernel, config, bench.stream(), args...); });
  };
  for (const int threads : {32, 128, 384, 1024}) {
    time(concat("launch/empty_", threads), empty_kernel, {.num_threads = threads});
  }
  time("launch/empty_384_overlapping", empty_kernel, {.num_threads = 384, .overlaps_previous = true});
  time("launch/empty_8x1024", empty_kernel, {.num_blocks = 8, .num_threads = 1024});
  time("launch/empty_8x1024_cluster", empty_kernel, {.num_blocks = 8, .num_threads = 1024, .cluster_size = 8});
  time("launch/empty_128x1024_cluster", empty_kernel, {.num_blocks = 128, .num_threads = 1024, .cluster_size = 8});
  time("launch/empty_128x512_cluster", empty_kernel, {.num_blocks = 128, .num_threads = 512, .cluster_size = 8});
  time("launch/parameters_384", parameters_kernel, {.num_threads = 384}, p);
  time("launch/parameters_384_48KiB", parameters_kernel, {.num_threads = 384, .shared_bytes = 48 << 10}, p);
  time("launch/parameters_384_100KiB", parameters_kernel, {.num_threads = 384, .shared_bytes = 100 << 10}, p);
  for (const int threads : {32, 384}) {
    const std::string suffix = concat("_", threads);
    time("launch/store" + suffix, store_kernel, {.num_threads = threads}, p);
    time("launch/store_registers" + suffix, registers_kernel, {.num_threads = threads}, p);
    time("launch/trip_store" + suffix, trip_kernel, {.num_threads = threads}, p);
    time("launch/trip_barrier_store" + suffix, barrier_kernel, {.num_threads = threads}, p);
    time("launch/trip_barrier_store_overlapping" + suffix, barrier_kernel,
         {.num_threads = threads, .overlaps_previous = true}, p);
  }
  for (const int num_sweeps : {0, 1, 2, 4, 8, 16}) {
    const std::string suffix = concat("_sweeps_", num_sweeps);
    time("split/pairs" + suffix, split_kernel, {.num_threads = 32}, p, num_sweeps);
    time("split/pairs_overlapping" + suffix, split_kernel, {.num_threads = 32, .overlaps_previous = true}, p,
         num_sweeps);
  }
  time_count<1024>(time, ids.data(), out.data());
  time_count<1024>(time, wide_ids.data(), out.data());
  time_count<512>(time, ids.data(), out.data());
  time_count<512>(time, wide_ids.data(), out.data());
  DeviceBuffer<std::int64_t> wide_out(many.size());
  time_many(bench, time, wide_ids.data(), in.data(), wide_out.data(), p);
  time("remap/4096x8_trips", remap_kernel, {.num_blocks = 32, .num_threads = kRemapThreads}, ids.data(), out.data());
  bench.write_json(path, "bench_cuda_floor", 0);
  return 0;
}

}  // namespace
}  // namespace lplb::cuda

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "use: bench_cuda_floor FILE.json\n");
    return 2;
  }
  return lplb::cuda::run(argv[1]);
}
