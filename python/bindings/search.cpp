// The caller's thread sleeps until there is news, and no longer than one minds to wait after Ctrl-C. A callback that is
// slower than the search hears the latest numbers only, and never holds it up.

#include "search.h"

#include <chrono>
#include <utility>

namespace lplb::python {
namespace {

namespace nb = nanobind;

constexpr std::chrono::milliseconds kSignalInterval{50};

/// Ends a search whose result nobody will ask for.
struct Stopped {};

void check_signals() {
  if (PyErr_CheckSignals() != 0) {
    throw nb::python_error();
  }
}

}  // namespace

void SearchWatch::report(std::int64_t num_done, std::int64_t num_all) {
  const std::lock_guard lock(mutex_);
  if (must_stop_) {
    throw Stopped();
  }
  num_done_ = num_done;
  num_all_ = num_all;
  if (!std::exchange(is_new_, true)) {
    changed_.notify_one();
  }
}

void SearchWatch::finish() {
  const std::lock_guard lock(mutex_);
  is_finished_ = true;
  changed_.notify_one();
}

void SearchWatch::follow(const nb::object& callback) {
  const bool tells = !callback.is_none();
  std::unique_lock lock(mutex_);
  while (!is_finished_ || (tells && is_new_)) {
    changed_.wait_for(lock, kSignalInterval, [&] { return is_finished_ || (tells && is_new_); });
    const bool is_new = tells && std::exchange(is_new_, false);
    const std::int64_t num_done = num_done_;
    const std::int64_t num_all = num_all_;
    lock.unlock();
    try {
      const nb::gil_scoped_acquire locked;
      check_signals();
      if (is_new) {
        callback(num_done, num_all);
      }
    } catch (...) {
      lock.lock();
      must_stop_ = true;
      throw;
    }
    lock.lock();
  }
}

}  // namespace lplb::python
