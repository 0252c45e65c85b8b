#pragma once

// The message of an InvalidArgument.

#include <gtest/gtest.h>

#include <string>

#include "lplb/error.h"

namespace lplb::testing {

/// What `call` throws as InvalidArgument; a failed test when it throws nothing.
template <class Call>
std::string invalid_argument_of(const Call& call) {
  try {
    call();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  ADD_FAILURE() << "no InvalidArgument was thrown";
  return {};
}

}  // namespace lplb::testing
