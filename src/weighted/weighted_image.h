#pragma once

// A weighted model as the solver reads it: one block of 32-bit words, made once a placement on the host; the CUDA side
// copies it to the device as it is. Sections begin at multiples of four words.
//
// Unknowns are columns: an expert's copies on a rank that no time and no row tells apart. Experts with one column are
// fixed: their time cannot move. Time rows come first: ranks that hold columns, component by component, and one more
// for all other ranks together (the floor). Extra rows follow. The normal matrix is block diagonal, a block a
// component; extra rows make it one block.

#include <cstdint>
#include <vector>

#include "lplb/weighted.h"

namespace lplb::weighted {

/// Counts, and word offsets of the sections.
struct ImageHeader {
  std::int32_t num_words;
  std::int32_t num_logical;
  std::int32_t num_physical;
  std::int32_t num_ranks;
  std::int32_t num_experts;    // J, with two columns or more
  std::int32_t num_columns;    // n
  std::int32_t num_rank_rows;  // rows of ranks with columns
  std::int32_t num_time_rows;  // these and the floor, if there is one
  std::int32_t num_extra;      // R
  std::int32_t num_rows;       // num_time_rows + R
  std::int32_t num_elements;   // of all blocks
  std::int32_t num_listed;     // elements (i, j) of them with i <= j that may differ from 0
  std::int32_t num_blocks;     //
  std::int32_t num_steps;      // rows of the largest block
  std::int32_t num_fixed;      // F

  std::int32_t expert_begin;       // [J + 1] columns of the expert
  std::int32_t expert_id;          // [J] logical expert
  std::int32_t column_time;        // [n] double
  std::int32_t column_start;       // [n] double: part of the expert's tokens that the column starts with
  std::int32_t column_row;         // [n] time row
  std::int32_t column_expert;      // [n] 0..J-1
  std::int32_t row_columns;        // [num_rank_rows + 1] into row_column
  std::int32_t row_column;         // [n] columns by row
  std::int32_t row_time;           // [n] double: their times
  std::int32_t row_block;          // [num_rows] the row's block
  std::int32_t row_first;          // [num_rows] first row of it
  std::int32_t row_size;           // [num_rows] rows of the block
  std::int32_t row_storage;        // [num_rows] element (first row of the block, row)
  std::int32_t listed_rows;        // [num_listed] i | j << 16
  std::int32_t listed_places;      // [num_listed] of (i, j) | of (j, i) << 16 in the matrix
  std::int32_t listed_pairs;       // [num_listed + 1] into pair
  std::int32_t pair;               // column p | column q << 16: the element gets - theta c_p c_q
  std::int32_t rank_row;           // [G] time row, kNone on dead ranks
  std::int32_t rank_fixed;         // [G + 1] fixed experts of the rank
  std::int32_t fixed_expert;       // [F]
  std::int32_t fixed_time;         // [F] double
  std::int32_t cell_begin;         // [n + F + 2] slots of columns, of fixed experts, and those without a live copy
  std::int32_t cell_slot;          // slots, ascending within a cell
  std::int32_t coefficient;        // [R, n] double
  std::int32_t fixed_coefficient;  // [R, F] double
};

/// From here on rounding is felt: one block, shifted; residuals are looked at, and steps refined.
inline constexpr double kCarefulTolerance = 3e-5;

struct Image {
  ImageHeader header{};
  std::vector<std::uint32_t> words;
};

/// `one_block`: as one block whatever the components, which a tight tolerance needs.
Image make_image(const Placement& placement, const WeightedArgs& args, bool one_block);

}  // namespace lplb::weighted

namespace lplb {

struct WeightedModel::Impl {
  weighted::Image by_component;
  weighted::Image one_block;
};

}  // namespace lplb
