#pragma once

// Remapping topk_idx from logical to physical ids, so that every copy gets exactly the tokens that the table gives it.

#include <cstdint>
#include <span>

#include "lplb/placement.h"
#include "lplb/source_table.h"
#include "lplb/types.h"

namespace lplb {

/// physical[i] for topk_idx[i]; -1 stays. The j-th token of expert e, in row-major order, goes to a copy by an
/// interleaving that depends on j and the table alone (src/remap/interleave.h), so two runs agree bit for bit and every
/// prefix is spread over the copies. The spans may be the same memory. O(T K X) worst, O(T K) for one or two copies.
/// Throws InvalidArgument on an id outside [-1, E), or when topk_idx does not hold the tokens that the table was made
/// for.
void remap(const Placement& placement, const SourceTable& table, std::span<const std::int32_t> topk_idx,
           std::span<std::int32_t> physical);
void remap(const Placement& placement, const SourceTable& table, std::span<const std::int64_t> topk_idx,
           std::span<std::int64_t> physical);

}  // namespace lplb
