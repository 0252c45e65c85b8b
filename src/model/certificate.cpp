// Certificates from their definition, without any code of the solver. A set of ranks proves a lower bound because the
// tokens of an expert whose live copies are all inside it cannot leave it: the easy half of Hall's theorem.

#include "lplb/certificate.h"

#include "model/confined.h"

namespace lplb {
namespace {

using certify::ceil_div;
using certify::check_live;
using certify::check_loads;
using certify::is_confined;
using certify::is_live;

std::vector<std::uint8_t> membership(const char* function, const Placement& placement,
                                     std::span<const std::int32_t> ranks, std::span<const std::uint8_t> live) {
  check_live(function, placement, live);
  std::vector<std::uint8_t> inside(placement.num_ranks());
  for (const std::int32_t rank : ranks) {
    check(rank >= 0 && rank < placement.num_ranks(), "[", function, "] ranks holds ", rank, "; it must be in 0..",
          placement.num_ranks() - 1);
    check(is_live(live, rank), "[", function, "] ranks holds ", rank, ", which is not live");
    check(inside[rank] == 0, "[", function, "] ranks holds ", rank, " twice");
    inside[rank] = 1;
  }
  return inside;
}

}  // namespace

std::vector<std::int32_t> confined_experts(const Placement& placement, std::span<const std::int32_t> ranks,
                                           std::span<const std::uint8_t> live) {
  const std::vector<std::uint8_t> inside = membership("confined_experts", placement, ranks, live);
  std::vector<std::int32_t> experts;
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    if (is_confined(placement, expert, inside, live)) {
      experts.push_back(expert);
    }
  }
  return experts;
}

Tokens certificate_bound(const Placement& placement, std::span<const Tokens> counts, std::span<const Tokens> base_load,
                         std::span<const std::int32_t> ranks, std::span<const std::uint8_t> live) {
  check(!ranks.empty(), "[certificate_bound] ranks must not be empty");
  check_loads("certificate_bound", placement, counts, base_load);
  const std::vector<std::uint8_t> inside = membership("certificate_bound", placement, ranks, live);
  std::int64_t tokens = 0;
  for (const std::int32_t rank : ranks) {
    tokens += base_load.empty() ? 0 : base_load[rank];
  }
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    if (is_confined(placement, expert, inside, live)) {
      tokens += counts[expert];
    }
  }
  return static_cast<Tokens>(ceil_div(tokens, static_cast<std::int64_t>(ranks.size())));
}

}  // namespace lplb
