// What follows the split on one rank: count, apportion one row and the whole table, remap 4096 x 8 ids, and the planner
// that does it all. Over the placements and batches of the split's benchmarks.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "lplb/apportion.h"
#include "lplb/count.h"
#include "lplb/planner.h"
#include "lplb/remap.h"
#include "support/named_instances.h"
#include "support/random_instance.h"

namespace lplb {
namespace {

using testing::NamedCase;

constexpr std::size_t kNumIds = 4096 * 8;

/// 4096 x 8 ids, experts in proportion to the batch's counts.
std::vector<std::int32_t> draw_topk(const std::vector<Tokens>& counts) {
  std::vector<std::int32_t> pool;
  for (std::size_t e = 0; e < counts.size(); ++e) {
    pool.insert(pool.end(), counts[e], static_cast<std::int32_t>(e));
  }
  Rng rng(11);
  std::vector<std::int32_t> topk(kNumIds);
  for (std::int32_t& id : topk) {
    id = pool[rng.below(pool.size())];
  }
  return topk;
}

/// One placement, one batch over all ranks, and one source's ids. The source's own counts come from its ids; the other
/// sources divide the rest of the batch.
struct Batch {
  explicit Batch(const NamedCase& named)
      : placed(testing::place_and_draw(named, 1, 1, 7).front()),
        topk(draw_topk(placed.batches[0])),
        sources(named.num_experts * static_cast<std::size_t>(named.num_ranks)) {
    count_tokens(topk, std::span<Tokens>(sources).first(named.num_experts));
    for (int e = 0; e < named.num_experts; ++e) {
      for (int s = 1; s < named.num_ranks; ++s) {
        sources[s * static_cast<std::size_t>(named.num_experts) + e] = placed.batches[0][e] / named.num_ranks;
      }
    }
    Planner planner(placed.placement);
    quota = planner.plan_counts(sources).quota;
  }

  testing::PlacedBatches placed;
  std::vector<std::int32_t> topk;  // [4096 x 8] of source 0
  std::vector<Tokens> sources;     // [S, E]
  std::vector<Tokens> quota;       // [P]
};

void time_count(benchmark::State& state, const Batch& batch) {
  std::vector<Tokens> counts(batch.placed.placement.num_logical());
  for (auto _ : state) {
    count_tokens(batch.topk, counts);
    benchmark::DoNotOptimize(counts.data());
  }
}

void time_apportion(benchmark::State& state, const Batch& batch) {
  const Placement& placement = batch.placed.placement;
  std::vector<Tokens> table(static_cast<std::size_t>(placement.num_ranks()) * placement.num_physical());
  for (auto _ : state) {
    apportion(placement, batch.sources, batch.quota, table);
    benchmark::DoNotOptimize(table.data());
  }
}

void time_apportion_source(benchmark::State& state, const Batch& batch) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(apportion_source(batch.placed.placement, batch.sources, batch.quota, 0).tokens.data());
  }
}

template <class Id>
void time_remap(benchmark::State& state, const Batch& batch) {
  const SourceTable table = apportion_source(batch.placed.placement, batch.sources, batch.quota, 0);
  const std::vector<Id> topk(batch.topk.begin(), batch.topk.end());
  std::vector<Id> physical(topk.size());
  for (auto _ : state) {
    remap(batch.placed.placement, table, topk, physical);
    benchmark::DoNotOptimize(physical.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(topk.size()));
}

void time_planner(benchmark::State& state, const Batch& batch) {
  Planner planner(batch.placed.placement);
  for (auto _ : state) {
    benchmark::DoNotOptimize(planner.run(batch.topk).data());
  }
}

const bool registered = [] {
  for (const NamedCase& named : testing::named_cases()) {
    const auto add = [&named](const std::string& name, auto run) {
      benchmark::RegisterBenchmark((name + "/" + named.name).c_str(), [named, run](benchmark::State& state) {
        run(state, Batch(named));
      })->Unit(benchmark::kMicrosecond);
    };
    add("count/cpu/lplb/4096x8", time_count);
    add("apportion/cpu/lplb/all_sources", time_apportion);
    add("apportion/cpu/lplb/one_source", time_apportion_source);
    add("remap/cpu/lplb/4096x8_int32", time_remap<std::int32_t>);
    add("remap/cpu/lplb/4096x8_int64", time_remap<std::int64_t>);
    add("planner_run/cpu/lplb/4096x8", time_planner);
  }
  return true;
}();

}  // namespace
}  // namespace lplb
