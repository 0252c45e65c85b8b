#pragma once

// A block of GPU threads on one CPU thread: every thread is a fiber, and warp and block operations are where fibers
// wait for each other. It runs the device code of the solver in tests that have no GPU, and finds lanes that wait at
// different operations, which hardware would leave undefined. Memory is not raced: a fiber runs until its next
// operation. The thread sanitizer takes every fiber for a call that has not returned, and gives up after 65,535 of them
// in a process, which is 170 blocks of 384 threads.

#include <ucontext.h>
#include <csetjmp>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

namespace lplb::testing {

class EmulatedBlock {
 public:
  explicit EmulatedBlock(int num_threads) : fibers_(num_threads), warps_(num_threads / 32) {
    for (Fiber& fiber : fibers_) {
      fiber.stack = std::make_unique_for_overwrite<char[]>(kStackBytes);
    }
  }

  /// Runs `body` once a thread. Throws std::logic_error when threads wait for each other at different operations.
  void run(const std::function<void()>& body) {
    body_ = &body;
    active_ = this;
    for (std::size_t i = 0; i < fibers_.size(); ++i) {
      fibers_[i].is_started = fibers_[i].is_done = false;
      fibers_[i].num_passed = 0;
    }
    std::ranges::fill(warps_, Meeting{});
    block_ = Meeting{};
    for (bool is_any_left = true; is_any_left;) {
      is_any_left = false;
      const long before = num_steps_;
      for (std::size_t i = 0; i < fibers_.size(); ++i) {
        if (!fibers_[i].is_done && can_resume(static_cast<int>(i))) {
          resume(static_cast<int>(i));
          ++num_steps_;
        }
        is_any_left = is_any_left || !fibers_[i].is_done;
      }
      if (is_any_left && num_steps_ == before) {
        throw std::logic_error("emulated threads wait at different operations");
      }
    }
  }

  static EmulatedBlock& active() { return *active_; }
  int thread() const { return current_; }
  int num_threads() const { return static_cast<int>(fibers_.size()); }

  /// What all lanes of the warp brought to the same operation.
  const std::array<unsigned, 32>& meet_warp(int operation, unsigned value) {
    Meeting& meeting = warps_[current_ / 32];
    const auto parity = static_cast<std::size_t>(meeting.generation % 2);
    meeting.values[parity][current_ % 32] = value;
    wait(meeting, operation, 32);
    return meeting.values[parity];
  }
  void meet_block() { wait(block_, 0, num_threads()); }

 private:
  static constexpr std::size_t kStackBytes = 64 << 10;

  struct Meeting {
    long generation = 0;
    int num_arrived = 0;
    int operation = 0;
    std::array<std::array<unsigned, 32>, 2> values{};
  };

  struct Fiber {
    std::unique_ptr<char[]> stack;
    ucontext_t context;
    std::jmp_buf state;
    bool is_started = false;
    bool is_done = false;
    const Meeting* waits_for = nullptr;
    long generation = 0;
    long num_passed = 0;
  };

  bool can_resume(int i) const {
    const Fiber& fiber = fibers_[i];
    return !fiber.is_started || fiber.waits_for->generation != fiber.generation;
  }

  void wait(Meeting& meeting, int operation, int num_expected) {
    if (meeting.num_arrived == 0) {
      meeting.operation = operation;
    } else if (meeting.operation != operation) {
      throw std::logic_error("emulated lanes meet at different operations");
    }
    Fiber& fiber = fibers_[current_];
    fiber.waits_for = &meeting;
    fiber.generation = meeting.generation;
    if (++meeting.num_arrived == num_expected) {
      meeting.num_arrived = 0;
      ++meeting.generation;
      return;
    }
    if (_setjmp(fiber.state) == 0) {
      _longjmp(scheduler_, 1);
    }
  }

  void resume(int i) {
    current_ = i;
    if (_setjmp(scheduler_) != 0) {
      return;
    }
    Fiber& fiber = fibers_[i];
    if (fiber.is_started) {
      _longjmp(fiber.state, 1);
    }
    fiber.is_started = true;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &EmulatedBlock::enter, 0);
    setcontext(&fiber.context);
  }

  static void enter() {
    EmulatedBlock& block = *active_;
    (*block.body_)();
    block.fibers_[block.current_].is_done = true;
    _longjmp(block.scheduler_, 1);
  }

  static inline thread_local EmulatedBlock* active_ = nullptr;
  std::vector<Fiber> fibers_;
  std::vector<Meeting> warps_;
  Meeting block_;
  const std::function<void()>* body_ = nullptr;
  std::jmp_buf scheduler_;
  int current_ = 0;
  long num_steps_ = 0;
};

/// The operations of solve/simt.h.
struct EmulatedSimt {
  static EmulatedBlock& block() { return EmulatedBlock::active(); }
  static int thread() { return block().thread(); }
  static int lane() { return thread() % 32; }
  static int warp() { return thread() / 32; }
  static int num_threads() { return block().num_threads(); }
  static int num_warps() { return num_threads() / 32; }
  static void sync_block() { block().meet_block(); }
  static void sync_warp() { block().meet_warp(0, 0); }

  static int shuffle(int value, int lane) { return static_cast<int>(block().meet_warp(1, value)[lane & 31]); }
  static unsigned ballot(bool flag) {
    unsigned bits = 0;
    const auto& values = block().meet_warp(2, flag ? 1 : 0);
    for (int i = 0; i < 32; ++i) {
      bits |= values[i] << i;
    }
    return bits;
  }
  static int reduce_add(int value) { return static_cast<int>(reduce_add(static_cast<unsigned>(value))); }
  static unsigned reduce_add(unsigned value) {
    unsigned sum = 0;
    for (const unsigned v : block().meet_warp(3, value)) {
      sum += v;
    }
    return sum;
  }
  static int reduce_max(int value) {
    int largest = value;
    for (const unsigned v : block().meet_warp(4, value)) {
      largest = std::max(largest, static_cast<int>(v));
    }
    return largest;
  }
  static unsigned reduce_or(unsigned value) {
    unsigned bits = 0;
    for (const unsigned v : block().meet_warp(5, value)) {
      bits |= v;
    }
    return bits;
  }

  template <class T>
  static T add(T* sum, T value) {
    *sum += value;
    return *sum - value;
  }
  static void raise(int* most, int value) { *most = std::max(*most, value); }
  static void copy_quad(unsigned* to, const unsigned* from) { std::copy_n(from, 4, to); }
  static void wait_for_copies() {}
  static int lowest_bit(unsigned bits) { return std::countr_zero(bits); }
  static int count_bits(unsigned bits) { return std::popcount(bits); }
};

}  // namespace lplb::testing
