// The split on the device against the CPU, every field of every plan: the named cases, random instances, sources and
// base loads, many graphs in one launch, captured graphs, and placements replaced under them.

#include "lplb/cuda_solve.h"
#include "support/cuda_solver.h"
#include "support/cuda_test.h"
#include "support/named_instances.h"
#include "support/random_instance.h"
#include "support/repetitions.h"

namespace lplb {
namespace {

using namespace lplb::testing;

class CudaSolve : public CudaTest {};

/// The CPU's plans over one graph. `counts` [n][E], `base_load` [n][G] or empty.
std::vector<Plan> expected_plans(const SplitGraph& graph, const std::vector<std::vector<Tokens>>& counts,
                                 const std::vector<std::vector<Tokens>>& base_load = {}) {
  SolveWorkspace workspace;
  std::vector<Plan> plans(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    solve(graph, counts[i], base_load.empty() ? std::span<const Tokens>() : base_load[i], workspace, plans[i]);
  }
  return plans;
}

std::vector<Tokens> joined(const std::vector<std::vector<Tokens>>& rows) {
  std::vector<Tokens> all;
  for (const std::vector<Tokens>& row : rows) {
    all.insert(all.end(), row.begin(), row.end());
  }
  return all;
}

/// First difference between expected and device plans, in words.
std::string compare(const std::vector<Plan>& expected, const std::vector<Plan>& plans) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::string found = difference(expected[i], plans[i]);
    if (!found.empty()) {
      return "split " + std::to_string(i) + ": " + found;
    }
  }
  return "";
}

std::string solve_and_compare(const SplitGraph& graph, const std::vector<std::vector<Tokens>>& counts,
                              const std::vector<std::vector<Tokens>>& base_load = {}) {
  const cuda::SolveGraph device_graph(graph);
  CudaSolver solver(device_graph, static_cast<int>(counts.size()));
  solver.set_input(joined(counts), joined(base_load));
  solver.launch();
  return compare(expected_plans(graph, counts, base_load),
                 solver.plans(std::vector<const SplitGraph*>(counts.size(), &graph)));
}

std::vector<NamedCase> all_cases() {
  std::vector<NamedCase> cases = named_cases();
  cases.push_back({"256_384_64", 256, 384, 64, 8, ""});
  cases.push_back(growth_case(8));
  cases.push_back(growth_case(128));
  return cases;
}

TEST_F(CudaSolve, NamedCasesAloneAndInOneLaunch) {
  const int num_placements = how_many({.of = "placements a case", .full = 4, .few = 1});
  for (const NamedCase& named : all_cases()) {
    for (const PlacedBatches& placed : place_and_draw(named, num_placements, 160, 11)) {
      const SplitGraph graph(placed.placement);
      EXPECT_EQ(solve_and_compare(graph, placed.batches), "") << named.name;
      EXPECT_EQ(solve_and_compare(graph, {placed.batches[0]}), "") << named.name;
    }
  }
}

/// Placements with live masks, and `num_batches` batches with base loads over each.
void check_random(const Repetitions& placements, int num_batches, const RandomLimits& limits, std::uint64_t seed) {
  const int num_placements = how_many(placements);
  for (int i = 0; i < num_placements; ++i) {
    Rng rng = seeded(seed, i);
    Instance instance = random_instance(rng, limits);
    const SplitGraph graph(instance.placement, instance.live);
    std::vector<std::vector<Tokens>> counts;
    std::vector<std::vector<Tokens>> base_load;
    const bool has_base = !instance.base_load.empty();
    for (int b = 0; b < num_batches; ++b) {
      counts.push_back(instance.counts = random_detail::random_counts(rng, graph.num_logical()));
      if (has_base) {
        base_load.push_back(random_detail::random_base(rng, instance));
      }
    }
    ASSERT_EQ(solve_and_compare(graph, counts, base_load), "")
        << "seed " << seed << ", index " << i << ": " << instance;
  }
}

TEST_F(CudaSolve, RandomInstances) {
  check_random({"placements", 300, 4}, 4, {.max_ranks = 12, .max_slots_per_rank = 6}, 201);
  check_random({"placements", 300, 4}, 4, {.max_ranks = 32, .max_slots_per_rank = 8}, 202);
  check_random({"placements", 300, 4}, 4, {.max_ranks = 64, .max_slots_per_rank = 8}, 203);
  check_random({"placements", 300, 4}, 4, {.max_ranks = 128, .max_slots_per_rank = 8}, 204);
}

TEST_F(CudaSolve, AMillionRandomInstances) {
  check_random({"placements", 1'500, 2}, 250, {.max_ranks = 12, .max_slots_per_rank = 6}, 205);
  check_random({"placements", 1'000, 2}, 300, {.max_ranks = 32, .max_slots_per_rank = 8}, 206);
  check_random({"placements", 700, 2}, 300, {.max_ranks = 64, .max_slots_per_rank = 8}, 207);
  check_random({"placements", 500, 2}, 250, {.max_ranks = 128, .max_slots_per_rank = 16}, 208);
}

/// Few splits over components of pairs go the short way.
TEST_F(CudaSolve, FewSplitsOverPairs) {
  const int num_placements = how_many({.of = "placements a case", .full = 4, .few = 1});
  const int num_batches = how_many({.of = "batches a placement", .full = 100, .few = 10});
  for (const NamedCase& named : all_cases()) {
    for (const PlacedBatches& placed : place_and_draw(named, num_placements, num_batches, 21)) {
      EXPECT_EQ(solve_and_compare(SplitGraph(placed.placement), placed.batches), "") << named.name;
    }
  }
  const int num_rings = how_many({.of = "rings", .full = 400, .few = 10});
  for (int i = 0; i < num_rings; ++i) {
    Rng rng = seeded(209, i);
    Instance instance = random_rings(rng);
    std::vector<std::vector<Tokens>> counts(20);
    std::vector<std::vector<Tokens>> base_load;
    for (std::vector<Tokens>& batch : counts) {
      batch = instance.counts = random_detail::random_counts(rng, instance.placement.num_logical());
      if (!instance.base_load.empty()) {
        base_load.push_back(random_detail::random_base(rng, instance));
      }
    }
    ASSERT_EQ(solve_and_compare(SplitGraph(instance.placement), counts, base_load), "")
        << "rings " << i << ": " << instance;
  }
}

TEST_F(CudaSolve, TheLargestShape) {
  Rng rng(5);
  std::vector<std::int32_t> phy2log(2048);
  for (int slot = 0; slot < 2048; ++slot) {  // eight groups of 128 ranks, two slots a rank
    const int group = slot / 256;
    phy2log[slot] = slot < 1024 * 2 && slot % 2 == 0 ? slot / 2 : group * 128 + static_cast<int>(rng.below(128));
  }
  const SplitGraph graph(Placement(phy2log, 1024, 1024));
  std::vector<std::vector<Tokens>> counts(3, std::vector<Tokens>(1024));
  for (std::vector<Tokens>& row : counts) {
    for (Tokens& tokens : row) {
      tokens = static_cast<Tokens>(rng.below(2'000'000));
    }
  }
  EXPECT_EQ(solve_and_compare(graph, counts), "");
}

TEST_F(CudaSolve, CountsBySource) {
  const PlacedBatches placed = place_and_draw(named_cases()[0], 1, 3, 12).front();
  const SplitGraph graph(placed.placement);
  const cuda::SolveGraph device_graph(graph);
  constexpr int kNumSources = 32;
  Rng rng(13);
  std::vector<Tokens> sources;
  for (const std::vector<Tokens>& batch : placed.batches) {
    const std::vector<Tokens> drawn =
        random_sources(rng, Instance{.placement = placed.placement, .counts = batch, .base_load = {}, .live = {}});
    sources.insert(sources.end(), drawn.begin(), drawn.end());
  }
  CudaSolver solver(device_graph, 3, kNumSources);
  solver.set_input(sources);
  solver.launch();
  EXPECT_EQ(compare(expected_plans(graph, placed.batches), solver.plans({&graph, &graph, &graph})), "");
}

TEST_F(CudaSolve, SplitsTakeTurnsOverGraphs) {
  const std::vector<PlacedBatches> placed = place_and_draw(named_cases()[1], 3, 2, 14);
  const SplitGraph graphs[] = {SplitGraph(placed[0].placement), SplitGraph(placed[1].placement),
                               SplitGraph(placed[2].placement)};
  const std::vector<const SplitGraph*> pointers = {&graphs[0], &graphs[1], &graphs[2]};
  const cuda::SolveGraph device_graph(pointers);
  std::vector<std::vector<Tokens>> counts;
  std::vector<Plan> expected;
  for (int i = 0; i < 6; ++i) {
    counts.push_back(placed[i % 3].batches[i / 3]);
    expected.push_back(expected_plans(graphs[i % 3], {counts.back()}).front());
  }
  CudaSolver solver(device_graph, 6);
  solver.set_input(joined(counts));
  solver.launch();
  EXPECT_EQ(
      compare(expected, solver.plans({pointers[0], pointers[1], pointers[2], pointers[0], pointers[1], pointers[2]})),
      "");
}

TEST_F(CudaSolve, TenRunsAreIdentical) {
  const int num_runs = how_many({.of = "runs", .full = 10, .few = 2});
  const int num_batches = how_many({.of = "batches", .full = 200, .few = 20});
  for (const NamedCase& named : named_cases()) {
    const PlacedBatches placed = place_and_draw(named, 1, num_batches, 15).front();
    const SplitGraph graph(placed.placement);
    const std::vector<const SplitGraph*> graphs(placed.batches.size(), &graph);
    const cuda::SolveGraph device_graph(graph);
    CudaSolver solver(device_graph, static_cast<int>(placed.batches.size()));
    solver.set_input(joined(placed.batches));
    solver.launch();
    const std::vector<Plan> first = solver.plans(graphs);
    for (int run = 1; run < num_runs; ++run) {
      solver.poison();
      solver.launch();
      ASSERT_EQ(compare(first, solver.plans(graphs)), "") << named.name << ", run " << run;
    }
  }
}

TEST_F(CudaSolve, ACapturedGraphFollowsNewCountsAndNewPlacements) {
  const std::vector<PlacedBatches> placed = place_and_draw(named_cases()[1], 8, 4, 16);
  cuda::SolveGraph device_graph{SplitGraph(placed[0].placement)};
  CudaSolver solver(device_graph, 1);
  const CapturedGraph captured(solver.stream(), [&] { solver.launch(); });
  for (const PlacedBatches& p : placed) {
    const SplitGraph graph(p.placement);
    device_graph.replace(graph, solver.stream());
    for (const std::vector<Tokens>& batch : p.batches) {
      solver.set_input(batch);
      captured.replay();
      ASSERT_EQ(compare(expected_plans(graph, {batch}), solver.plans({&graph})), "");
    }
  }
}

/// From a cube to a placement whose classes are larger than pairs, which the captured kernel solves the other way, and
/// back.
TEST_F(CudaSolve, ACapturedGraphOfPairsFollowsAnyPlacement) {
  const NamedCase cube = named_cases()[4];
  const NamedCase eplb{"eplb", cube.num_experts, cube.num_slots, cube.num_ranks, cube.num_nodes, ""};
  const std::vector<PlacedBatches> cubes = place_and_draw(cube, 2, 4, 22);
  const std::vector<PlacedBatches> others = place_and_draw(eplb, 2, 4, 22);
  cuda::SolveGraph device_graph{SplitGraph(cubes[0].placement)};
  CudaSolver solver(device_graph, 1);
  const CapturedGraph captured(solver.stream(), [&] { solver.launch(); });
  for (const PlacedBatches* p : {&others[0], &cubes[0], &others[1], &cubes[1]}) {
    const SplitGraph graph(p->placement);
    device_graph.replace(graph, solver.stream());
    for (const std::vector<Tokens>& batch : p->batches) {
      solver.set_input(batch);
      captured.replay();
      ASSERT_EQ(compare(expected_plans(graph, {batch}), solver.plans({&graph})), "");
    }
  }
}

TEST_F(CudaSolve, AHundredThousandReplaysAtConstantMemory) {
  const PlacedBatches placed = place_and_draw(named_cases()[4], 1, 1, 17).front();
  const SplitGraph graph(placed.placement);
  const cuda::SolveGraph device_graph(graph);
  CudaSolver solver(device_graph, 1);
  solver.set_input(placed.batches[0]);
  const CapturedGraph captured(solver.stream(), [&] { solver.launch(); });
  captured.replay();
  solver.wait();
  std::size_t free_before = 0;
  std::size_t free_after = 0;
  std::size_t total = 0;
  cudaMemGetInfo(&free_before, &total);
  const int num_replays = how_many({.of = "replays", .full = 100'000, .few = 20});
  for (int i = 0; i < num_replays; ++i) {
    captured.replay();
  }
  solver.wait();
  cudaMemGetInfo(&free_after, &total);
  EXPECT_EQ(free_before, free_after);
  EXPECT_EQ(compare(expected_plans(graph, placed.batches), solver.plans({&graph})), "");
}

void check_counts_without_a_split(const PlacedBatches& placed) {
  const SplitGraph graph(placed.placement);
  const cuda::SolveGraph device_graph(graph);
  std::vector<std::vector<Tokens>> counts(4, placed.batches[0]);
  counts[0][7] = -1;
  std::ranges::fill(counts[1], 2'000'000'000);
  std::ranges::fill(counts[2], -2'000'000'000);
  CudaSolver solver(device_graph, 4);
  solver.set_input(joined(counts));
  solver.launch();
  const std::vector<Plan> plans = solver.plans({&graph, &graph, &graph, &graph});
  EXPECT_EQ(plans[0].status, Status::kFallback);
  EXPECT_EQ(plans[1].status, Status::kFallback);
  EXPECT_EQ(plans[2].status, Status::kFallback);
  EXPECT_EQ(plans[3].status, Status::kOptimal);
}

TEST_F(CudaSolve, CountsWithoutASplitGiveAStatus) {
  for (const int named : {0, 4}) {  // classes of any size, and pairs
    check_counts_without_a_split(place_and_draw(named_cases()[named], 1, 1, 18).front());
  }
}

TEST_F(CudaSolve, RefusesWhatDoesNotFit) {
  const SplitGraph small(Placement({0, 1, 1, 2}, 3, 2));
  const SplitGraph other(Placement({0, 1, 1, 2, 0, 2}, 3, 2));
  cuda::SolveGraph device_graph(small);
  EXPECT_EQ(message_of([&] { device_graph.replace(other, nullptr); }),
            "[SolveGraph] a graph of 3 experts, 6 slots and 2 ranks among graphs of 3, 4 and 2");
  EXPECT_EQ(message_of([&] { device_graph.replace(small, nullptr, 1); }),
            "[SolveGraph::replace] index is 1; there are 1 graphs");
  EXPECT_EQ(message_of([&] { cuda::solve(device_graph, {}, {}, nullptr, nullptr); }),
            "[cuda::solve] counts and summary must not be null");
}

}  // namespace
}  // namespace lplb
