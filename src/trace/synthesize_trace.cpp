// Synthetic loads in fixed point: popularity is exp(skew * z) with z near normal, counts scatter about their mean like
// tokens drawn one by one (normal approximation of the multinomial), largest remainders make the sum exact. No
// floating-point function is called on the way, as their last bits differ between machines; z is the sum of twelve
// uniform numbers (Irwin-Hall), which ends at six sigma.

#include <algorithm>
#include <array>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"
#include "lplb/trace_io.h"

namespace lplb {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr int kFractionBits = 32;  // of z and of exponents
constexpr std::int64_t kOne = std::int64_t{1} << kFractionBits;

std::uint64_t integer_sqrt(std::uint64_t x) {
  std::uint64_t root = 0;
  for (int bit = 31; bit >= 0; --bit) {
    const std::uint64_t candidate = root | std::uint64_t{1} << bit;
    root = candidate * candidate <= x ? candidate : root;
  }
  return root;
}

/// Near standard normal, in units of 1 / kOne: twelve uniform 32-bit numbers less their mean.
std::int64_t draw_normal(Rng& rng) {
  std::int64_t sum = 0;
  for (int i = 0; i < 6; ++i) {
    const std::uint64_t pair = rng.next();
    sum += static_cast<std::int64_t>(pair >> 32) + static_cast<std::int64_t>(pair & 0xffffffff);
  }
  return sum - 6 * kOne;
}

/// a * b in units of 1 / kOne, rounded down; both within a few bits of kOne.
std::int64_t multiply(std::int64_t a, std::int64_t b) { return (a >> 8) * (b >> 8) >> (kFractionBits - 16); }

/// 2^-(2^-i) for i = 1..32 in units of 2^-64: each is the square root of the one before.
std::array<std::uint64_t, kFractionBits> make_exp2_factors() {
  std::array<std::uint64_t, kFractionBits> factors{};
  std::uint64_t root = 0xB504F333F9DE6484;  // 2^-1/2
  for (std::uint64_t& factor : factors) {
    factor = root;
    // sqrt(root / 2^64) * 2^64 = sqrt(root) * 2^32; the 32 bits below come from one step of Newton's method.
    const std::uint64_t coarse = integer_sqrt(root) << 32 | 0xffffffff;
    const auto quotient = static_cast<std::uint64_t>((static_cast<Wide>(root) << 64) / coarse);
    root = coarse / 2 + quotient / 2;
  }
  return factors;
}

/// 2^exponent in units of 2^-62, for exponent <= 0: the product of the factors at the bits of its fraction.
std::uint64_t exp2_of_negative(std::int64_t exponent) {
  static const std::array<std::uint64_t, kFractionBits> kFactors = make_exp2_factors();
  const auto magnitude = static_cast<std::uint64_t>(-exponent);
  const std::uint64_t whole = magnitude >> kFractionBits;
  if (whole > 62) {
    return 0;
  }
  std::uint64_t result = std::uint64_t{1} << 62;
  for (int i = 0; i < kFractionBits; ++i) {
    if ((magnitude >> (kFractionBits - 1 - i) & 1) != 0) {
      result = static_cast<std::uint64_t>(static_cast<Wide>(result) * kFactors[i] >> 64);
    }
  }
  return result >> whole;
}

/// Shares of the experts, in units of 2^-32 of the most popular one.
std::vector<std::uint64_t> to_shares(const std::vector<std::int64_t>& popularity, std::int64_t skew) {
  constexpr std::int64_t kLog2E = 0x171547652;  // log2(e) in units of 1 / kOne
  const std::int64_t highest = std::ranges::max(popularity);
  std::vector<std::uint64_t> shares;
  for (const std::int64_t z : popularity) {
    shares.push_back(exp2_of_negative(multiply(multiply(z - highest, skew), kLog2E)) >> 30);
  }
  return shares;
}

/// `weights` scaled to whole numbers with the given sum; what rounding leaves goes to the largest remainders, ties to
/// the lowest index. The weights' sum must be below 2^63, and above 0.
void scale_to_sum(const std::vector<std::uint64_t>& weights, std::uint64_t sum, std::span<Tokens> counts) {
  const std::uint64_t total = std::reduce(weights.begin(), weights.end(), std::uint64_t{0});
  std::vector<std::uint64_t> remainders(weights.size());
  std::uint64_t left = sum;
  for (std::size_t e = 0; e < weights.size(); ++e) {
    const Wide product = static_cast<Wide>(weights[e]) * sum;
    counts[e] = static_cast<Tokens>(product / total);
    remainders[e] = static_cast<std::uint64_t>(product % total);
    left -= static_cast<std::uint64_t>(counts[e]);
  }
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto before = [&](std::size_t a, std::size_t b) {
    return remainders[a] != remainders[b] ? remainders[a] > remainders[b] : a < b;
  };
  std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(left), before);
  for (std::size_t i = 0; i < left; ++i) {
    ++counts[order[i]];
  }
}

/// One source's counts: each expert's mean plus its deviation, in units of 2^-16 of a token, then scaled to the sum.
void draw_counts(const std::vector<std::uint64_t>& shares, std::uint64_t num_tokens, Rng& rng,
                 std::span<Tokens> counts) {
  const std::uint64_t total = std::reduce(shares.begin(), shares.end(), std::uint64_t{0});
  std::vector<std::uint64_t> drawn(shares.size());
  for (std::size_t e = 0; e < shares.size(); ++e) {
    // The most popular expert's share is 2^32, so the total is not 0. NOLINTNEXTLINE(clang-analyzer-core.DivideZero)
    const auto mean = static_cast<std::uint64_t>((static_cast<Wide>(num_tokens) << 16) * shares[e] / total);
    // sqrt(mean tokens) in units of 2^-16 is sqrt(mean in units of 2^-16) * 2^8.
    const auto deviation = static_cast<std::int64_t>(integer_sqrt(mean) << 8);
    const std::int64_t value =
        static_cast<std::int64_t>(mean) + (deviation >> 4) * (draw_normal(rng) >> 12) / (kOne >> 16);
    drawn[e] = static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0));
  }
  const bool is_empty = std::ranges::all_of(drawn, [](std::uint64_t value) { return value == 0; });
  scale_to_sum(is_empty ? shares : drawn, num_tokens, counts);
}

void check_args(const SynthArgs& args) {
  check(args.num_steps >= 1 && args.num_steps <= 1 << 24, "[synthesize_trace] num_steps (", args.num_steps,
        ") must be in 1..", 1 << 24);
  check(args.num_layers >= 1 && args.num_layers <= 1 << 16, "[synthesize_trace] num_layers (", args.num_layers,
        ") must be in 1..", 1 << 16);
  check(args.num_sources >= 1 && args.num_sources <= kMaxRanks, "[synthesize_trace] num_sources (", args.num_sources,
        ") must be in 1..", kMaxRanks);
  check(args.num_experts >= 1 && args.num_experts <= kMaxLogical, "[synthesize_trace] num_experts (", args.num_experts,
        ") must be in 1..", kMaxLogical);
  const std::int64_t step_tokens = std::int64_t{args.tokens_per_source} * args.num_sources;
  check(args.tokens_per_source >= 0 && step_tokens < std::int64_t{1} << 31, "[synthesize_trace] tokens_per_source (",
        args.tokens_per_source, ") must not be negative, and with num_sources (", args.num_sources,
        ") stay below 2^31");
  check(args.skew >= 0.0 && args.skew <= 4.0, "[synthesize_trace] skew (", args.skew, ") must be in 0..4");
  check(args.drift >= 0.0 && args.drift <= 1.0, "[synthesize_trace] drift (", args.drift, ") must be in 0..1");
  constexpr std::int64_t kMaxCounts = std::int64_t{1} << 32;
  const std::int64_t num_blocks = std::int64_t{args.num_steps} * args.num_layers;
  const std::int64_t block = std::int64_t{args.num_sources} * args.num_experts;
  check(num_blocks <= kMaxCounts / block, "[synthesize_trace] a trace of ", args.num_steps, " x ", args.num_layers,
        " x ", args.num_sources, " x ", args.num_experts, " counts must stay below 2^32");
}

/// Popularity z moves on by one step and keeps its variance: (1 - drift) of itself, the rest fresh.
void drift_popularity(std::vector<std::int64_t>& popularity, std::int64_t drift, Rng& rng) {
  const std::int64_t keep = kOne - drift;
  // sqrt(1 - keep^2) in units of 2^-31, as the radicand is in units of 2^-62.
  const auto square = static_cast<std::uint64_t>(keep >> 1) * static_cast<std::uint64_t>(keep >> 1);
  const auto fresh = static_cast<std::int64_t>(integer_sqrt((std::uint64_t{1} << 62) - square) << 1);
  for (std::int64_t& z : popularity) {
    z = multiply(z, keep) + multiply(draw_normal(rng), fresh);
  }
}

}  // namespace

Trace synthesize_trace(const SynthArgs& args) {
  check_args(args);
  // Scaling by a power of two is exact, so these two are the same on every machine.
  const auto skew = static_cast<std::int64_t>(args.skew * static_cast<double>(kOne));
  const auto drift = static_cast<std::int64_t>(args.drift * static_cast<double>(kOne));
  const std::size_t num_experts = args.num_experts;
  Trace trace{.name = "synthetic",
              .num_steps = args.num_steps,
              .num_layers = args.num_layers,
              .num_sources = args.num_sources,
              .num_experts = args.num_experts,
              .counts = {}};
  trace.counts.resize(num_experts * args.num_sources * args.num_layers * args.num_steps);
  for (int layer = 0; layer < args.num_layers; ++layer) {
    Rng rng(mix64(args.seed) + static_cast<std::uint64_t>(layer));
    std::vector<std::int64_t> popularity(num_experts);
    std::ranges::generate(popularity, [&] { return draw_normal(rng); });
    for (int step = 0; step < args.num_steps; ++step) {
      if (step > 0 && drift > 0) {
        drift_popularity(popularity, drift, rng);
      }
      const std::vector<std::uint64_t> shares = to_shares(popularity, skew);
      for (int source = 0; source < args.num_sources; ++source) {
        const std::size_t row = (static_cast<std::size_t>(step) * args.num_layers + layer) * args.num_sources + source;
        draw_counts(shares, static_cast<std::uint64_t>(args.tokens_per_source), rng,
                    std::span(trace.counts).subspan(row * num_experts, num_experts));
      }
    }
  }
  return trace;
}

}  // namespace lplb
