#pragma once

// What the policies of `lplb place` share: options, the balance to expect, and what is written.

#include <span>
#include <string>
#include <vector>

#include "lplb/move_limit.h"
#include "lplb/optimize.h"
#include "lplb/policy.h"
#include "output.h"
#include "trace_options.h"

namespace lplb::cli {

/// Of the policy "optimize" alone.
struct OptimizeOptions {
  int window = 16;
  std::int64_t num_moves = OptimizeArgs{}.num_moves;
  double time_limit_s = 0;
  std::string slots = {};  // numbers or a file
  int total_slots = 0;
  int copies_within = 0;
  std::string dead = {};
  std::string current_path = {};
  std::string max_moved = {};
  double move_price = 0;
  bool trade_off = false;
  int num_threads = 0;
};

struct PlaceOptions {
  std::string loads_path = {};
  ReadTraceOptions reading = {};
  std::string policy = "eplb";
  PolicyArgs args = {};
  int num_replicas = -1;
  int num_redundant = -1;
  OptimizeOptions optimize = {};
  std::string out_path = {};
  bool for_sglang = false;
  Output output = {};
};

/// Imbalance of a layer on the sum of its loads: in order without copies, evenly divided, exactly split.
struct Expectation {
  double before;
  double even;
  double exact;
};
/// `num_live` ranks hold experts.
Expectation expect(const Placement& placement, std::span<const double> load, int num_live);

/// Completes options.args: how many slots there are.
void set_num_physical(PlaceOptions& options, int num_logical);

/// What the JSON of every policy has.
Json place_to_json(const PlaceOptions& options, const std::string& description, const std::vector<Placement>& layers,
                   const std::vector<Expectation>& expectations);

/// Writes the placement and everything else. `json` is place_to_json's, perhaps with more in it.
void finish_place(PlaceOptions& options, const std::vector<Placement>& layers, const Json& json);

/// Options, the footer's part on them, and the run of the policy "optimize".
void add_optimize_options(CLI::App& command, OptimizeOptions& options);
void run_place_optimize(PlaceOptions& options);

inline constexpr const char* kOptimizeGroup = "Policy optimize";

}  // namespace lplb::cli
