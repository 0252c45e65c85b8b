#pragma once

// Inverting a symmetric matrix in place by the sweep operator (Goodnight, A tutorial on the SWEEP operator, 1979): its
// pivots are those of Cholesky's factorization, its steps are half as many as those of factoring and substituting, and
// a solve is then one product, not a chain of substitutions. Diagonal blocks are swept side by side, a step of all of
// them at a time, with one barrier:
//
//     f_i = a_ik / a_kk,   a_ij -= f_i a_kj,   a_ik = f_i,   and in the pivot's row   a_kj /= a_kk,   a_kk = -1 / a_kk.
//
// A thread holds a row of a block, or a part of one, in registers, and the matrix stays symmetric: so the pivot's row
// is what each row's thread holds of the pivot's column.

#include "weighted/problem.h"

namespace lplb::weighted {

/// A row that has been the pivot's is kept as it was then, but for a scale: later steps change it in proportion.
/// Columns of a block are dealt to 2^chunk_bits threads a row, in turn. A thread's registers turn by one in each step
/// that is one of its columns', so that this is always in the first: registers have no address.
template <class Block>
class SweptRows {
 public:
  LPLB_WEIGHTED SweptRows(Block& block, const ImageView& image, const Memory& memory)
      : block_(block), h_(image.header), m_(memory), row_(block.thread()), chunk_bits_(block.chunk_bits()) {
    const int stride = (h_.num_rows + kRowStride - 1) / kRowStride * kRowStride;
    for (; row_ >= stride; row_ -= stride) {
      ++chunk_;
    }
    if (row_ < h_.num_rows && chunk_ < num_chunks()) {
      first_ = image.ints(h_.row_first)[row_];
      size_ = image.ints(h_.row_size)[row_];
      storage_ = image.ints(h_.row_storage)[row_];
      area_ = image.ints(h_.row_block)[row_] * num_chunks() * kEntries;
      least_pivot_ = m_.least_pivot()[row_];
    }
  }

  LPLB_WEIGHTED void run() {
    double row[kEntries];
    const int stride = size_ << chunk_bits_;
    const double* from = m_.matrix() + storage_ + chunk_ * size_;
    LPLB_WEIGHTED_UNROLL
    for (int q = 0; q < kEntries; ++q) {
      row[q] = chunk_ + (q << chunk_bits_) < size_ ? *from : 0;
      from += stride;
    }
    LPLB_WEIGHTED_ROLL
    for (int k = 0; k < h_.num_steps; ++k) {
      step(row, k);
    }
    const int num_pads = kEntries - num_steps_of(chunk_, size_);
    double* to = m_.matrix() + storage_ + chunk_ * size_ - num_pads * stride;
    LPLB_WEIGHTED_UNROLL
    for (int q = 0; q < kEntries; ++q) {
      if (q >= num_pads && size_ != 0) {
        *to = scale_ * row[q];
      }
      to += stride;
    }
    block_.sync();
  }

 private:
  static constexpr int kEntries = Block::kChunk;
  static constexpr int kRowStride = 32;  // warps are of one chunk

  /// Steps before step k that are of the chunk's columns.
  LPLB_WEIGHTED int num_steps_of(int chunk, int k) const { return (k - 1 - chunk + num_chunks()) >> chunk_bits_; }
  LPLB_WEIGHTED int num_chunks() const { return 1 << chunk_bits_; }
  LPLB_WEIGHTED int chunk_of(int column) const { return column & (num_chunks() - 1); }

  LPLB_WEIGHTED void step(double (&row)[kEntries], int k) {
    double* const pivot_row = m_.pivot_row() + (k % 2) * m_.at.pivot_doubles + area_;
    const bool is_swept = k < size_;
    const bool has_column = chunk_of(k) == chunk_;
    const bool is_pivot = row_ - first_ == k;
    const int own_chunk = chunk_of(row_ - first_);
    const int turned = ((row_ - first_) >> chunk_bits_) - num_steps_of(own_chunk, k);
    const int own = own_chunk * kEntries + (turned < 0 ? turned + kEntries : turned);
    if (is_swept && has_column) {
      pivot_row[own] = is_pivot ? larger(row[0], least_pivot_) : scale_ * row[0];
    }
    block_.sync();
    if (!is_swept) {
      return;
    }
    const double pivot = pivot_row[chunk_of(k) * kEntries];
    const double inverse = Block::inverse(pivot);
    const double part = (chunk_bits_ == 0 ? row[0] : pivot_row[own] * unscale_) * inverse;
    const double factor = is_pivot ? 0 : part;
    const double entry = is_pivot ? -1 : part;
    scale_ = is_pivot ? inverse : scale_;
    unscale_ = is_pivot ? pivot : unscale_;
    const auto* const pairs = reinterpret_cast<const Pair*>(pivot_row + chunk_ * kEntries);
    if (has_column) {
      subtract<1>(row, factor, pairs);
      row[kEntries - 1] = entry;
    } else {
      subtract<0>(row, factor, pairs);
    }
  }

  struct alignas(16) Pair {
    double value[2];
  };

  template <int kTurn>
  LPLB_WEIGHTED static void subtract(double (&row)[kEntries], double factor, const Pair* pairs) {
    LPLB_WEIGHTED_UNROLL
    for (int q = 0; q < kEntries; q += 2) {
      const Pair pair = pairs[q / 2];
      if (q >= kTurn) {
        row[q - kTurn] = row[q] - factor * pair.value[0];
      }
      row[q + 1 - kTurn] = row[q + 1] - factor * pair.value[1];
    }
  }

  Block& block_;
  const ImageHeader& h_;
  const Memory& m_;
  int row_;
  int chunk_bits_;
  int chunk_ = 0;
  int first_ = 0;
  int size_ = 0;  // 0 where there is no row for the thread
  int storage_ = 0;
  int area_ = 0;
  double least_pivot_ = 0;
  double scale_ = 1;    // of what is in registers
  double unscale_ = 1;  // 1 / scale
};

/// The same where the matrix stays in memory: a warp, or the only thread, a row at a time.
template <class Block>
LPLB_WEIGHTED void sweep_in_memory(Block& block, const ImageView& image, const Memory& m) {
  const ImageHeader& h = image.header;
  const int num_lanes = smaller(32, block.num_threads());
  const int lane = block.thread() % num_lanes;
  double* const pivot_row = m.pivot_row();
  LPLB_WEIGHTED_ROLL
  for (int k = 0; k < h.num_steps; ++k) {
    for (int i = block.thread(); i < h.num_rows; i += block.num_threads()) {
      const int size = image.ints(h.row_size)[i];
      if (k < size) {
        const double value = m.matrix()[image.ints(h.row_storage)[i] + k * size];
        const bool is_pivot = i - image.ints(h.row_first)[i] == k;
        pivot_row[i] = is_pivot ? Block::inverse(larger(value, m.least_pivot()[i])) : value;
      }
    }
    block.sync();
    for (int i = block.thread() / num_lanes; i < h.num_rows; i += block.num_threads() / num_lanes) {
      const int size = image.ints(h.row_size)[i];
      const int first = image.ints(h.row_first)[i];
      if (k >= size) {
        continue;
      }
      double* const row = m.matrix() + image.ints(h.row_storage)[i] + (i - first) * (size - 1);
      const bool is_pivot = i - first == k;
      const double inverse = pivot_row[first + k];
      const double factor = is_pivot ? -inverse : pivot_row[i] * inverse;
      for (int j = lane; j < size; j += num_lanes) {
        row[j] = j == k ? factor : (is_pivot ? 0 : row[j]) - factor * pivot_row[first + j];
      }
    }
    block.sync();
  }
}

}  // namespace lplb::weighted
