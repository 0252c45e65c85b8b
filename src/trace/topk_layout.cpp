// Token-level traces: the router's choice for each token, counted per step of a fixed number of tokens. A token whose
// choice names an expert twice is refused: that is what an array of something else looks like.

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "trace/data_error.h"
#include "trace/trace_layout.h"

namespace lplb {
namespace {

/// The shape [num_tokens, num_layers, k] that all arrays share, once checked.
struct TopkShape {
  std::size_t num_tokens;
  std::size_t num_layers;
  std::size_t k;
  bool layers_apart;  // one array a layer
};

TopkShape topk_shape(std::span<const NdArray> layers) {
  const NdArray& first = layers.front();
  const std::vector<std::size_t>& shape = first.shape;
  check_data(shape.size() == 2 || (shape.size() == 3 && layers.size() == 1), first.source, "array \"",
             printable(first.name), "\" has shape ", shape_text(shape),
             "; the router's choices must be [tokens, layers, k], or [tokens, k] for each layer");
  for (const NdArray& layer : layers) {
    check_data(layer.shape == shape, layer.source, "array \"", printable(layer.name), "\" has shape ",
               shape_text(layer.shape), ", but \"", printable(first.name), "\" has ", shape_text(shape));
    check_data(layer.size() > 0, layer.source, "array \"", printable(layer.name), "\" holds nothing");
  }
  const std::size_t num_layers = shape.size() == 3 ? shape[1] : layers.size();
  return {.num_tokens = shape[0], .num_layers = num_layers, .k = shape.back(), .layers_apart = shape.size() == 2};
}

template <class T>
bool is_expert_id(T value, std::int64_t limit) {
  if constexpr (std::is_floating_point_v<T>) {
    return value >= T(kNone) && value < static_cast<T>(limit) && value == std::floor(value);
  } else {
    return std::cmp_greater_equal(value, kNone) && std::cmp_less(value, limit);
  }
}

/// Number of experts: what was asked for, or the largest id + 1. Checks every id.
int count_experts(std::span<const NdArray> layers, int num_experts) {
  const int limit = num_experts > 0 ? num_experts : kMaxLogical;
  int largest = kNone;
  for (const NdArray& layer : layers) {
    visit_values(layer, [&](auto value) {
      if (!is_expert_id(value, limit)) [[unlikely]] {
        fail_data(layer.source, "array \"", printable(layer.name), "\" holds expert ", +value,
                  "; ids must be whole numbers in -1..", limit - 1);
      }
      largest = std::max(largest, static_cast<int>(value));
    });
  }
  check_data(largest >= 0, layers.front().source, "no token in it chooses an expert");
  return num_experts > 0 ? num_experts : largest + 1;
}

/// Adds the choices of one array to the trace. `first_layer` is the layer of its first row.
void add_choices(const NdArray& array, const TopkShape& shape, int first_layer, std::size_t tokens_per_step,
                 Trace& trace) {
  const std::size_t layers_here = shape.layers_apart ? 1 : shape.num_layers;
  std::vector<std::size_t> last_row(trace.num_experts);  // the row that named the expert last, from 1
  std::size_t i = 0;
  visit_values(array, [&](auto value) {
    const std::size_t row = i++ / shape.k;
    const std::size_t token = row / layers_here;
    const std::size_t step = token / tokens_per_step;
    // An id of one byte is a number, not a character. NOLINTNEXTLINE(bugprone-signed-char-misuse)
    const auto id = static_cast<int>(value);
    if (id == kNone || std::cmp_greater_equal(step, trace.num_steps)) {
      return;
    }
    const auto expert = static_cast<std::size_t>(id);
    if (std::exchange(last_row[expert], row + 1) == row + 1) [[unlikely]] {
      fail_data(array.source, "array \"", printable(array.name), "\" names expert ", expert, " twice for token ", token,
                "; are these the router's choices?");
    }
    const std::size_t layer = static_cast<std::size_t>(first_layer) + row % layers_here;
    ++trace.counts[(step * shape.num_layers + layer) * last_row.size() + expert];
  });
}

}  // namespace

bool is_token_level_name(std::string_view name) {
  constexpr std::string_view kLayer = "layer";
  if (name.starts_with(kLayer) && name.size() > kLayer.size()) {
    return name.find_first_not_of("0123456789", kLayer.size()) == std::string_view::npos;
  }
  constexpr std::string_view kTopk = "topk";
  const std::size_t begin = name.find(kTopk);
  if (begin == std::string_view::npos) {
    return false;
  }
  const std::size_t end = begin + kTopk.size();
  return (begin == 0 || name[begin - 1] == '_') && (end == name.size() || name[end] == '_');
}

Trace topk_to_trace(std::span<const NdArray> layers, const ReadTraceOptions& options) {
  const TopkShape shape = topk_shape(layers);
  const std::string& source = layers.front().source;
  const int num_experts = count_experts(layers, options.num_experts);
  const std::size_t tokens_per_step = std::min(static_cast<std::size_t>(options.tokens_per_step), shape.num_tokens);
  const std::size_t num_steps = shape.num_tokens / tokens_per_step;
  constexpr std::size_t kLimit = std::numeric_limits<Tokens>::max();
  check_data(num_steps <= kLimit && shape.num_layers <= kLimit && tokens_per_step <= kLimit / shape.k, source,
             "steps of ", tokens_per_step, " tokens with ", shape.k, " choices each pass 2^31");
  const std::vector<std::size_t> dense = {num_steps, shape.num_layers, static_cast<std::size_t>(num_experts)};
  check_dense_size(dense, shape.num_tokens * shape.num_layers * shape.k, source);

  Trace trace{.name = layers.front().name,
              .num_steps = static_cast<int>(num_steps),
              .num_layers = static_cast<int>(shape.num_layers),
              .num_sources = 1,
              .num_experts = num_experts,
              .counts = std::vector<Tokens>(num_steps * shape.num_layers * static_cast<std::size_t>(num_experts))};
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    add_choices(layers[layer], shape, static_cast<int>(layer), tokens_per_step, trace);
  }
  return trace;
}

}  // namespace lplb
