// Arrays of counts become traces, arrays of loads become loads. Every value and every sum is checked here, once, for
// all file formats.

#include "trace/trace_layout.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "trace/data_error.h"

namespace lplb {
namespace {

constexpr std::int64_t kMaxTokens = std::numeric_limits<Tokens>::max();

struct Axes {
  int num_steps;
  int num_layers;
  int num_sources;
  int num_experts;
};

std::string described(const NdArray& array) {
  return array.name.empty() ? "its array" : concat("array \"", printable(array.name), "\"");
}

Axes counts_axes(const NdArray& array) {
  std::vector<std::size_t> shape = array.shape;
  check_data(!shape.empty() && shape.size() <= 4, array.source, described(array), " has shape ", shape_text(shape),
             "; it must be [steps, layers, experts], [steps, layers, sources, experts] or [layers, experts]");
  if (shape.size() == 3) {
    shape.insert(shape.begin() + 2, 1);
  }
  while (shape.size() < 4) {
    shape.insert(shape.end() - 1, 1);  // [layers, experts] to [layers, 1, experts], then to [layers, 1, 1, experts]
  }
  if (array.shape.size() <= 2) {
    std::swap(shape[0], shape[1]);  // the axis that was given is layers; there is one step
  }
  check_data(std::ranges::find(shape, 0U) == shape.end(), array.source, described(array), " has shape ",
             shape_text(array.shape), ", which holds nothing");
  check_data(shape[3] <= kMaxLogical, array.source, described(array), " has ", shape[3], " experts; at most ",
             kMaxLogical, " can be read");
  check_data(shape[2] <= kMaxRanks, array.source, described(array), " has ", shape[2], " sources; at most ", kMaxRanks,
             " can be read");
  constexpr std::size_t kMaxSteps = std::numeric_limits<int>::max();
  check_data(shape[0] <= kMaxSteps && shape[1] <= kMaxSteps, array.source, described(array), " has shape ",
             shape_text(array.shape), "; steps and layers must be below 2^31");
  return {static_cast<int>(shape[0]), static_cast<int>(shape[1]), static_cast<int>(shape[2]),
          static_cast<int>(shape[3])};
}

/// The place of a value, for messages: "[3, 0, 17]".
std::string position_text(const NdArray& array, std::size_t flat_idx) {
  std::vector<std::size_t> position(array.shape.size());
  for (std::size_t axis = position.size(); axis-- > 0;) {
    position[axis] = flat_idx % array.shape[axis];
    flat_idx /= array.shape[axis];
  }
  return shape_text(position);
}

template <class T>
bool is_count(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    // Written so that NaN fails; 2^31 is exact in both float types.
    return value >= T(0) && value < T(0x1p31) && value == std::floor(value);
  } else {
    return std::cmp_greater_equal(value, 0) && std::cmp_less_equal(value, kMaxTokens);
  }
}

/// Sums of each step and layer must stay below 2^31.
void check_sums(const Trace& trace, const NdArray& array) {
  const std::size_t block = static_cast<std::size_t>(trace.num_sources) * trace.num_experts;
  auto next = trace.counts.begin();
  for (int step = 0; step < trace.num_steps; ++step) {
    for (int layer = 0; layer < trace.num_layers; ++layer) {
      const auto end = next + static_cast<std::ptrdiff_t>(block);
      const std::int64_t sum = std::accumulate(next, end, std::int64_t{0});
      check_data(sum <= kMaxTokens, array.source, "the counts of step ", step, ", layer ", layer, " sum to ", sum,
                 "; that must stay below 2^31");
      next = end;
    }
  }
}

/// [L, E] sums as floats.
Loads to_loads(const Axes& axes, const std::vector<double>& sums, const std::string& source) {
  Loads loads{.num_layers = axes.num_layers, .num_experts = axes.num_experts, .values = {}};
  loads.values.reserve(sums.size());
  for (const double sum : sums) {
    check_data(sum <= static_cast<double>(std::numeric_limits<float>::max()), source, "the loads of an expert sum to ",
               sum, ", more than 32-bit floats hold");
    loads.values.push_back(static_cast<float>(sum));
  }
  return loads;
}

}  // namespace

Trace counts_to_trace(const NdArray& counts) {
  const Axes axes = counts_axes(counts);
  Trace trace{.name = counts.name,
              .num_steps = axes.num_steps,
              .num_layers = axes.num_layers,
              .num_sources = axes.num_sources,
              .num_experts = axes.num_experts,
              .counts = {}};
  trace.counts.reserve(counts.size());
  visit_values(counts, [&](auto value) {
    if (!is_count(value)) [[unlikely]] {
      fail_data(counts.source, described(counts), " holds ", +value, " at ", position_text(counts, trace.counts.size()),
                "; counts must be whole numbers in 0..", kMaxTokens);
    }
    trace.counts.push_back(static_cast<Tokens>(value));
  });
  check_sums(trace, counts);
  return trace;
}

Loads values_to_loads(const NdArray& values) {
  const Axes axes = counts_axes(values);
  const std::size_t num_experts = axes.num_experts;
  const std::size_t block = num_experts * axes.num_sources;
  std::vector<double> sums(num_experts * axes.num_layers);
  std::size_t i = 0;
  visit_values(values, [&](auto value) {
    const auto load = static_cast<double>(value);
    if (!(load >= 0 && std::isfinite(load))) [[unlikely]] {
      fail_data(values.source, described(values), " holds ", +value, " at ", position_text(values, i),
                "; loads must be finite and not negative");
    }
    sums[i / block % axes.num_layers * num_experts + i % num_experts] += load;
    ++i;
  });
  return to_loads(axes, sums, values.source);
}

Loads trace_to_loads(const Trace& trace) {
  const std::size_t num_experts = trace.num_experts;
  const std::size_t block = num_experts * trace.num_sources;
  std::vector<double> sums(num_experts * trace.num_layers);
  for (std::size_t i = 0; i < trace.counts.size(); ++i) {
    sums[i / block % trace.num_layers * num_experts + i % num_experts] += trace.counts[i];
  }
  return to_loads({trace.num_steps, trace.num_layers, trace.num_sources, trace.num_experts}, sums, trace.name);
}

void check_dense_size(const std::vector<std::size_t>& shape, std::size_t num_values, const std::string& source) {
  constexpr std::size_t kMaxGrowth = 64;
  constexpr std::size_t kFreeCells = std::size_t{1} << 24;
  const std::int64_t num_cells = array_bytes(shape, 1);
  check_data(num_cells >= 0 && std::cmp_less_equal(num_cells, std::max(kFreeCells, kMaxGrowth * num_values)), source,
             "its ", num_values, " values would make an array ", shape_text(shape), ", which is far larger");
}

}  // namespace lplb
