#pragma once

// How often tests on the GPU repeat what they repeat. Tools that watch every access make a kernel up to a thousand
// times slower; so that they can watch all tests, LPLB_CUDA_TEST_REPETITIONS=few makes each repeat as little as still
// takes it through every kernel and every path.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/check.h"

namespace lplb::testing {

struct Repetitions {
  const char* of;  // in the plural
  int full;
  int few;
};

inline bool wants_few_repetitions() {
  const char* const value = std::getenv("LPLB_CUDA_TEST_REPETITIONS");
  const std::string wanted = value == nullptr ? "full" : value;
  check(wanted == "full" || wanted == "few", "LPLB_CUDA_TEST_REPETITIONS (", wanted, ") must be full or few");
  return wanted == "few";
}

/// `full`; or `few`, which it says.
inline int how_many(const Repetitions& repetitions) {
  if (!wants_few_repetitions()) {
    return repetitions.full;
  }
  std::printf("[   FEW    ] %d instead of %d %s\n", repetitions.few, repetitions.full, repetitions.of);
  return repetitions.few;
}

}  // namespace lplb::testing
