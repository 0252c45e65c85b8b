// The split against its peers: LEMON's preflow with bisection, COIN CLP and GLPK (dual simplex from the last basis).
// Every case has 64 instances: 8 placements, each made from a history, with 8 other batches each. What depends on the
// placement alone (our graph, the peers' network or model) is built once and not timed; all answers are compared before
// any is timed. One iteration is one solve. The growth cases have 16 instances and LEMON as the only peer.

#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lplb/solve.h"
#include "support/named_instances.h"
#include "support/oracle_flow.h"
#include "support/oracle_lp.h"

namespace lplb {
namespace {

using testing::NamedCase;
using testing::PlacedBatches;

/// This library through its public interface, with the interface of the peers.
class Lplb {
 public:
  Lplb(const Placement& placement, std::span<const std::uint8_t> live) : graph_(placement, live) {}

  Tokens optimum(std::span<const Tokens> counts, std::span<const Tokens> base_load) {
    solve(graph_, counts, base_load, workspace_, plan_);
    return plan_.max_load;
  }

 private:
  SplitGraph graph_;
  SolveWorkspace workspace_;
  Plan plan_;
};

template <class Solver>
std::vector<std::unique_ptr<Solver>> build_solvers(const std::vector<PlacedBatches>& instances) {
  std::vector<std::unique_ptr<Solver>> solvers;
  for (const PlacedBatches& placed : instances) {
    solvers.push_back(std::make_unique<Solver>(placed.placement, std::span<const std::uint8_t>()));
  }
  return solvers;
}

/// Optimum of every instance, in order.
template <class Solver>
std::vector<Tokens> solve_all(const std::vector<PlacedBatches>& instances) {
  const auto solvers = build_solvers<Solver>(instances);
  std::vector<Tokens> optima;
  for (std::size_t i = 0; i < instances.size(); ++i) {
    for (const std::vector<Tokens>& batch : instances[i].batches) {
      optima.push_back(solvers[i]->optimum(batch, {}));
    }
  }
  return optima;
}

/// The instances of a case, drawn once, and our answers, which every solver must repeat before it is timed.
struct Case {
  explicit Case(const NamedCase& named, int num_placements)
      : instances(testing::place_and_draw(named, num_placements, 8, 7)), optima(solve_all<Lplb>(instances)) {}

  int num_instances() const { return static_cast<int>(optima.size()); }

  std::vector<PlacedBatches> instances;
  std::vector<Tokens> optima;
};

const Case& get_case(const NamedCase& named, int num_placements) {
  static std::map<std::string, std::unique_ptr<Case>> cases;
  auto& entry = cases[named.name];
  if (!entry) {
    entry = std::make_unique<Case>(named, num_placements);
  }
  return *entry;
}

template <class Solver>
void time_split(benchmark::State& state, const NamedCase& named, int num_placements) {
  const Case& data = get_case(named, num_placements);
  if (solve_all<Solver>(data.instances) != data.optima) {
    state.SkipWithError("the optimum differs from ours");
    return;
  }
  const auto solvers = build_solvers<Solver>(data.instances);
  while (state.KeepRunningBatch(data.num_instances())) {
    for (std::size_t i = 0; i < data.instances.size(); ++i) {
      for (const std::vector<Tokens>& batch : data.instances[i].batches) {
        benchmark::DoNotOptimize(solvers[i]->optimum(batch, {}));
      }
    }
  }
  state.counters["instances"] = data.num_instances();
}

template <class Solver>
void register_split(const std::string& solver, const NamedCase& named, int num_placements) {
  benchmark::RegisterBenchmark(("split/cpu/" + solver + "/" + named.name).c_str(), [named, num_placements](
                                                                                       benchmark::State& state) {
    time_split<Solver>(state, named, num_placements);
  })->Unit(benchmark::kMicrosecond);
}

const bool registered = [] {
  for (const NamedCase& named : testing::named_cases()) {
    register_split<Lplb>("lplb", named, 8);
    register_split<testing::FlowOracle>("lemon", named, 8);
    register_split<testing::ClpOracle>("clp", named, 8);
    register_split<testing::GlpkOracle>("glpk", named, 8);
  }
  for (int num_ranks = 8; num_ranks <= kMaxRanks; num_ranks *= 2) {
    const NamedCase named = testing::growth_case(num_ranks);
    register_split<Lplb>("lplb", named, 2);
    register_split<testing::FlowOracle>("lemon", named, 2);
  }
  return true;
}();

}  // namespace
}  // namespace lplb
