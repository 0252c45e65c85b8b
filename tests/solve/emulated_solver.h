#pragma once

// The device code of the solver on the CPU, with the interface of `split`.

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "solve/pair_lanes.h"
#include "solve/pairs_block.h"
#include "solve/solve_block.h"
#include "solve/solve_config.h"
#include "solve/solve_image.h"
#include "solve/split_graph.h"
#include "support/emulated_simt.h"
#include "support/instance.h"

namespace lplb::testing {

/// How a launch is forced, to reach what a shape alone would not.
struct EmulatedLaunch {
  int num_splits = 128;  // as many choose a small block
  int max_shared_bytes = 200 << 10;
  bool by_lanes = false;                     // the short way, for num_splits = 1, where the placement has it
  int max_lane_tasks = cuda::kMaxLaneTasks;  // that the launch has a warp for
  int max_staged_words = 1 << 20;            // of an image that was longer at the launch than when it was captured
};

inline Plan emulated_solve(const Instance& instance, const EmulatedLaunch& launch = {}) {
  const SplitGraph graph(instance.placement, instance.live);
  const cuda::SolveImage made = cuda::make_solve_image(graph);
  std::vector<unsigned> image = made.words;
  cuda::SolveHeader header;
  std::memcpy(&header, image.data(), sizeof header);
  const cuda::SolveConfig config = cuda::choose_solve_config({.num_logical = graph.num_logical(),
                                                              .num_physical = graph.num_physical(),
                                                              .num_ranks = graph.num_ranks(),
                                                              .num_splits = launch.num_splits,
                                                              .image_words = static_cast<int>(image.size()),
                                                              .amount_words = header.num_amounts,
                                                              .class_words = header.num_totals,
                                                              .max_shared_bytes = launch.max_shared_bytes});
  const int num_words = static_cast<int>(image.size());
  image.resize(image.size() + static_cast<std::size_t>(config.num_threads) / 32 * cuda::kTaskWords);  // as on a device
  const auto lanes_begin = static_cast<int>(image.size() + 3) / 4 * 4;
  const std::vector<unsigned> tables = cuda::make_lane_tables(graph);
  const int shares_begin = lanes_begin + cuda::lane_table_words(graph.num_ranks());
  const std::size_t num_shares = std::max(made.shares.size(), static_cast<std::size_t>(config.num_threads));
  image.resize(shares_begin + num_shares * (sizeof(cuda::EvenShare) / 4));
  std::ranges::copy(std::as_bytes(std::span(made.shares)),
                    std::as_writable_bytes(std::span(image)).begin() + 4 * std::ptrdiff_t{shares_begin});
  std::ranges::copy(tables, image.begin() + lanes_begin);
  const int num_lane_tasks = tables.empty() ? 0 : static_cast<int>(tables[0]);
  Plan plan;
  plan.quota.assign(graph.num_physical(), -1);
  plan.rank_load.assign(graph.num_ranks(), -1);
  plan.component_bound.assign(graph.num_ranks(), -1);
  plan.in_bottleneck.assign(graph.num_ranks(), 7);
  plan.component = graph.impl().component_of;
  cuda::PlanSummary summary{};
  std::vector<unsigned> spill(config.layout.spill_words + 4);
  const cuda::SolveArgs args{.images = image.data(),
                             .image_stride = static_cast<int>(image.size()),
                             .staged_words = std::min(num_words, launch.max_staged_words),
                             .lanes_begin = lanes_begin,
                             .num_lane_tasks = std::min(num_lane_tasks, launch.max_lane_tasks),
                             .shares_begin = shares_begin,
                             .counts = instance.counts.data(),
                             .base_load = instance.base_load.empty() ? nullptr : instance.base_load.data(),
                             .num_logical = graph.num_logical(),
                             .num_physical = graph.num_physical(),
                             .num_ranks = graph.num_ranks(),
                             .quota = plan.quota.data(),
                             .rank_load = plan.rank_load.data(),
                             .component_bound = plan.component_bound.data(),
                             .in_bottleneck = plan.in_bottleneck.data(),
                             .summary = &summary,
                             .spill = spill.data(),
                             .layout = config.layout};
  struct alignas(16) Quad {
    unsigned words[4];
  };
  std::vector<Quad> shared(config.layout.shared_words / 4 + 1, Quad{{0xabababab, 0xabababab, 0xabababab, 0xabababab}});
  using General = cuda::LaunchKind<true, false>;
  using Plain = cuda::LaunchKind<true, true>;
  const bool plain = cuda::is_plain(args, config);
  EmulatedBlock block(config.num_threads);
  block.run([&] {
    if (!config.layout.in_shared) {
      cuda::solve_block<EmulatedSimt, cuda::LaunchKind<false, false>>(args, shared[0].words, 0, [] {});
    } else if (launch.by_lanes && plain) {
      cuda::solve_block_by_lanes<EmulatedSimt, Plain>(args, shared[0].words, 0, [] {});
    } else if (launch.by_lanes) {
      cuda::solve_block_by_lanes<EmulatedSimt, General>(args, shared[0].words, 0, [] {});
    } else if (plain) {
      cuda::solve_block<EmulatedSimt, Plain>(args, shared[0].words, 0, [] {});
    } else {
      cuda::solve_block<EmulatedSimt, General>(args, shared[0].words, 0, [] {});
    }
  });
  plan.component_bound.resize(graph.num_components());
  plan.max_load = summary.max_load;
  plan.lower_bound = summary.lower_bound;
  plan.status = summary.status;
  plan.num_sweeps = summary.num_sweeps;
  plan.num_waves = summary.num_waves;
  plan.num_raises = summary.num_raises;
  plan.digest = summary.digest;
  return plan;
}

}  // namespace lplb::testing
