// EPLB of a whole model on one core: 58 layers x 256 experts -> 288 slots on 32 ranks, hierarchical (8 groups, 4 nodes)
// and global, on log-normal weights and, where the shared traces are present, on recorded loads of DeepSeek-V3.

#include <benchmark/benchmark.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "base/rng.h"
#include "lplb/eplb.h"
#include "lplb/trace_io.h"

namespace lplb {
namespace {

constexpr int kNumLayers = 58;
constexpr int kNumLogical = 256;
const char* const kRecorded = LPLB_SHARED_DIR "/traces/deepseek-v3/mmlu_4k_counts.npy";

std::vector<float> log_normal_weights() {
  Rng rng(1);
  std::vector<float> weights(static_cast<std::size_t>(kNumLayers) * kNumLogical);
  for (float& weight : weights) {
    weight = static_cast<float>(1000.0 * std::exp(rng.normal()));
  }
  return weights;
}

EplbArgs model_args(int num_groups, int num_nodes) {
  return {.num_layers = kNumLayers,
          .num_logical = kNumLogical,
          .num_replicas = 288,
          .num_groups = num_groups,
          .num_nodes = num_nodes,
          .num_gpus = 32};
}

void time_eplb(benchmark::State& state, const std::vector<float>& weights, const EplbArgs& args) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(rebalance_experts(weights, args).phy2log.data());
  }
}

void register_eplb(const std::string& loads, const std::vector<float>& weights) {
  const auto add = [&](const std::string& policy, const EplbArgs& args) {
    benchmark::RegisterBenchmark(("eplb/cpu/lplb/58x256_288_32/" + policy + "/" + loads).c_str(),
                                 [weights, args](benchmark::State& state) { time_eplb(state, weights, args); })
        ->Unit(benchmark::kMicrosecond);
  };
  add("hierarchical", model_args(8, 4));
  add("global", model_args(1, 1));
}

const bool registered = [] {
  register_eplb("log_normal", log_normal_weights());
  if (std::filesystem::exists(kRecorded)) {
    register_eplb("deepseek_v3", read_loads(kRecorded).values);
  }
  return true;
}();

}  // namespace
}  // namespace lplb
