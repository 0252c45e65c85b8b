#pragma once

// A search that may take long, run so that Python can follow and stop it. It works on a thread of its own without the
// GIL; the caller's thread, the one to which Python delivers signals, waits, tells a callback how far it is, and passes
// on what the callback raises, or Ctrl-C, once the search has stopped.

#include <nanobind/nanobind.h>

#include <condition_variable>
#include <cstdint>
#include <future>
#include <mutex>

namespace lplb::python {

class SearchWatch {
 public:
  /// For the search's `progress`: leaves word for the caller's thread. Throws to end the search when it should stop.
  void report(std::int64_t num_done, std::int64_t num_all);
  /// The search has ended; nothing more is reported.
  void finish();
  /// Until `finish`: calls `callback`, unless it is None, with the latest numbers whenever there are new ones. Called
  /// without the GIL, which it takes for that. What the callback raises, and what a signal's handler does, is thrown
  /// here, and makes `report` throw from then on.
  void follow(const nanobind::object& callback);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t num_done_ = 0;
  std::int64_t num_all_ = 0;
  bool is_new_ = false;
  bool is_finished_ = false;
  bool must_stop_ = false;
};

/// The result of search(progress), followed as described above. Called with the GIL.
template <class Search>
auto run_search(const nanobind::object& callback, Search search) {
  SearchWatch watch;
  const nanobind::gil_scoped_release unlocked;
  auto result = std::async(std::launch::async, [&] {
    struct Finish {
      SearchWatch& watch;
      ~Finish() { watch.finish(); }
    } const finish{watch};
    return search([&watch](std::int64_t num_done, std::int64_t num_all) { watch.report(num_done, num_all); });
  });
  watch.follow(callback);  // where it throws, the destructor of `result` waits for the search to end
  return result.get();
}

}  // namespace lplb::python
