// A block of threads a chain, a warp a block of lanes, a thread a lane. Thread 0 decides (optimize/chain.h) which move
// to try; then all lanes follow it at once; then thread 0 reads the outcome in the order in which the CPU would have
// looked, and stops where the CPU would have. All state is in device memory, where a chain's part of it fits the first
// level cache but for the largest shapes, so that a launch may end after any move and the next go on.

#include "optimize/cuda_anneal.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "cuda/device_buffer.cuh"
#include "cuda/error.cuh"
#include "optimize/device_lanes.cuh"

namespace lplb::cuda {
namespace {

constexpr const char* kName = "cuda::anneal";
constexpr int kWarp = 32;
constexpr std::int64_t kMovesPerLaunch = 1000;  // between two looks at go_on

/// A chain in device memory.
struct DeviceChain {
  Chain chain;
  SamplerView sampler;
  RelaxLimits relax;
  LaneMemory lanes;
  DrawScratch scratch;
};
static_assert(std::is_trivially_copyable_v<DeviceChain>);

/// New excess of the blocks, for the thread that judges.
struct Followed {
  const double* excess;  // [num_blocks, kLanes]
  constexpr std::array<double, kLanes> operator()(int block) const {
    std::array<double, kLanes> values{};
    for (int lane = 0; lane < kLanes; ++lane) {
      values[lane] = excess[block * kLanes + lane];
    }
    return values;
  }
};

/// What all threads of a block share. Raw memory, as device variables in shared memory may have no initializer.
struct SharedChain {
  alignas(16) std::byte chain[sizeof(Chain)];
  alignas(16) std::byte blocks[kMaxBlocks * sizeof(ChainBlock)];
  double excess[kMaxBlocks * kLanes];
  Move move;
  bool has_move;
};

class ChainThreads {
 public:
  __device__ ChainThreads(DeviceChain& global, SharedChain& shared)
      : global_(global),
        shared_(shared),
        chain_(*reinterpret_cast<Chain*>(shared.chain)),
        block_(static_cast<int>(threadIdx.x) / kWarp),
        lane_(static_cast<int>(threadIdx.x) % kWarp),
        in_use_(lane_ < kLanes && block_ < global.chain.num_blocks),
        lanes_(global.lanes, global.chain.arrangement, in_use_ ? block_ : 0, in_use_ ? lane_ : 0) {
    copy(shared.chain, &global.chain, sizeof(Chain));
    copy(shared.blocks, global.chain.blocks, global.chain.num_blocks * sizeof(ChainBlock));
    __syncthreads();
    if (is_first()) {
      chain_.blocks = reinterpret_cast<ChainBlock*>(shared.blocks);
    }
    __syncthreads();
  }

  __device__ void begin() {
    for (int i = 0; i < chain_.num_blocks; ++i) {
      fill_block(i);
    }
    if (is_first()) {
      chain_.begin();
    }
    __syncthreads();
  }

  __device__ void run(std::int64_t first, std::int64_t end) {
    for (std::int64_t i = first; i < end; ++i) {
      if (is_first()) {
        chain_.cool(i);
        shared_.has_move = chain_.propose(shared_.move);
        if (shared_.has_move) {
          chain_.start(shared_.move);
        }
      }
      __syncthreads();
      if (shared_.has_move) {
        try_move();
      }
      if (i % kRedrawInterval == 0) {
        redraw_next();
      }
    }
  }

  __device__ void finish() {
    if (is_first()) {
      chain_.keep_if_best();
    }
    __syncthreads();
  }

  __device__ void write_back() {
    ChainBlock* const blocks = global_.chain.blocks;
    copy(blocks, shared_.blocks, chain_.num_blocks * sizeof(ChainBlock));
    __syncthreads();
    if (is_first()) {
      chain_.blocks = blocks;
      global_.chain = chain_;
    }
  }

 private:
  __device__ bool is_first() const { return threadIdx.x == 0; }

  static __device__ void copy(void* to, const void* from, std::size_t size) {
    static_assert(sizeof(Chain) % sizeof(int) == 0 && sizeof(ChainBlock) % sizeof(int) == 0);
    for (unsigned i = threadIdx.x; i < size / sizeof(int); i += blockDim.x) {
      static_cast<int*>(to)[i] = static_cast<const int*>(from)[i];
    }
  }

  __device__ void try_move() {
    if (in_use_) {
      lanes_.follow(shared_.move, global_.relax);
      shared_.excess[block_ * kLanes + lane_] = lanes_.excess();
    }
    __syncthreads();
    if (is_first()) {
      chain_.judge(shared_.move, Followed{shared_.excess});
    }
    __syncthreads();
    if (in_use_) {
      chain_.accepted ? lanes_.keep() : lanes_.take_back();
    }
    __syncthreads();
  }

  /// All threads come here; the warp of the block draws, each lane from its own part of the generator's numbers.
  __device__ void fill_block(int i) {
    const ChainBlock& block = chain_.blocks[i];
    const SamplerView& sampler = global_.sampler;
    const auto kind = static_cast<Scenario>(block.scenario);
    if (in_use_ && block_ == i) {
      if (block.scenario == 0) {
        put_recorded(sampler, recorded_lane_batch(sampler, block.first_batch + lane_), lanes_.weights());
      } else {
        Rng rng = chain_.rng;
        rng.skip(lane_ * sampler.num_words(kind));
        const DrawScratch scratch{
            .shares = global_.scratch.shares + lane_, .factors = global_.scratch.factors + lane_, .step = kLanes};
        draw_lane(sampler, kind, rng, scratch, lanes_.weights());
      }
      __syncwarp(kLaneMask);
      lanes_.restart(kRestartSweeps);
      chain_.blocks[i].excess[lane_] = lanes_.excess();
    }
    __syncthreads();
    if (is_first() && block.scenario != 0) {
      chain_.rng.skip(kLanes * sampler.num_words(kind));
    }
    __syncthreads();
  }

  __device__ void redraw_next() {
    fill_block(chain_.next_refresh);
    if (is_first()) {
      chain_.next_refresh = (chain_.next_refresh + 1) % chain_.num_blocks;
      chain_.score = chain_.total_score();
    }
    __syncthreads();
  }

  DeviceChain& global_;
  SharedChain& shared_;
  Chain& chain_;
  int block_;
  int lane_;
  bool in_use_;
  DeviceLane lanes_;
};

enum class Part { kFirst, kMiddle, kLast };

/// Moves [first, end) of all chains, a block each.
__global__ void __launch_bounds__(kMaxBlocks* kWarp) anneal_kernel(DeviceChain* chains, std::int64_t first, Part part) {
  __shared__ SharedChain shared;
  ChainThreads threads(chains[blockIdx.x], shared);
  const std::int64_t num_moves = chains[blockIdx.x].chain.cooling.num_moves;
  if (part == Part::kFirst) {
    threads.begin();
  }
  if (part == Part::kLast) {
    threads.finish();
  } else {
    threads.run(first, min(first + kMovesPerLaunch, num_moves));
  }
  threads.write_back();
}

/// Gives out addresses of one allocation, in a first pass without one to know its size. `put` also fills the host's
/// image of it.
class Arena {
 public:
  explicit Arena(std::byte* base = nullptr) : base_(base) {}
  std::size_t size() const { return size_; }
  const std::vector<std::byte>& image() const { return image_; }

  template <class T>
  T* room(std::size_t num) {
    constexpr std::size_t kAlignment = 128;
    size_ = (size_ + kAlignment - 1) / kAlignment * kAlignment;
    const std::size_t at = size_;
    size_ += num * sizeof(T);
    return reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(base_) + at);
  }
  template <class T>
  T* put(std::span<const T> values) {
    T* const place = room<T>(values.size());
    if (base_ != nullptr) {
      image_.resize(size_);
      std::memcpy(image_.data() + (reinterpret_cast<std::byte*>(place) - base_), values.data(), values.size_bytes());
    }
    return place;
  }
  template <class T>
  const T* put(const T* values, std::size_t num) {
    return values == nullptr ? nullptr : put(std::span(values, num));
  }

 private:
  std::byte* base_;
  std::size_t size_ = 0;
  std::vector<std::byte> image_;
};

RulesView put_rules(const RulesView& rules, int num_ranks, Arena& arena) {
  const std::size_t num_pairs = static_cast<std::size_t>(num_ranks) * rules.num_logical;
  return {.num_logical = rules.num_logical,
          .block_of_rank = arena.put(rules.block_of_rank, num_ranks),
          .node_of_rank = arena.put(rules.node_of_rank, num_ranks),
          .node_of_expert = arena.put(rules.node_of_expert, rules.num_logical),
          .was_there = arena.put(rules.was_there, num_pairs),
          .max_moved = rules.max_moved};
}

SamplerView put_sampler(SamplerView sampler, Arena& arena) {
  const std::size_t row = sampler.num_logical;
  sampler.share = arena.put(sampler.share, sampler.num_batches * row);
  sampler.recorded_weight = arena.put(sampler.recorded_weight, sampler.num_batches);
  sampler.base = arena.put(sampler.base, row);
  sampler.deviation = arena.put(sampler.deviation, sampler.num_deviations * row);
  sampler.spread = arena.put(sampler.spread, row);
  return sampler;
}

ArrangementView put_arrangement(const ArrangementView& from, Arena& arena) {
  ArrangementView view = from;
  const std::size_t num_slots = from.num_slots();
  const std::size_t num_experts = from.num_logical();
  view.slots = arena.put(from.slots, from.num_ranks());
  view.rank = arena.put(from.rank, num_slots);
  view.expert = arena.put(std::span<const std::int32_t>(from.expert, num_slots));
  view.first = arena.put(std::span<const std::int32_t>(from.first, num_experts));
  view.next = arena.put(std::span<const std::int32_t>(from.next, num_slots));
  view.copy_count = arena.put(std::span<const std::int32_t>(from.copy_count, num_experts));
  return view;
}

LaneMemory make_lane_memory(const ArrangementView& arrangement, std::size_t num_blocks, Arena& room) {
  const std::size_t lanes = num_blocks * kLanes;
  const std::size_t slots = lanes * arrangement.num_slots();
  const std::size_t ranks = lanes * arrangement.num_ranks();
  return {.weight = room.room<float>(lanes * arrangement.num_logical()),
          .flow = room.room<float>(slots),
          .load = room.room<float>(ranks),
          .saved_at = room.room<std::int32_t>(slots + ranks),
          .saved_value = room.room<float>(slots + ranks),
          .slot_saved = room.room<std::uint8_t>(slots),
          .rank_saved = room.room<std::uint8_t>(ranks),
          .queue = room.room<std::int32_t>(ranks),
          .waiting = room.room<std::uint8_t>(ranks)};
}

/// `constants` has what comes from the host, `room` what the kernel writes and needs zeroed.
DeviceChain make_chain(const AnnealJob& job, Arena& constants, Arena& room) {
  const SamplerView& sampler = job.sampler->view();
  const Arrangement arrangement(job.rules->slots, {job.phy2log.begin(), job.phy2log.end()}, sampler.num_logical);
  std::vector<ChainBlock> blocks = make_chain_blocks(job);
  DeviceChain result;
  result.relax = job.args.relax;
  result.sampler = put_sampler(sampler, constants);
  result.lanes = make_lane_memory(arrangement, blocks.size(), room);
  result.scratch = {.shares = room.room<double>(static_cast<std::size_t>(kLanes) * sampler.num_logical),
                    .factors = room.room<double>(static_cast<std::size_t>(kLanes) * (sampler.num_deviations + 1))};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    blocks[i].rank_load = result.lanes.load + i * arrangement.num_ranks() * kLanes;
  }
  Chain& chain = result.chain;
  chain.arrangement = put_arrangement(arrangement, constants);
  chain.rules = put_rules(job.rules->view(), arrangement.num_ranks(), constants);
  chain.objective = job.args.objective;
  chain.cooling = cooling_of(job.args);
  chain.rng = Rng(mix64(job.args.seed));
  chain.num_blocks = static_cast<int>(blocks.size());
  chain.blocks = constants.put(std::span<const ChainBlock>(blocks));
  chain.best = room.room<std::int32_t>(arrangement.num_slots());
  return result;
}

std::vector<DeviceChain> make_chains(std::span<const AnnealJob> jobs, Arena& constants, Arena& room) {
  std::vector<DeviceChain> chains;
  chains.reserve(jobs.size());
  for (const AnnealJob& job : jobs) {
    chains.push_back(make_chain(job, constants, room));
  }
  return chains;
}

bool all_go_on(std::span<const AnnealJob> jobs, std::int64_t num_moves) {
  bool all = true;
  for (const AnnealJob& job : jobs) {
    all = (!job.args.go_on || job.args.go_on(num_moves)) && all;
  }
  return all;
}

void launch_part(DeviceBuffer<DeviceChain>& chains, int num_threads, std::int64_t first, Part part) {
  anneal_kernel<<<static_cast<unsigned>(chains.size()), num_threads>>>(chains.data(), first, part);
  check_cuda(cudaGetLastError(), kName);
  check_cuda(cudaDeviceSynchronize(), kName);
}

void run_chains(std::span<const AnnealJob> jobs, DeviceBuffer<DeviceChain>& chains, int max_blocks) {
  const int num_threads = max_blocks * kWarp;
  std::int64_t num_moves = 0;
  for (const AnnealJob& job : jobs) {
    num_moves = std::max(num_moves, job.args.num_moves);
  }
  Part part = Part::kFirst;
  for (std::int64_t i = 0; (i < num_moves && all_go_on(jobs, i)) || part == Part::kFirst; i += kMovesPerLaunch) {
    launch_part(chains, num_threads, i, part);
    part = Part::kMiddle;
  }
  launch_part(chains, num_threads, num_moves, Part::kLast);
}

}  // namespace

std::vector<AnnealResult> anneal(std::span<const AnnealJob> jobs) {
  if (jobs.empty()) {
    return {};
  }
  Arena constants_size;
  Arena room_size;
  make_chains(jobs, constants_size, room_size);
  DeviceBuffer<std::byte> constants_memory(constants_size.size());
  DeviceBuffer<std::byte> room_memory(room_size.size());
  Arena constants(constants_memory.data());
  Arena room(room_memory.data());
  const std::vector<DeviceChain> made = make_chains(jobs, constants, room);
  constants_memory.upload(constants.image());
  DeviceBuffer<DeviceChain> chains(made);
  int max_blocks = 1;
  for (const DeviceChain& chain : made) {
    max_blocks = std::max(max_blocks, chain.chain.num_blocks);
  }
  run_chains(jobs, chains, max_blocks);
  std::vector<AnnealResult> results;
  for (const DeviceChain& ended : chains.download()) {
    const Chain& chain = ended.chain;
    std::vector<std::int32_t> phy2log(chain.arrangement.num_slots());
    check_cuda(cudaMemcpy(phy2log.data(), chain.best, phy2log.size() * sizeof(std::int32_t), cudaMemcpyDeviceToHost),
               kName);
    results.push_back({std::move(phy2log), chain.num_tried, chain.num_accepted, chain.best_score});
  }
  return results;
}

}  // namespace lplb::cuda
