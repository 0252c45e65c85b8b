#pragma once

// Whether the current duals of the extra rows prove that no split meets them (Farkas): with each expert at the lowest
// price that these rows alone set, their value is above 0, by more than rounding could add. Each row by itself is tried
// too.

#include "weighted/problem.h"

namespace lplb::weighted {

/// More than the roundings of a sum over all experts and rows can amount to, in units of the sum of magnitudes.
LPLB_WEIGHTED double rounding_of(const ImageHeader& h) {
  constexpr double kEpsilon = 2.220446049250313e-16;
  return (h.num_logical + h.num_physical + 2 * h.num_rows + 16) * kEpsilon;
}

template <class Block>
class RowProof {
 public:
  LPLB_WEIGHTED RowProof(Block& block, const ImageView& image, const Memory& memory)
      : block_(block), image_(image), h_(image.header), m_(memory) {}

  LPLB_WEIGHTED bool run() {
    if (num_extra_rows<Block>(h_) == 0) {
      return false;
    }
    double value = 0;
    double size = 0;
    double num_hopeless = 0;
    LPLB_WEIGHTED_ROLL
    for (int r = block_.thread(); r < h_.num_extra; r += block_.num_threads()) {
      const int i = h_.num_time_rows + r;
      value += m_.dual()[i] * m_.base()[i];
      size += m_.dual()[i] * m_.fixed()[i];
      num_hopeless += is_hopeless(r) ? 1 : 0;
    }
    LPLB_WEIGHTED_ROLL
    for (int j = block_.thread(); j < h_.num_experts; j += block_.num_threads()) {
      add_lowest_price(j, value, size);
    }
    value = block_.sum(value);
    size = block_.sum(size);
    return block_.sum(num_hopeless) > 0 || value > rounding_of(h_) * size;
  }

 private:
  LPLB_WEIGHTED void add_lowest_price(int j, double& value, double& size) const {
    double lowest = 0;
    double largest_size = 0;
    const int begin = image_.ints(h_.expert_begin)[j];
    LPLB_WEIGHTED_ROLL
    for (int p = begin; p < image_.ints(h_.expert_begin)[j + 1]; ++p) {
      double price = 0;
      double price_size = 0;
      LPLB_WEIGHTED_ROLL
      for (int r = 0; r < h_.num_extra; ++r) {
        const double part = image_.doubles(h_.coefficient)[r * h_.num_columns + p] * m_.dual()[h_.num_time_rows + r];
        price += part;
        price_size += magnitude(part);
      }
      lowest = p == begin ? price : smaller(lowest, price);
      largest_size = larger(largest_size, price_size);
    }
    value += m_.tokens()[j] * lowest;
    size += m_.tokens()[j] * largest_size;
  }

  /// Whether the row is broken even with each expert where the row counts it least.
  LPLB_WEIGHTED bool is_hopeless(int r) const {
    const double* const coefficients = image_.doubles(h_.coefficient) + r * h_.num_columns;
    double value = m_.base()[h_.num_time_rows + r];
    double size = m_.fixed()[h_.num_time_rows + r];
    LPLB_WEIGHTED_ROLL
    for (int j = 0; j < h_.num_experts; ++j) {
      const int begin = image_.ints(h_.expert_begin)[j];
      double least = coefficients[begin];
      LPLB_WEIGHTED_ROLL
      for (int p = begin; p < image_.ints(h_.expert_begin)[j + 1]; ++p) {
        least = smaller(least, coefficients[p]);
      }
      value += m_.tokens()[j] * least;
      size += m_.tokens()[j] * magnitude(least);
    }
    return value > rounding_of(h_) * size;
  }

  Block& block_;
  const ImageView& image_;
  const ImageHeader& h_;
  const Memory& m_;
};

}  // namespace lplb::weighted
