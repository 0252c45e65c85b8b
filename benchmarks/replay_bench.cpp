// Replay of the whole bundled trace with every strategy, on all cores: what `make demo` computes. The result is
// compared with that of one thread before anything is timed.

#include <benchmark/benchmark.h>

#include "lplb/replay.h"
#include "lplb/trace_io.h"

namespace lplb {
namespace {

/// Mean imbalance of every strategy, in order.
std::vector<double> mean_imbalances(const Trace& trace, int num_threads) {
  const ReplayResult result = replay(trace, {.num_ranks = 32, .num_nodes = 4, .num_threads = num_threads});
  std::vector<double> means;
  for (const StrategyResult& strategy : result.strategies) {
    means.push_back(strategy.imbalance.mean);
  }
  return means;
}

void time_replay(benchmark::State& state) {
  const Trace trace = read_trace(LPLB_SOURCE_DIR "/data/moe128.npz");
  if (mean_imbalances(trace, 0) != mean_imbalances(trace, 1)) {
    state.SkipWithError("the result depends on the number of threads");
    return;
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(mean_imbalances(trace, 0));
  }
}

BENCHMARK(time_replay)
    ->Name("replay/cpu/lplb/moe128_32_ranks_all_strategies")
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace lplb
