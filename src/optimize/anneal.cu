// A block of threads a chain, a warp a block of lanes. Thread 0 decides (optimize/chain.h) which move
// to try; all lanes follow it at once; each warp computes what the score would be after one more block in the order in
// which the CPU looks; and thread 0 stops where the CPU would have. All state is in device memory, so that a launch may
// end after any move and the next go on; what is read most is staged in shared memory where it fits.

#include "optimize/cuda_anneal.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "cuda/device_buffer.cuh"
#include "cuda/error.cuh"
#include "cuda/launch.cuh"
#include "cuda/warp.cuh"
#include "optimize/device_lanes.cuh"

namespace lplb::cuda {
namespace {

constexpr const char* kName = "cuda::anneal";
constexpr int kValuesPerThread = (kMaxBlocks * kLanes + kWarp - 1) / kWarp;
constexpr std::int64_t kMovesPerLaunch = 1000;  // between two looks at go_on
constexpr int kFirstLook = 4;                   // blocks that follow a move first; most moves are dropped after them

/// Arrays of a chain that a launch keeps in shared memory, those first that need it most. What is only read stays in
/// device memory and comes through the first level cache, which a write does not pass: so flows come last, as they are
/// large, but are worth it where they fit.
constexpr int kNumStaged = 11;
constexpr std::size_t kStagedAlignment = 16;

/// A chain in device memory.
struct DeviceChain {
  Chain chain;
  SamplerView sampler;
  RelaxLimits relax;
  LaneMemory lanes;
  DrawScratch scratch;
  std::array<int, kNumStaged> staged_bytes;  // each a multiple of kStagedAlignment
};
static_assert(std::is_trivially_copyable_v<DeviceChain>);

/// visit(pointer of a, the same of b, bytes) for each staged array, in the order of staged_bytes.
template <class Visit>
__device__ void visit_staged(DeviceChain& a, DeviceChain& b, const Visit& visit) {
  const auto& bytes = a.staged_bytes;
  ArrangementView& from = a.chain.arrangement;
  ArrangementView& to = b.chain.arrangement;
  visit(a.lanes.load, b.lanes.load, bytes[0]);
  visit(from.expert, to.expert, bytes[1]);
  visit(from.first, to.first, bytes[2]);
  visit(from.next, to.next, bytes[3]);
  visit(from.copy_count, to.copy_count, bytes[4]);
  visit(a.lanes.queue, b.lanes.queue, bytes[5]);
  visit(a.lanes.copy_slot, b.lanes.copy_slot, bytes[6]);
  visit(a.lanes.wave_end, b.lanes.wave_end, bytes[7]);
  visit(a.lanes.wave_order, b.lanes.wave_order, bytes[8]);
  visit(a.lanes.last_wave, b.lanes.last_wave, bytes[9]);
  visit(a.lanes.flow, b.lanes.flow, bytes[10]);
}

/// What the score would be after each block in the order, for the thread that judges.
struct Followed {
  const ScenarioValue* values;
  constexpr ScenarioValue operator()(int position) const { return values[position]; }
};

/// What all threads of a block share. Raw memory, as variables in shared memory may have no initializer.
struct SharedChain {
  alignas(16) std::byte chain[sizeof(DeviceChain)];
  alignas(16) std::byte blocks[kMaxBlocks * sizeof(ChainBlock)];
  double pulls[kMaxBlocks * kLanes];
  double block_pulls[kMaxBlocks];
  std::byte values[kMaxBlocks * sizeof(ScenarioValue)];
  int position[kMaxBlocks];  // of a block in the order
  Move move;
  bool has_move;
  int num_waves;
  std::int32_t touched[2];  // experts in the slots of the move
};

/// All threads of a block call these functions together.
template <bool staged>
class ChainThreads {
 public:
  __device__ ChainThreads(DeviceChain& global, SharedChain& shared, std::byte* stage, int stage_bytes)
      : global_(global),
        shared_(shared),
        here_(*reinterpret_cast<DeviceChain*>(shared.chain)),
        chain_(here_.chain),
        values_(reinterpret_cast<ScenarioValue*>(shared.values)),
        block_(static_cast<int>(threadIdx.x) / kWarp),
        lane_(static_cast<int>(threadIdx.x) % kWarp),
        in_use_(block_ < global.chain.num_blocks),
        lanes_(fetch(stage, stage_bytes), chain_.arrangement, in_use_ ? block_ : 0, lane_) {}

  /// Moves [first, end). A new chain fills its blocks first.
  __device__ void run(bool is_new, std::int64_t first, std::int64_t end) {
    if (is_new && is_first()) {
      chain_.begin();
    }
    __syncthreads();
    for (std::int64_t i = is_new ? -chain_.num_blocks : first; i < end; ++i) {
      if (i >= 0) {
        make_move(i);
      }
      if (i < 0 || i % kRedrawInterval == 0) {
        fill_next();
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
    copy(global_.chain.blocks, chain_.blocks, chain_.num_blocks * sizeof(ChainBlock));
    visit_staged(here_, global_, [](const auto* from, auto* to, int bytes) {
      if (from != to) {
        copy(to, from, bytes);
      }
    });
    __syncthreads();
    if (is_first()) {
      chain_.blocks = global_.chain.blocks;
      chain_.arrangement = global_.chain.arrangement;
      global_.chain = chain_;
    }
  }

 private:
  __device__ bool is_first() const { return threadIdx.x == 0; }

  static __device__ void copy(void* to, const void* from, std::size_t size) {
    static_assert(sizeof(DeviceChain) % sizeof(int) == 0 && sizeof(ChainBlock) % sizeof(int) == 0);
    for (unsigned i = threadIdx.x; i < size / sizeof(int); i += blockDim.x) {
      static_cast<int*>(to)[i] = static_cast<const int*>(from)[i];
    }
  }

  /// The chain, and those of its arrays that fit the stage, into shared memory.
  __device__ const LaneMemory& fetch(std::byte* stage, int stage_bytes) {
    copy(shared_.chain, &global_, sizeof(DeviceChain));
    copy(shared_.blocks, global_.chain.blocks, global_.chain.num_blocks * sizeof(ChainBlock));
    __syncthreads();
    visit_staged(global_, here_, [&](const auto* from, auto*& place, int bytes) {
      if (bytes <= stage_bytes) {
        copy(stage, from, bytes);
        if (is_first()) {
          place = reinterpret_cast<std::remove_reference_t<decltype(place)>>(stage);
        }
        stage += bytes;
        stage_bytes -= bytes;
      }
    });
    __syncthreads();
    if (is_first()) {
      chain_.blocks = reinterpret_cast<ChainBlock*>(shared_.blocks);
      chain_.pulls = shared_.pulls;
      chain_.block_pulls = shared_.block_pulls;
      for (int i = 0; i < chain_.num_blocks; ++i) {
        chain_.blocks[i].rank_load = here_.lanes.load + i * chain_.arrangement.num_ranks() * kLanes;
      }
    }
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < chain_.arrangement.num_logical() * kGroups;
         i += static_cast<int>(blockDim.x)) {
      note_copy(here_.lanes, chain_.arrangement, i / kGroups, i % kGroups);
    }
    __syncthreads();
    return here_.lanes;
  }

  /// After a move was made or taken back: the copies of the two experts that it touched.
  __device__ void note_copies() {
    const int i = static_cast<int>(threadIdx.x);
    if (i < 2 * kGroups && shared_.touched[i / kGroups] != kNone) {
      note_copy(here_.lanes, chain_.arrangement, shared_.touched[i / kGroups], i % kGroups);
    }
  }

  __device__ void prepare_block() {
    double* const pulls = shared_.pulls + block_ * kLanes;
    if (lane_ < kLanes) {
      pulls[lane_] = chain_.pull_of(block_, lane_);
      chain_.blocks[block_].old_excess[lane_] = chain_.blocks[block_].excess[lane_];
    }
    __syncwarp();
    if (lane_ == 0) {
      double sum = 0;
      for (int lane = 0; lane < kLanes; ++lane) {
        sum += pulls[lane];
      }
      shared_.block_pulls[block_] = sum;
    }
  }

  __device__ void make_move(std::int64_t i) {
    if (in_use_) {
      prepare_block();
    }
    if (threadIdx.x < static_cast<unsigned>(chain_.num_blocks)) {
      shared_.position[chain_.order[threadIdx.x]] = static_cast<int>(threadIdx.x);
    }
    __syncthreads();
    if (is_first()) {
      chain_.cool(i);
      shared_.has_move = chain_.propose(shared_.move);
      if (shared_.has_move) {
        shared_.touched[0] = chain_.arrangement.expert_at(shared_.move.from);
        shared_.touched[1] = chain_.arrangement.expert_at(shared_.move.to);
        chain_.start(shared_.move);
      }
    }
    __syncthreads();
    if (shared_.has_move) {
      note_copies();
      __syncthreads();
      try_move();
    }
  }

  __device__ void try_move() {
    const int position = in_use_ ? shared_.position[block_] : 0;
    bool has_followed = false;
    LPLB_ROLL
    for (int first = 0, end = min(kFirstLook, chain_.num_blocks); first < end && chain_.is_undecided();) {
      if (in_use_ && position >= first && position < end) {
        follow();
        has_followed = true;
      }
      __syncthreads();
      if (in_use_ && has_followed && position >= first) {
        value_after(position);
      }
      __syncthreads();
      if (is_first()) {
        // Otherwise the compiler lets all threads read, ahead of the branch, what this one is about to change.
        asm volatile("" ::: "memory");
        chain_.judge_until(end, Followed{values_});
      }
      __syncthreads();
      first = end;
      end = chain_.num_blocks;
    }
    if (is_first()) {
      chain_.finish(shared_.move);
    }
    __syncthreads();
    if (!chain_.accepted) {
      note_copies();
    }
    if (has_followed && chain_.accepted) {
      lanes_.keep();
    } else if (has_followed) {
      lanes_.take_back();
      if (lane_ < kLanes) {
        chain_.blocks[block_].excess[lane_] = chain_.blocks[block_].old_excess[lane_];
      }
    }
    __syncthreads();
  }

  __device__ void follow() {
    lanes_.follow(shared_.move, here_.relax);
    const double excess = lanes_.excess();
    if (lane_ < kLanes) {
      chain_.blocks[block_].excess[lane_] = excess;
    }
  }

  /// Chain::value_of, by a warp, for the scenario of the block at `position` of the order when it and those before it
  /// have followed the move and the others have not. Numbers are added in the same order.
  __device__ void value_after(int position) {
    const int scenario = chain_.blocks[chain_.order[position]].scenario;
    const int first = chain_.first_block[scenario];
    const int num_values = (chain_.first_block[scenario + 1] - first) * kLanes;
    double weighted[kValuesPerThread];
    unsigned long long left[kValuesPerThread];  // excess of the lanes that count, as bits, which are in the same order
    LPLB_UNROLL
    for (int k = 0; k < kValuesPerThread; ++k) {
      const int i = lane_ + k * kWarp;
      weighted[k] = 0;
      left[k] = 0;
      if (i < num_values) {
        const ChainBlock& block = chain_.blocks[first + i / kLanes];
        const bool has_followed = shared_.position[first + i / kLanes] <= position;
        const double excess = has_followed ? block.excess[i % kLanes] : block.old_excess[i % kLanes];
        const double weight = block.weight[i % kLanes];
        weighted[k] = weight * excess;
        left[k] = weight > 0 ? __double_as_longlong(excess) + 1 : 0;
      }
    }
    const int num_largest = num_worst(chain_.num_lanes[scenario]);
    double worst = 0;
    LPLB_ROLL
    for (int i = 0; i < num_largest; ++i) {
      worst += take_largest(left);
    }
    double mean = 0;
    LPLB_UNROLL
    for (int k = 0; k < kValuesPerThread; ++k) {
      LPLB_UNROLL_BY_4
      for (int i = 0; i < kWarp && k * kWarp + i < num_values; ++i) {
        mean += __shfl_sync(kAllLanes, weighted[k], i);
      }
    }
    const ScenarioValue value = chain_.value_from(scenario, mean, worst / num_largest);
    if (lane_ == 0) {
      values_[position] = value;
    }
  }

  /// The largest number that is left in the warp, once.
  static __device__ double take_largest(unsigned long long (&left)[kValuesPerThread]) {
    unsigned long long mine = left[0];
    LPLB_UNROLL
    for (int k = 1; k < kValuesPerThread; ++k) {
      mine = max(mine, left[k]);
    }
    const unsigned high = __reduce_max_sync(kAllLanes, static_cast<unsigned>(mine >> 32));
    const unsigned low = __reduce_max_sync(kAllLanes, mine >> 32 == high ? static_cast<unsigned>(mine) : 0);
    const unsigned long long largest = static_cast<unsigned long long>(high) << 32 | low;
    const unsigned owner = __ffs(static_cast<int>(__ballot_sync(kAllLanes, mine == largest))) - 1;
    bool is_mine = threadIdx.x % kWarp == owner;
    LPLB_UNROLL
    for (int k = 0; k < kValuesPerThread; ++k) {
      const bool is_this = is_mine && left[k] == largest;
      left[k] = is_this ? 0 : left[k];
      is_mine = is_mine && !is_this;
    }
    return __longlong_as_double(static_cast<long long>(largest - 1));
  }

  /// Fills the block whose turn it is. Its warp draws, each lane from its own part of the generator's numbers; all
  /// warps level, in waves of experts that share no rank.
  __device__ void fill_next() {
    const int i = chain_.next_refresh;
    draw(i);
    if (in_use_ && block_ == i) {
      lanes_.divide();
    }
    if (threadIdx.x == blockDim.x - 1) {
      shared_.num_waves = Waves(here_.lanes, chain_.arrangement).make();
    }
    __syncthreads();
    lanes_.bind(here_.lanes, i);
    LPLB_ROLL
    for (int sweep = 0; sweep < kRestartSweeps; ++sweep) {
      level_in_waves();
    }
    if (block_ == i) {
      const double excess = lanes_.excess();
      if (lane_ < kLanes) {
        chain_.blocks[i].excess[lane_] = excess;
      }
    }
    lanes_.bind(here_.lanes, in_use_ ? block_ : 0);
    __syncthreads();
    if (is_first()) {
      const auto kind = static_cast<Scenario>(chain_.blocks[i].scenario);
      if (kind != Scenario::kRecorded) {
        chain_.rng.skip(kLanes * here_.sampler.num_words(kind));
      }
      chain_.next_refresh = (i + 1) % chain_.num_blocks;
      chain_.score_all();
    }
    __syncthreads();
  }

  /// Loads of block i: noise by all warps, each group of threads an expert; the rest by the warp of the block.
  __device__ void draw(int i) {
    const SamplerView& sampler = here_.sampler;
    const auto kind = static_cast<Scenario>(chain_.blocks[i].scenario);
    const int lane = lane_ % kLanes;
    const bool is_drawer = block_ == i && lane_ < kLanes;
    const DrawScratch scratch{
        .shares = here_.scratch.shares + lane, .factors = here_.scratch.factors + lane, .step = kLanes};
    Rng rng = chain_.rng;
    rng.skip(lane * sampler.num_words(kind));
    if (kind == Scenario::kNoise || kind == Scenario::kDrift) {
      draw_noises(kind, rng, scratch);
    }
    if (is_drawer && kind == Scenario::kRecorded) {
      put_recorded(sampler, recorded_lane_batch(sampler, chain_.blocks[i].first_batch + lane), lanes_.weights());
    } else if (is_drawer) {
      if (kind == Scenario::kShift) {
        draw_shift(sampler, rng, scratch);
      }
      put_shares(sampler, scratch.shares, scratch.step, lanes_.weights());
    }
    __syncwarp();
  }

  __device__ void draw_noises(Scenario kind, Rng rng, const DrawScratch& scratch) {
    const SamplerView& sampler = here_.sampler;
    if (threadIdx.x < kLanes) {
      Rng of_factors = rng;
      draw_factors(sampler, of_factors, scratch);
    }
    __syncthreads();
    LPLB_ROLL
    for (int e = static_cast<int>(threadIdx.x) / kLanes; e < sampler.num_logical;
         e += static_cast<int>(blockDim.x) / kLanes) {
      Rng of_expert = rng;
      of_expert.skip(2 * (sampler.num_deviations + e));
      draw_noise(sampler, scale_of(kind), e, of_expert, scratch);
    }
    __syncthreads();
  }

  __device__ void level_in_waves() {
    const LaneMemory& memory = here_.lanes;
    const int num_warps = static_cast<int>(blockDim.x) / kWarp;
    int begin = 0;
    int e = first_of_wave(1, begin);
    float weight = e == kNone ? 0 : lanes_.weight_of(e);
    LPLB_ROLL
    for (int wave = 1; wave <= shared_.num_waves; ++wave) {
      const int end = memory.wave_end[wave];
      const int next = first_of_wave(wave + 1, end);
      const float next_weight = next == kNone ? 0 : lanes_.weight_of(next);
      LPLB_ROLL
      for (int k = begin + block_; k < end; k += num_warps) {
        const bool is_first = k == begin + block_;
        const int expert = is_first ? e : memory.wave_order[k];
        lanes_.level(expert, is_first ? weight : lanes_.weight_of(expert));
      }
      begin = end;
      e = next;
      weight = next_weight;
      __syncthreads();
    }
  }

  /// The first expert of this warp in a wave that begins at `begin`; kNone = it has none.
  __device__ int first_of_wave(int wave, int begin) const {
    const bool has_one = wave <= shared_.num_waves && begin + block_ < here_.lanes.wave_end[wave];
    return has_one ? here_.lanes.wave_order[begin + block_] : kNone;
  }

  DeviceChain& global_;
  SharedChain& shared_;
  DeviceChain& here_;  // in shared memory
  Chain& chain_;
  ScenarioValue* values_;  // [num_blocks] by position in the order
  int block_;
  int lane_;  // thread of the warp
  bool in_use_;
  DeviceLanes<staged> lanes_;
};

enum class Part { kFirst, kMiddle, kLast };

/// A part of the moves of all chains, from `first` on, a block of threads each.
template <int max_threads, bool staged>
__global__ void __launch_bounds__(max_threads, 1)
    anneal_kernel(DeviceChain* chains, std::int64_t first, Part part, int stage_bytes) {
  __shared__ SharedChain shared;
  extern __shared__ std::byte stage[];
  ChainThreads<staged> threads(chains[blockIdx.x], shared, stage, stage_bytes);
  const std::int64_t num_moves = chains[blockIdx.x].chain.cooling.num_moves;
  if (part == Part::kLast) {
    threads.finish();
  } else {
    threads.run(part == Part::kFirst, first, min(first + kMovesPerLaunch, num_moves));
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
    constexpr std::size_t kAlignment = 128;  // so that staged arrays may be copied with what fills them up
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
  view.expert = arena.put(std::span<const std::int32_t>(from.expert, num_slots));
  view.first = arena.put(std::span<const std::int32_t>(from.first, num_experts));
  view.next = arena.put(std::span<const std::int32_t>(from.next, num_slots));
  view.copy_count = arena.put(std::span<const std::int32_t>(from.copy_count, num_experts));
  return view;
}

LaneMemory make_lane_memory(const ArrangementView& arrangement, std::size_t num_blocks, const RelaxLimits& relax,
                            Arena& room) {
  const std::size_t lanes = num_blocks * kLanes;
  const int num_used = std::accumulate(arrangement.slots, arrangement.slots + arrangement.num_ranks(), 0);
  const int max_copies = std::min(arrangement.num_ranks(), num_used - arrangement.num_logical() + 1);
  const int num_events = max_events(relax.max_experts, arrangement.stride(), max_copies);
  const std::size_t num_entries = num_blocks * num_events * kGroups;
  return {.weight = room.room<float>(lanes * arrangement.num_logical()),
          .flow = room.room<float>(lanes * arrangement.num_slots()),
          .load = room.room<float>(lanes * arrangement.num_ranks()),
          .saved = room.room<float>(2 * num_entries * kLanes),
          .saved_slot = room.room<std::int32_t>(num_entries),
          .queue = room.room<std::uint16_t>(num_blocks * arrangement.num_ranks()),
          .num_events = num_events,
          .copy_slot = room.room<std::uint16_t>(static_cast<std::size_t>(kGroups) * arrangement.num_logical()),
          .wave_end = room.room<std::uint16_t>(arrangement.num_logical() + 1),
          .wave_order = room.room<std::uint16_t>(arrangement.num_logical()),
          .last_wave = room.room<std::uint16_t>(arrangement.num_ranks())};
}

std::array<int, kNumStaged> staged_bytes(const ArrangementView& arrangement, std::size_t num_blocks) {
  const std::size_t slots = arrangement.num_slots();
  const std::size_t ranks = arrangement.num_ranks();
  const std::size_t experts = arrangement.num_logical();
  const std::size_t lane_values = num_blocks * kLanes * sizeof(float);
  const std::size_t sizes[kNumStaged] = {ranks * lane_values,
                                         slots * sizeof(std::int32_t),
                                         experts * sizeof(std::int32_t),
                                         slots * sizeof(std::int32_t),
                                         experts * sizeof(std::int32_t),
                                         num_blocks * ranks * sizeof(std::uint16_t),
                                         kGroups * experts * sizeof(std::uint16_t),
                                         (experts + 1) * sizeof(std::uint16_t),
                                         experts * sizeof(std::uint16_t),
                                         ranks * sizeof(std::uint16_t),
                                         slots * lane_values};
  std::array<int, kNumStaged> bytes{};
  std::ranges::transform(sizes, bytes.begin(), [](std::size_t size) {
    return static_cast<int>((size + kStagedAlignment - 1) / kStagedAlignment * kStagedAlignment);
  });
  return bytes;
}

/// `constants` has what comes from the host, `room` what the kernel writes and needs zeroed.
DeviceChain make_chain(const AnnealJob& job, Arena& constants, Arena& room) {
  const SamplerView& sampler = job.sampler->view();
  const Arrangement arrangement(job.rules->slots, {job.phy2log.begin(), job.phy2log.end()}, sampler.num_logical);
  std::vector<ChainBlock> blocks = make_chain_blocks(job);
  DeviceChain result;
  result.relax = job.args.relax;
  result.sampler = put_sampler(sampler, constants);
  result.lanes = make_lane_memory(arrangement, blocks.size(), job.args.relax, room);
  result.scratch = {.shares = room.room<double>(static_cast<std::size_t>(kLanes) * sampler.num_logical),
                    .factors = room.room<double>(static_cast<std::size_t>(kLanes) * (sampler.num_deviations + 1))};
  result.staged_bytes = staged_bytes(arrangement, blocks.size());
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

/// How the kernel is launched for all chains.
class Launcher {
 public:
  Launcher(std::span<const DeviceChain> made, DeviceChain* chains)
      : chains_(chains), num_chains_(static_cast<int>(made.size())) {
    for (const DeviceChain& chain : made) {
      num_threads_ = std::max(num_threads_, chain.chain.num_blocks * kWarp);
      stage_ = std::max(stage_, std::accumulate(chain.staged_bytes.begin(), chain.staged_bytes.end(), 0));
    }
    // Up to 16 warps may have 128 registers a thread.
    kernel_ = num_threads_ <= kFewThreads ? anneal_kernel<kFewThreads, true> : anneal_kernel<kMostThreads, true>;
    if (stage_ > stage_room()) {
      kernel_ = anneal_kernel<kMostThreads, false>;
      stage_ = std::min(stage_, stage_room());
    }
    // Not left to launch(), which does not count what the kernel has of its own.
    check_cuda(cudaFuncSetAttribute(kernel_, cudaFuncAttributeMaxDynamicSharedMemorySize, stage_), kName);
  }

  void launch(std::int64_t first, Part part) const {
    cuda::launch(
        kName, kernel_,
        {.num_blocks = num_chains_, .num_threads = num_threads_, .shared_bytes = static_cast<std::size_t>(stage_)},
        nullptr, chains_, first, part, stage_);
    check_cuda(cudaDeviceSynchronize(), kName);
  }

 private:
  static constexpr int kFewThreads = 16 * kWarp;
  static constexpr int kMostThreads = kMaxBlocks * kWarp;

  /// Shared memory that the kernel may still have.
  int stage_room() const {
    cudaFuncAttributes attributes{};
    check_cuda(cudaFuncGetAttributes(&attributes, kernel_), kName);
    return shared_bytes_of_block(kName) - static_cast<int>(attributes.sharedSizeBytes);
  }

  DeviceChain* chains_;
  int num_chains_;
  void (*kernel_)(DeviceChain*, std::int64_t, Part, int) = nullptr;
  int num_threads_ = kWarp;
  int stage_ = 0;  // bytes of shared memory for arrays
};

void run_chains(std::span<const AnnealJob> jobs, const Launcher& launcher) {
  std::int64_t num_moves = 0;
  for (const AnnealJob& job : jobs) {
    num_moves = std::max(num_moves, job.args.num_moves);
  }
  launcher.launch(0, Part::kFirst);
  for (std::int64_t i = kMovesPerLaunch; i < num_moves && all_go_on(jobs, i); i += kMovesPerLaunch) {
    launcher.launch(i, Part::kMiddle);
  }
  launcher.launch(num_moves, Part::kLast);
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
  run_chains(jobs, Launcher(made, chains.data()));
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
