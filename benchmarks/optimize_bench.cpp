// The placement search: 256 experts on 64 ranks with two further slots each, from a window of 16 batches, on two
// threads. One layer with its whole effort; one layer stopped after 100 ms, with the mean imbalance that it reached
// over that of the whole effort (window, and noise that the window has not shown); and 58 layers.

#include <benchmark/benchmark.h>

#include <span>
#include <string>
#include <vector>

#include "lplb/optimize.h"
#include "lplb/trace_io.h"

namespace lplb {
namespace {

constexpr int kNumLayers = 58;
constexpr int kNumBatches = 16;
constexpr int kNumLogical = 256;

/// [L, T, E] of log-normal popularity (sigma 0.7) that drifts by a fiftieth from batch to batch.
std::vector<Tokens> make_windows() {
  const Trace trace = synthesize_trace({.num_steps = kNumBatches,
                                        .num_layers = kNumLayers,
                                        .num_experts = kNumLogical,
                                        .tokens_per_source = 131072,
                                        .skew = 0.7,
                                        .drift = 0.02,
                                        .seed = 1});
  std::vector<Tokens> windows;
  for (int layer = 0; layer < kNumLayers; ++layer) {
    for (int step = 0; step < kNumBatches; ++step) {
      const auto counts = trace.at(step, layer);
      windows.insert(windows.end(), counts.begin(), counts.end());
    }
  }
  return windows;
}

const std::vector<Tokens>& windows() {
  static const std::vector<Tokens> made = make_windows();
  return made;
}

std::span<const Tokens> one_window() { return std::span(windows()).first(std::size_t{kNumBatches} * kNumLogical); }

OptimizeArgs make_args() {
  return {.rules = {.num_logical = kNumLogical, .num_ranks = 64, .slots_per_rank = 6}, .num_threads = 2};
}

double imbalance(const OptimizeResult& result, Scenario scenario) {
  return result.score.imbalance[static_cast<int>(scenario)];
}

void one_layer(benchmark::State& state) {
  for (auto _ : state) {
    const OptimizeResult result = optimize_placement(one_window(), make_args());
    state.counters["imbalance_window"] = imbalance(result, Scenario::kRecorded);
    state.counters["imbalance_noise"] = imbalance(result, Scenario::kNoise);
    state.counters["moves"] = static_cast<double>(result.num_moves);
  }
}

void one_layer_in_100_ms(benchmark::State& state) {
  const OptimizeResult whole = optimize_placement(one_window(), make_args());
  OptimizeArgs args = make_args();
  args.time_limit_s = 0.1;
  for (auto _ : state) {
    const OptimizeResult result = optimize_placement(one_window(), args);
    state.counters["window_over_whole_effort"] =
        imbalance(result, Scenario::kRecorded) / imbalance(whole, Scenario::kRecorded);
    state.counters["noise_over_whole_effort"] =
        imbalance(result, Scenario::kNoise) / imbalance(whole, Scenario::kNoise);
  }
}

void model(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(optimize_layers(windows(), kNumLayers, make_args()).layers.data());
  }
}

BENCHMARK(one_layer)->Name("optimize/cpu/lplb/256_384_64/one_layer")->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(one_layer_in_100_ms)
    ->Name("optimize/cpu/lplb/256_384_64/one_layer_100_ms")
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(model)->Name("optimize/cpu/lplb/256_384_64/58_layers")->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace lplb
