// The CUDA stages but the solver, and the planner's whole path, as nodes of a CUDA graph. Every result is compared with
// the CPU's before anything is timed. A sample is one replay of a graph that holds the path 100 times, divided by 100;
// 200 instances of ids, five replays each. Writes JSON to the given file.
//
//   bench_cuda_stages benchmarks/results/cuda_stages.json

#include <algorithm>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "cuda/device_buffer.cuh"
#include "cuda/launch.cuh"
#include "cuda_bench.cuh"
#include "lplb/count.h"
#include "lplb/cuda_apportion.h"
#include "lplb/cuda_count.h"
#include "lplb/cuda_planner.h"
#include "lplb/planner.h"
#include "lplb/remap.h"
#include "planner/apportion_remap.cuh"
#include "support/named_instances.h"
#include "support/random_batch.h"

namespace lplb::cuda {
namespace {

using testing::BatchStyle;
using testing::NamedCase;

constexpr int kTopK = 8;
/// Batches of ids on the device, and the one that the graphs read.
template <class Id>
class Batches {
 public:
  Batches(std::size_t num_ids, int num_experts, BatchStyle style) : num_ids_(num_ids), current_(num_ids) {
    Rng rng(91);
    const int num_batches = static_cast<int>(std::min<std::size_t>(kNumInstances, 50'000'000 / num_ids));
    std::vector<Id> all;
    for (int i = 0; i < num_batches; ++i) {
      const auto ids = testing::random_topk(rng, num_ids, num_experts, style);
      all.insert(all.end(), ids.begin(), ids.end());
      host_.emplace_back(ids.begin(), ids.end());
    }
    all_ = DeviceBuffer<Id>(all);
  }
  void take(int instance, Stream stream) {
    const std::size_t batch = instance % host_.size();
    check_cuda(cudaMemcpyAsync(current_.data(), all_.data() + batch * num_ids_, num_ids_ * sizeof(Id),
                               cudaMemcpyDeviceToDevice, stream),
               "bench");
  }
  const std::vector<Id>& host(int instance) const { return host_[instance % host_.size()]; }
  int num_batches() const { return static_cast<int>(host_.size()); }
  Routing<Id> routing() const { return {.topk_idx = current_.span(), .top_k = kTopK}; }

 private:
  std::size_t num_ids_;
  DeviceBuffer<Id> all_;
  DeviceBuffer<Id> current_;
  std::vector<std::vector<Id>> host_;
};

template <class Id>
const char* id_name() {
  return sizeof(Id) == 4 ? "int32" : "int64";
}

const char* style_name(BatchStyle style) { return style == BatchStyle::kOneExpert ? "one_expert" : "uniform"; }

template <class Id>
void bench_count(Bench& bench, int num_tokens, BatchStyle style, double target_us) {
  const std::size_t num_ids = static_cast<std::size_t>(num_tokens) * kTopK;
  Batches<Id> batches(num_ids, 256, style);
  DeviceBuffer<Tokens> counts(256);
  DeviceBuffer<std::byte> workspace(routing_workspace_bytes(num_ids, 256));
  const auto enqueue = [&] { count_tokens(batches.routing(), counts.span(), workspace.span(), bench.stream()); };
  for (int i = 0; i < std::min(20, batches.num_batches()); ++i) {
    batches.take(i, bench.stream());
    enqueue();
    bench.synchronize();
    std::vector<Tokens> expected(256);
    lplb::count_tokens(std::span<const Id>(batches.host(i)), expected);
    require(counts.download() == expected, "count");
  }
  bench.time(
      std::string("count/cuda/lplb/") + std::to_string(num_tokens) + "x8_" + id_name<Id>() + "/256_" +
          style_name(style),
      target_us, [&](int i) { batches.take(i, bench.stream()); }, enqueue);
}

/// Everything of one placement: run; and for one source of many, apportion + remap and the path from counts on.
template <class Id>
class PathBench {
 public:
  PathBench(Bench& bench, const NamedCase& named, int num_tokens)
      : bench_(bench),
        named_(named),
        num_tokens_(num_tokens),
        placement_(testing::place_and_draw(named, 1, 1, 7).front().placement),
        batches_(static_cast<std::size_t>(num_tokens) * kTopK, named.num_experts, BatchStyle::kSkewed),
        planner_(placement_, {.max_ids = static_cast<std::int64_t>(num_tokens) * kTopK}),
        reference_(placement_),
        physical_(static_cast<std::size_t>(num_tokens) * kTopK),
        per_rank_(named.num_ranks),
        per_expert_(named.num_slots),
        in_rank_(static_cast<std::size_t>(num_tokens) * named.num_ranks),
        sources_(static_cast<std::size_t>(named.num_ranks) * named.num_experts) {}

  void run(double target_us) {
    const auto enqueue = [&] { planner_.run(batches_.routing(), physical_.span(), {}, bench_.stream()); };
    verify_run(enqueue);
    time("planner_run", target_us, enqueue);
    time("planner_run_layout", 0,
         [&] { planner_.run(batches_.routing(), physical_.span(), layout(), bench_.stream()); });
  }

  /// Source 0 has the instance's ids, the others random counts.
  void from_counts(double target_us) {
    verify_from_counts();
    const DevicePlacement placement(placement_);
    DeviceBuffer<std::byte> workspace(routing_workspace_bytes(physical_.size(), named_.num_experts));
    DeviceBuffer<Tokens> counts(named_.num_experts);
    DeviceBuffer<Tokens> table(named_.num_slots);
    const DeviceBuffer<Tokens> quota(reference_.plan().quota);
    take(0);
    count_tokens(batches_.routing(), counts.span(), workspace.span(), bench_.stream());
    bench_.synchronize();
    const auto fixed = [](int) {};
    bench_.time(name("apportion_remap"), target_us, fixed, [&] {
      apportion_and_remap(placement, apportion_args(quota, table), remap_args(table, workspace, true), bench_.stream());
    });
    bench_.time(name("apportion"), 0, fixed,
                [&] { apportion(placement, apportion_args(quota, table), bench_.stream()); });
    bench_.time(name("remap"), 0, fixed,
                [&] { cuda::remap(placement, remap_args(table, workspace, false), bench_.stream()); });
    time("plan_apportion_remap", 0, [&] { enqueue_planner(); });
  }

 private:
  std::string name(const char* what) const {
    return std::string(what) + "/cuda/lplb/" + std::to_string(num_tokens_) + "x8_" + id_name<Id>() + "/" + named_.name;
  }
  void time(const char* what, double target_us, const std::function<void()>& enqueue) {
    bench_.time(
        name(what), target_us, [&](int i) { batches_.take(i, bench_.stream()); }, enqueue);
  }
  DispatchLayout layout() {
    return {.num_tokens_per_rank = per_rank_.span(),
            .num_tokens_per_expert = per_expert_.span(),
            .is_token_in_rank = in_rank_.span()};
  }
  RemapArgs<Id> remap_args(const DeviceBuffer<Tokens>& table, DeviceBuffer<std::byte>& workspace, bool overlaps) {
    return {.routing = batches_.routing(),
            .table = table.span(),
            .workspace = workspace.span(),
            .physical = physical_.span(),
            .layout = {},
            .overlaps_previous = overlaps};
  }
  ApportionArgs apportion_args(const DeviceBuffer<Tokens>& quota, DeviceBuffer<Tokens>& table) {
    return {.counts = std::as_const(sources_).span(),
            .quota = quota.span(),
            .live = {},
            .source_rank = 0,
            .tokens = table.span()};
  }
  void enqueue_planner() {
    planner_.plan(sources_.span(), bench_.stream());
    planner_.remap(batches_.routing(), sources_.span(), physical_.span(), {}, bench_.stream());
  }
  void take(int instance) {
    batches_.take(instance, bench_.stream());
    Rng rng(instance);
    std::vector<Tokens> sources(named_.num_experts);
    lplb::count_tokens(std::span<const Id>(batches_.host(instance)), sources);
    for (std::size_t i = named_.num_experts; i < sources_.size(); ++i) {
      sources.push_back(static_cast<Tokens>(rng.below(2 * batches_.host(0).size() / named_.num_experts)));
    }
    sources_.upload(sources);
    reference_.plan_counts(sources);
  }

  void verify_run(const std::function<void()>& enqueue) {
    for (int i = 0; i < std::min(20, batches_.num_batches()); ++i) {
      batches_.take(i, bench_.stream());
      enqueue();
      bench_.synchronize();
      require(physical_.download() == reference_.run(std::span<const Id>(batches_.host(i))), name("planner_run"));
      require(planner_.read_plan(bench_.stream()).digest == reference_.plan().digest, name("planner_run"));
    }
  }
  void verify_from_counts() {
    for (int i = 5; i >= 0; --i) {
      take(i);
      planner_.count(batches_.routing(), bench_.stream());
      enqueue_planner();
      bench_.synchronize();
      std::vector<Id> expected(physical_.size());
      lplb::remap(placement_, reference_.source_table(0), std::span<const Id>(batches_.host(i)),
                  std::span<Id>(expected));
      require(physical_.download() == expected, name("apportion_remap"));
    }
  }

  Bench& bench_;
  const NamedCase& named_;
  int num_tokens_;
  lplb::Placement placement_;
  Batches<Id> batches_;
  cuda::Planner planner_;
  lplb::Planner reference_;
  DeviceBuffer<Id> physical_;
  DeviceBuffer<Tokens> per_rank_;
  DeviceBuffer<Tokens> per_expert_;
  DeviceBuffer<std::uint8_t> in_rank_;
  DeviceBuffer<Tokens> sources_;
};

__global__ void empty_kernel() { wait_for_previous(); }

void bench_all(Bench& bench, double copy_bandwidth) {
  const auto fixed = [](int) {};
  bench.time("floor/cuda/launch/empty", 0, fixed, [&] { launch("bench", empty_kernel, {}, bench.stream()); });
  bench.time("floor/cuda/launch/empty_overlapping", 0, fixed,
             [&] { launch("bench", empty_kernel, {.overlaps_previous = true}, bench.stream()); });
  bench.time("floor/cuda/launch/empty_8x1024", 0, fixed,
             [&] { launch("bench", empty_kernel, {.num_blocks = 8, .num_threads = 1024}, bench.stream()); });
  bench.time("floor/cuda/launch/empty_8x1024_cluster", 0, fixed, [&] {
    launch("bench", empty_kernel, {.num_blocks = 8, .num_threads = 1024, .cluster_size = 8, .overlaps_previous = true},
           bench.stream());
  });
  const auto read_target = [&](double bytes) { return 1.5 * bytes / copy_bandwidth + 2; };
  for (const BatchStyle style : {BatchStyle::kUniform, BatchStyle::kOneExpert}) {
    const double target = style == BatchStyle::kUniform ? 3 : 4;
    bench_count<std::int32_t>(bench, 4096, style, target);
    bench_count<std::int64_t>(bench, 4096, style, target);
    bench_count<std::int32_t>(bench, 65536, style, read_target(65536.0 * kTopK * 4));
    bench_count<std::int64_t>(bench, 65536, style, read_target(65536.0 * kTopK * 8));
  }
  const NamedCase& cube = testing::named_cases()[4];
  const NamedCase& ep64 = testing::named_cases()[1];
  for (const NamedCase* named : {&cube, &ep64}) {
    const double run_target = named == &cube ? 8 : 14;
    PathBench<std::int32_t> narrow(bench, *named, 4096);
    narrow.run(run_target);
    narrow.from_counts(3);
    PathBench<std::int64_t> wide(bench, *named, 4096);
    wide.run(run_target);
    wide.from_counts(3);
    PathBench<std::int64_t> large(bench, *named, 65536);
    large.run(0);
    large.from_counts(read_target(65536.0 * kTopK * 8));
  }
}

}  // namespace
}  // namespace lplb::cuda

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: bench_cuda_stages OUTPUT.json\n";
    return 2;
  }
  if (lplb::cuda::device_count() == 0) {
    std::cerr << "bench_cuda_stages: no CUDA device\n";
    return 4;
  }
  lplb::cuda::Bench bench;
  const double copy_bandwidth = bench.copy_bytes_per_us();
  lplb::cuda::bench_all(bench, copy_bandwidth);
  bench.write_json(argv[1], "bench_cuda_stages", copy_bandwidth);
  return 0;
}
