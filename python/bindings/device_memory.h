#pragma once

// Device memory and streams as Python names them. torch is not known here: memory comes as an address and a number of
// elements, and whoever allocated it keeps it alive.

#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include <cstdint>
#include <span>
#include <tuple>
#include <utility>

#include "lplb/cuda.h"
#include "lplb/cuda_routing.h"
#include "lplb/types.h"

namespace lplb::python {

using Address = std::uintptr_t;  // 0 = none
using Memory = std::pair<Address, std::size_t>;
/// Address and number of the ids, whether they are int64, top_k, and the address of num_valid_tokens.
using Ids = std::tuple<Address, std::size_t, bool, int, Address>;

inline cuda::Stream to_stream(Address stream) { return reinterpret_cast<cuda::Stream>(stream); }

template <class T>
std::span<T> to_span(const Memory& memory) {
  return {reinterpret_cast<T*>(memory.first), memory.second};
}

template <class T>
Memory to_memory(std::span<T> memory) {
  return {reinterpret_cast<Address>(memory.data()), memory.size()};
}

/// Calls `use` with a Routing of int32 or int64.
template <class Use>
void with_routing(const Ids& ids, Address status, Use&& use) {
  const auto& [address, num_ids, is_int64, top_k, num_valid_tokens] = ids;
  const auto make = [&]<class Id>(const Id* topk_idx) {
    return cuda::Routing<Id>{.topk_idx = {topk_idx, num_ids},
                             .top_k = top_k,
                             .num_valid_tokens = reinterpret_cast<const std::int32_t*>(num_valid_tokens),
                             .status = reinterpret_cast<std::int32_t*>(status)};
  };
  if (is_int64) {
    use(make(reinterpret_cast<const std::int64_t*>(address)));
  } else {
    use(make(reinterpret_cast<const std::int32_t*>(address)));
  }
}

/// Room for as many physical ids as there are ids, of their type.
template <class Id>
std::span<Id> physical_span(const cuda::Routing<Id>& routing, Address physical) {
  return {reinterpret_cast<Id*>(physical), routing.topk_idx.size()};
}

}  // namespace lplb::python
