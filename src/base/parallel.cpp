#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace lplb {

int resolve_num_threads(int requested) {
  if (requested > 0) {
    return requested;
  }
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

void parallel_for(int num_items, int num_threads, const std::function<void(int, int)>& body) {
  const int num_workers = std::min(resolve_num_threads(num_threads), num_items);
  if (num_workers <= 1) {
    for (int item = 0; item < num_items; ++item) {
      body(item, 0);
    }
    return;
  }
  std::atomic<int> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&](int thread_idx) {
    try {
      for (int item = next++; item < num_items; item = next++) {
        body(item, thread_idx);
      }
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (!failure) {
        failure = std::current_exception();
      }
      next = num_items;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int thread_idx = 1; thread_idx < num_workers; ++thread_idx) {
      threads.emplace_back(work, thread_idx);
    }
    work(0);
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
}

}  // namespace lplb
