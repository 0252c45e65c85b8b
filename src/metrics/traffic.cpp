// Traffic of an apportioned table: every token-expert pair goes from its source rank to the rank of its slot.

#include "base/check.h"
#include "lplb/metrics.h"

namespace lplb {

Traffic measure_traffic(const Placement& placement, std::span<const Tokens> tokens) {
  const std::size_t num_physical = placement.num_physical();
  const std::size_t num_ranks = placement.num_ranks();
  check(tokens.size() == num_ranks * num_physical, "[measure_traffic] tokens has ", tokens.size(),
        " entries; it must be [", num_ranks, " source ranks, ", num_physical, " physical experts]");
  const std::size_t ranks_per_node = placement.ranks_per_node();
  const std::size_t slots_per_rank = placement.slots_per_rank();
  Traffic result;
  for (std::size_t source = 0; source < num_ranks; ++source) {
    for (std::size_t target = 0; target < num_ranks; ++target) {
      std::int64_t sent = 0;
      for (const Tokens amount : tokens.subspan(source * num_physical + target * slots_per_rank, slots_per_rank)) {
        sent += amount;
      }
      result.total += sent;
      result.cross_rank += source != target ? sent : 0;
      result.cross_node += source / ranks_per_node != target / ranks_per_node ? sent : 0;
    }
  }
  return result;
}

}  // namespace lplb
