#pragma once

// A parallel loop over independent work items.

#include <functional>

namespace lplb {

/// Threads to use for a request: 0 = one per core, else the request, at least 1.
int resolve_num_threads(int requested);

/// Calls body(item, thread_idx) for every item in [0, num_items), on up to num_threads threads (0 = one per core).
/// Items are handed out one at a time; thread_idx in [0, resolve_num_threads(num_threads)). The first exception is
/// rethrown here once all threads have stopped.
void parallel_for(int num_items, int num_threads, const std::function<void(int, int)>& body);

}  // namespace lplb
