#pragma once

// Exceptions of the library. Each message starts with the public function in brackets and names the argument, its
// value and what was expected: "[rebalance_experts] num_replicas (258) must be a multiple of num_gpus (32)".

#include <stdexcept>

namespace lplb {

/// Base of every exception that the library throws on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller passed something that the function does not accept.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

/// A file does not hold what it should.
class DataError : public Error {
 public:
  using Error::Error;
};

/// A CUDA call failed, or CUDA was asked of a build without it.
class CudaError : public Error {
 public:
  using Error::Error;
};

}  // namespace lplb
