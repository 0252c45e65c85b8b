// Traces to files. Arrays are [steps, layers, experts], or [steps, layers, sources, experts] where there are sources.

#include <array>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "lplb/trace_io.h"
#include "trace/array_file.h"
#include "trace/zip.h"

namespace lplb {
namespace {

std::vector<std::size_t> shape_of(const Trace& trace) {
  std::vector<std::size_t> shape;
  for (const int extent : {trace.num_steps, trace.num_layers, trace.num_sources, trace.num_experts}) {
    shape.push_back(static_cast<std::size_t>(extent));
  }
  if (!trace.has_sources()) {
    shape.erase(shape.begin() + 2);
  }
  return shape;
}

void append(std::string& out, std::int64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

/// Source: NumPy Enhancement Proposal 1. The header is padded so that the values start at a multiple of 64 bytes.
std::vector<std::byte> to_npy(const Trace& trace) {
  std::string shape = shape_text(shape_of(trace));
  shape.front() = '(';
  shape.back() = ')';
  std::string header = "{'descr': '<i4', 'fortran_order': False, 'shape': " + shape + ", }";
  constexpr std::size_t kFixedBytes = 10;
  constexpr std::size_t kAlignment = 64;
  header.resize((header.size() + kFixedBytes) / kAlignment * kAlignment + kAlignment - kFixedBytes, ' ');
  header.back() = '\n';
  std::string text = "\x93NUMPY";
  text += '\x01';
  text += '\x00';
  text += static_cast<char>(header.size() & 0xff);
  text += static_cast<char>(header.size() >> 8);
  text += header;
  const auto values = std::as_bytes(std::span(trace.counts));
  const ByteSpan head = as_byte_span(text);
  std::vector<std::byte> npy(head.begin(), head.end());
  npy.insert(npy.end(), values.begin(), values.end());
  return npy;
}

std::string to_csv(const Trace& trace) {
  std::string text = trace.has_sources() ? "step,layer,source,expert,count\n" : "step,layer,expert,count\n";
  for (int step = 0; step < trace.num_steps; ++step) {
    for (int layer = 0; layer < trace.num_layers; ++layer) {
      const std::span<const Tokens> counts = trace.at(step, layer);
      for (std::size_t i = 0; i < counts.size(); ++i) {
        append(text, step);
        append(text += ',', layer);
        if (trace.has_sources()) {
          append(text += ',', static_cast<std::int64_t>(i) / trace.num_experts);
        }
        append(text += ',', static_cast<std::int64_t>(i) % trace.num_experts);
        append(text += ',', counts[i]);
        text += '\n';
      }
    }
  }
  return text;
}

/// Nested arrays of counts[begin ..), with one line for each innermost one.
void append_nested(std::string& text, std::span<const Tokens> counts, std::span<const std::size_t> shape) {
  text += '[';
  const std::size_t stride = counts.size() / shape[0];
  for (std::size_t i = 0; i < shape[0]; ++i) {
    text += i > 0 ? "," : "";
    if (shape.size() == 1) {
      append(text, counts[i]);
    } else {
      text += '\n';
      append_nested(text, counts.subspan(i * stride, stride), shape.subspan(1));
    }
  }
  text += ']';
}

std::string to_json(const Trace& trace) {
  const std::string name = nlohmann::json(trace.name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string text = "{\"name\": " + name + ", \"counts\": ";
  append_nested(text, trace.counts, shape_of(trace));
  return text + "}\n";
}

void check_shape(const Trace& trace) {
  check(trace.num_steps >= 1 && trace.num_layers >= 1 && trace.num_sources >= 1 && trace.num_experts >= 1,
        "[write_trace] trace must have at least one step, layer, source and expert");
  const std::int64_t num_counts = array_bytes(shape_of(trace), 1);
  check(std::cmp_equal(trace.counts.size(), num_counts), "[write_trace] trace has ", trace.counts.size(),
        " counts; its shape ", shape_text(shape_of(trace)), " needs ", num_counts);
}

}  // namespace

void write_trace(const Trace& trace, const std::string& path) {
  check_shape(trace);
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".npz") {
    write_bytes(path, make_zip("counts.npy", to_npy(trace)));
  } else if (extension == ".npy") {
    write_bytes(path, to_npy(trace));
  } else if (extension == ".csv") {
    write_bytes(path, as_byte_span(to_csv(trace)));
  } else if (extension == ".json") {
    write_bytes(path, as_byte_span(to_json(trace)));
  } else {
    throw InvalidArgument(concat("[write_trace] path (", path, ") must end in .npz, .npy, .csv or .json"));
  }
}

}  // namespace lplb
