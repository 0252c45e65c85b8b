// The placement search: 256 experts on 64 ranks with two further slots each, from a window of 16 batches, on two
// threads. One layer with its whole effort; one layer stopped after 100 ms, with the mean imbalance that it reached
// over that of the whole effort (window, and noise that the window has not shown); and 58 layers.

#include <benchmark/benchmark.h>

#include <span>
#include <vector>

#include "optimize_case.h"

namespace lplb {
namespace {

const std::vector<Tokens>& windows() {
  static const std::vector<Tokens> made = model_windows();
  return made;
}

std::span<const Tokens> one_window() { return std::span(windows()).first(std::size_t{kModelBatches} * kModelExperts); }

double imbalance(const OptimizeResult& result, Scenario scenario) {
  return result.score.imbalance[static_cast<int>(scenario)];
}

void one_layer(benchmark::State& state) {
  for (auto _ : state) {
    const OptimizeResult result = optimize_placement(one_window(), model_args(2));
    state.counters["imbalance_window"] = imbalance(result, Scenario::kRecorded);
    state.counters["imbalance_noise"] = imbalance(result, Scenario::kNoise);
    state.counters["moves"] = static_cast<double>(result.num_moves);
  }
}

void one_layer_in_100_ms(benchmark::State& state) {
  const OptimizeResult whole = optimize_placement(one_window(), model_args(2));
  OptimizeArgs args = model_args(2);
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
    benchmark::DoNotOptimize(optimize_layers(windows(), kModelLayers, model_args(2)).layers.data());
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
