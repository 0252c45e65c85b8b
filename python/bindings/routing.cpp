// From topk_idx to physical ids: counting, one source's table, remapping.

#include <nanobind/nanobind.h>

#include <algorithm>
#include <concepts>
#include <numeric>

#include "arrays.h"
#include "base/check.h"
#include "bindings.h"
#include "lplb/apportion.h"
#include "lplb/count.h"
#include "lplb/remap.h"

namespace lplb::python {
namespace {

/// Calls `use` with the ids as a span of int32 or int64, the two types that routers give.
template <class Use>
auto with_ids(const char* function, const Array& topk_idx, Use&& use) {
  if (topk_idx.dtype() == nb::dtype<std::int32_t>()) {
    return use(std::span(static_cast<const std::int32_t*>(topk_idx.data()), topk_idx.size()));
  }
  check(topk_idx.dtype() == nb::dtype<std::int64_t>(), "[", function,
        "] topk_idx must hold int32 or int64 numbers, as routers give them");
  return use(std::span(static_cast<const std::int64_t*>(topk_idx.data()), topk_idx.size()));
}

std::vector<Tokens> count_ids(const char* function, const Array& topk_idx, int num_logical) {
  check(num_logical >= 1 && num_logical <= kMaxLogical, "[", function, "] num_logical (", num_logical,
        ") must be in 1..", kMaxLogical);
  std::vector<Tokens> counts(num_logical, 0);
  with_ids(function, topk_idx, [&](auto ids) {
    const nb::gil_scoped_release unlocked;
    count_tokens(ids, counts);
  });
  return counts;
}

NumpyArray<Tokens> count(const Array& topk_idx, int num_logical) {
  return give(count_ids("count", topk_idx, num_logical), {static_cast<std::size_t>(num_logical)});
}

/// Running counts over slices of `slice` ids: row i holds the counts of the first (i + 1) * slice ids. [num_slices, E]
NumpyArray<Tokens> count_slices(const Array& topk_idx, int num_logical, int num_slices, std::int64_t slice) {
  std::vector<Tokens> running(static_cast<std::size_t>(num_slices) * num_logical, 0);
  with_ids("count_workload", topk_idx, [&](auto ids) {
    const nb::gil_scoped_release unlocked;
    for (int i = 0; i < num_slices; ++i) {
      const std::span row = std::span(running).subspan(static_cast<std::size_t>(i) * num_logical, num_logical);
      const std::size_t begin = std::min(ids.size(), static_cast<std::size_t>(i * slice));
      count_tokens(ids.subspan(begin, std::min(ids.size() - begin, static_cast<std::size_t>(slice))), row);
      if (i > 0) {
        std::transform(row.begin(), row.end(), row.data() - num_logical, row.begin(), std::plus<>());
      }
    }
  });
  return give(std::move(running), {static_cast<std::size_t>(num_slices), static_cast<std::size_t>(num_logical)});
}

/// What a source's table is made from; `counts` [S, E] gives the exact one, [E] the proportional one.
struct Batch {
  Batch(const Array& counts, const Array& quota, const nb::object& live_ranks)
      : tokens("source_table", "counts", counts),
        quotas("source_table", "quota", quota),
        live(to_flags("source_table", "live", live_ranks)),
        has_sources(counts.ndim() == 2) {}

  SourceTable table(const Placement& placement, int source_rank, std::span<const Tokens> own_counts) const {
    return has_sources ? apportion_source(placement, tokens.values(), quotas.values(), source_rank)
                       : apportion_proportional(placement, own_counts, quotas.values(), source_rank, live);
  }

  TokensInput tokens;
  TokensInput quotas;
  std::vector<std::uint8_t> live;
  bool has_sources;
};

NumpyArray<Tokens> source_table(const Placement& placement, const Array& counts, const Array& quota, int source_rank,
                                const Array& own_counts, const nb::object& live) {
  const Batch batch(counts, quota, live);
  const TokensInput own("source_table", "own_counts", own_counts);
  const SourceTable table = [&] {
    const nb::gil_scoped_release unlocked;
    return batch.table(placement, source_rank, own.values());
  }();
  return give(table.tokens, {table.tokens.size()});
}

/// NumPy of int32 or int64, as the ids were.
using Ids = nb::ndarray<nb::numpy, nb::c_contig>;

template <class Id>
Ids remap_ids(const Placement& placement, const SourceTable& table, const Array& shape, std::span<const Id> ids) {
  std::vector<Id> physical(ids.size());
  {
    const nb::gil_scoped_release unlocked;
    remap(placement, table, ids, std::span(physical));
  }
  auto* const owned = new std::vector<Id>(std::move(physical));
  const nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<Id>*>(p); });
  std::vector<std::size_t> extents(shape.ndim());
  for (std::size_t axis = 0; axis < extents.size(); ++axis) {
    extents[axis] = shape.shape(axis);
  }
  return Ids(owned->data(), extents.size(), extents.data(), owner, nullptr, nb::dtype<Id>());
}

Ids remap_by_table(const Placement& placement, const Array& table, const Array& topk_idx) {
  const TokensInput tokens("remap", "table", table);
  const SourceTable source{
      .source_rank = 0, .proportional = false, .tokens = {tokens.values().begin(), tokens.values().end()}};
  return with_ids("remap", topk_idx, [&](auto ids) { return remap_ids(placement, source, topk_idx, ids); });
}

Ids remap_by_plan(const Placement& placement, const Array& counts, const Array& quota, const Array& topk_idx,
                  int source_rank, const nb::object& live) {
  const Batch batch(counts, quota, live);
  const std::vector<Tokens> own =
      batch.has_sources ? std::vector<Tokens>() : count_ids("remap", topk_idx, placement.num_logical());
  const SourceTable table = [&] {
    const nb::gil_scoped_release unlocked;
    return batch.table(placement, source_rank, own);
  }();
  return with_ids("remap", topk_idx, [&](auto ids) { return remap_ids(placement, table, topk_idx, ids); });
}

/// The whole table [S, P] of counts [S, E].
NumpyArray<Tokens> apportion_all(const Placement& placement, const Array& counts, const Array& quota) {
  check_axes("apportion", "counts", counts, {2});
  const TokensInput tokens("apportion", "counts", counts);
  const TokensInput quotas("apportion", "quota", quota);
  std::vector<Tokens> table(static_cast<std::size_t>(placement.num_ranks()) * placement.num_physical());
  {
    const nb::gil_scoped_release unlocked;
    apportion(placement, tokens.values(), quotas.values(), table);
  }
  return give(std::move(table),
              {static_cast<std::size_t>(placement.num_ranks()), static_cast<std::size_t>(placement.num_physical())});
}

}  // namespace

void bind_routing(nb::module_& m) {
  using namespace nb::literals;
  m.def("count", &count, "topk_idx"_a, "num_logical"_a);
  m.def("count_slices", &count_slices, "topk_idx"_a, "num_logical"_a, "num_slices"_a, "slice"_a);
  m.def("apportion", &apportion_all, "placement"_a, "counts"_a, "quota"_a);
  m.def("source_table", &source_table, "placement"_a, "counts"_a, "quota"_a, "source_rank"_a, "own_counts"_a,
        "live"_a.none());
  m.def("remap_by_table", &remap_by_table, "placement"_a, "table"_a, "topk_idx"_a);
  m.def("remap_by_plan", &remap_by_plan, "placement"_a, "counts"_a, "quota"_a, "topk_idx"_a, "source_rank"_a,
        "live"_a.none());
}

}  // namespace lplb::python
