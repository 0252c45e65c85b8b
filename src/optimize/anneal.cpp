// A chain on the CPU: the decisions are of optimize/chain.h, the lanes of a block are levelled side by side in vector
// registers, and a move is followed in one block after the other, only as far as it takes to drop it.

#include "optimize/anneal.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace lplb {
namespace {

class CpuChain {
 public:
  explicit CpuChain(const AnnealJob& job)
      : job_(job),
        arrangement_(job.rules->slots, {job.phy2log.begin(), job.phy2log.end()}, job.sampler->view().num_logical),
        dirty_(arrangement_.num_ranks()),
        blocks_(make_chain_blocks(job)),
        pulls_(blocks_.size() * kLanes),
        block_pulls_(blocks_.size()),
        best_(job.phy2log.size()) {
    lanes_.reserve(blocks_.size());
    chain_.arrangement = arrangement_;
    chain_.rules = job.rules->view();
    chain_.objective = job.args.objective;
    chain_.cooling = cooling_of(job.args);
    chain_.rng = Rng(mix64(job.args.seed));
    chain_.num_blocks = static_cast<int>(blocks_.size());
    chain_.blocks = blocks_.data();
    chain_.pulls = pulls_.data();
    chain_.block_pulls = block_pulls_.data();
    chain_.best = best_.data();
    for (int i = 0; i < chain_.num_blocks; ++i) {
      lanes_.emplace_back(arrangement_.num_logical(), arrangement_.num_ranks(), arrangement_.num_slots());
      blocks_[i].rank_load = lanes_[i].rank_load().front().data();
      fill_block(i);
    }
    chain_.begin();
    chain_.score_all();
  }

  AnnealResult run() {
    for (std::int64_t i = 0; i < job_.args.num_moves; ++i) {
      if (i % 64 == 0 && job_.args.go_on && !job_.args.go_on(i)) {
        break;
      }
      chain_.cool(i);
      measure_pulls();
      Move move;
      if (chain_.propose(move)) {
        try_move(move);
      }
      if (i % kRedrawInterval == 0) {
        redraw_next();
      }
    }
    chain_.keep_if_best();
    return {std::move(best_), chain_.num_tried, chain_.num_accepted, chain_.best_score};
  }

 private:
  void fill_block(int i) {
    ChainBlock& block = blocks_[i];
    const SamplerView& sampler = job_.sampler->view();
    const auto weights = lanes_[i].weights();
    if (block.scenario == 0) {
      for (int lane = 0; lane < kLanes; ++lane) {
        put_recorded(sampler, recorded_lane_batch(sampler, block.first_batch + lane), weights.front().data() + lane);
      }
    } else {
      job_.sampler->draw(static_cast<Scenario>(block.scenario), chain_.rng, weights);
    }
    lanes_[i].restart(arrangement_, kRestartSweeps);
    block.excess = measured(i);
  }

  std::array<double, kLanes> measured(int i) const {
    LaneValues max_load;
    LaneValues squares;
    lanes_[i].measure(max_load, squares);
    std::array<double, kLanes> excess{};
    for (int lane = 0; lane < kLanes; ++lane) {
      excess[lane] = lane_excess(max_load[lane], squares[lane]);
    }
    return excess;
  }

  void measure_pulls() {
    for (int i = 0; i < chain_.num_blocks; ++i) {
      block_pulls_[i] = 0;
      for (int lane = 0; lane < kLanes; ++lane) {
        pulls_[i * kLanes + lane] = chain_.pull_of(i, lane);
        block_pulls_[i] += pulls_[i * kLanes + lane];
      }
    }
  }

  void redraw_next() {
    fill_block(chain_.next_refresh);
    chain_.next_refresh = (chain_.next_refresh + 1) % chain_.num_blocks;
    chain_.score_all();
  }

  void try_move(const Move& move) {
    chain_.start(move);
    chain_.judge_until(chain_.num_blocks, [&](int position) {
      const int i = chain_.order[position];
      lanes_[i].follow(arrangement_, move, dirty_, job_.args.relax);
      blocks_[i].old_excess = blocks_[i].excess;
      blocks_[i].excess = measured(i);
      return chain_.value_of(blocks_[i].scenario);
    });
    chain_.finish(move);
    for (int position = 0; position < chain_.num_followed; ++position) {
      const int i = chain_.order[position];
      if (chain_.accepted) {
        lanes_[i].keep();
      } else {
        lanes_[i].take_back();
        blocks_[i].excess = blocks_[i].old_excess;
      }
    }
  }

  const AnnealJob& job_;
  Arrangement arrangement_;  // whose memory the chain works on
  DirtyRanks dirty_;
  std::vector<ChainBlock> blocks_;
  std::vector<LaneBlock> lanes_;  // of the blocks
  std::vector<double> pulls_;
  std::vector<double> block_pulls_;
  std::vector<std::int32_t> best_;
  Chain chain_;
};

}  // namespace

std::vector<ChainBlock> make_chain_blocks(const AnnealJob& job) {
  const SamplerView& sampler = job.sampler->view();
  const PlacementObjective& objective = job.args.objective;
  std::vector<ChainBlock> blocks;
  for (int scenario = 0; scenario < kNumScenarios; ++scenario) {
    int num_blocks = job.args.num_blocks[scenario];
    if (scenario == 0) {
      num_blocks = std::min(num_blocks, (sampler.num_batches + kLanes - 1) / kLanes);
    } else if (objective.weight[scenario] <= 0 && objective.linear[scenario] <= 0) {
      num_blocks = 0;
    }
    for (int i = 0; i < num_blocks; ++i) {
      ChainBlock block{.scenario = scenario, .first_batch = i * kLanes};
      for (int lane = 0; lane < kLanes; ++lane) {
        block.weight[lane] = scenario == 0 ? recorded_lane_weight(sampler, block.first_batch + lane) : 1.0;
      }
      blocks.push_back(block);
    }
  }
  check(blocks.size() <= kMaxBlocks, "[anneal] ", blocks.size(), " blocks of lanes are more than ", kMaxBlocks);
  return blocks;
}

Cooling cooling_of(const AnnealArgs& args) {
  const double ratio = args.last_temperature / args.first_temperature;
  return {.first_temperature = args.first_temperature,
          .factor = std::pow(ratio, args.num_cycles / static_cast<double>(std::max<std::int64_t>(args.num_moves, 1))),
          .num_cycles = args.num_cycles,
          .num_moves = args.num_moves};
}

AnnealResult anneal(const AnnealJob& job) { return CpuChain(job).run(); }

}  // namespace lplb
