#pragma once

// What one source rank sends where: the noun that apportioning fills and remapping reads.

#include <vector>

#include "lplb/types.h"

namespace lplb {

/// Tokens that one source rank sends to each physical expert.
struct SourceTable {
  int source_rank = 0;
  bool proportional = false;   // made from the source's own counts and the shares of the quotas
  std::vector<Tokens> tokens;  // [P]
};

}  // namespace lplb
