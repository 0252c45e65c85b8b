// The device image of a placement.

#include "cuda/placement.cuh"

#include <algorithm>
#include <cstring>
#include <functional>
#include <span>
#include <vector>

#include "base/check.h"
#include "cuda/slices.h"

namespace lplb::cuda {
namespace {

using Image = std::vector<std::uint16_t>;

template <class T>
constexpr std::size_t kWords = sizeof(T) / sizeof(std::uint16_t);

/// Wide experts that a placement may have.
std::size_t max_wide(const Placement& placement) {
  return (placement.num_physical() - placement.num_logical()) / kMatchLanes;
}

/// Where the parts of the image begin, in words.
struct ImageLayout {
  explicit ImageLayout(const Placement& placement)
      : copies(kWords<CopyLane> * kMatchLanes * max_copy_warps(placement.num_logical(), placement.num_physical())),
        places(copies + kWords<Copy> * placement.num_physical()),
        replicated(places + kWords<ExpertPlace> * num_places(placement.num_logical())),
        wide(replicated + num_replicated_entries(placement.num_logical(), placement.num_physical())),
        ranges(wide + kWords<WideExpert> * max_wide(placement)),
        counts(ranges + kWords<CopyRange> * placement.num_logical()),
        end(counts + kWords<ReplicatedCounts>) {}

  std::size_t copies;
  std::size_t places;
  std::size_t replicated;
  std::size_t wide;
  std::size_t ranges;
  std::size_t counts;
  std::size_t end;
};

void check_limits(const Placement& placement) {
  const auto check_limit = [](const char* what, int value, int limit) {
    check(value <= limit, "[DevicePlacement] ", what, " (", value, ") must be at most ", limit);
  };
  check_limit("num_logical", placement.num_logical(), kMaxCudaLogical);
  check_limit("num_physical", placement.num_physical(), kMaxCudaPhysical);
  check_limit("num_ranks", placement.num_ranks(), kMaxCudaRanks);
}

template <class T>
void put(Image& image, std::size_t part, std::size_t index, const T& value) {
  std::memcpy(image.data() + part + kWords<T> * index, &value, sizeof(T));
}

/// The first of the expert's copies that is on copy i's rank, or in its node.
int first_with(std::span<const std::int32_t> replicas, int i, const std::function<int(int)>& place_of) {
  while (i > 0 && place_of(replicas[i - 1]) == place_of(replicas[i])) {
    --i;
  }
  return i;
}

/// Copies by expert, their ranges, and experts' places.
void put_copies(Image& image, const ImageLayout& at, const Placement& placement) {
  const auto node_of = [&](int slot) { return placement.node_of_rank(placement.rank_of(slot)); };
  int num_copies = 0;
  int num_replicated = 0;
  const auto put_copy = [&](int slot, int count, int first_of_node) {
    put(image, at.copies, num_copies++,
        Copy{.slot = static_cast<std::uint16_t>(slot),
             .rank = static_cast<std::uint16_t>(placement.rank_of(slot)),
             .node = static_cast<std::uint16_t>(node_of(slot)),
             .first_of_node = static_cast<std::uint16_t>(first_of_node),
             .count = static_cast<std::uint16_t>(count),
             .unused = {}});
  };
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    const auto replicas = placement.replicas(expert);
    const int count = static_cast<int>(replicas.size());
    put(image, at.ranges, expert,
        CopyRange{.first = static_cast<std::uint16_t>(num_copies),
                  .count = static_cast<std::uint16_t>(count),
                  .slot = static_cast<std::uint16_t>(replicas.front()),
                  .unused = 0});
    if (count > 1) {
      put(image, at.replicated, num_replicated, static_cast<std::uint16_t>(expert));
    }
    put(image, at.places, expert,
        count > 1 ? ExpertPlace::of_copies(num_replicated++, num_copies) : ExpertPlace::of_slot(replicas.front()));
    for (int i = 0; i < count; ++i) {
      put_copy(replicas[i], count, first_with(replicas, i, node_of));
    }
  }
  for (int slot = 0; slot < placement.num_physical(); ++slot) {
    if (placement.phy2log()[slot] == kNone) {
      put_copy(slot, 0, 0);  // of no expert
    }
  }
  for (int i = placement.num_logical(); i < num_places(placement.num_logical()); ++i) {
    put(image, at.places, i, ExpertPlace::of_slot(kNone));
  }
}

/// Numbers of the experts with several copies, in descending order of copies.
std::vector<int> replicated_experts(const Placement& placement) {
  std::vector<int> replicated;
  const auto count = [&](int expert) { return placement.replicas(expert).size(); };
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    if (count(expert) > 1) {
      replicated.push_back(expert);
    }
  }
  std::ranges::stable_sort(replicated, std::greater{}, count);
  return replicated;
}

/// An expert in lanes from `lane` on of a warp; its copies begin at number `first_copy` of the list.
void put_lanes(Image& image, const Placement& placement, int expert, int first_copy, int warp, int lane) {
  const auto replicas = placement.replicas(expert);
  const int count = static_cast<int>(replicas.size());
  const auto rank_of = [&](int slot) { return placement.rank_of(slot); };
  const auto node_of = [&](int slot) { return placement.node_of_rank(placement.rank_of(slot)); };
  int last_of_node = count - 1;
  for (int i = count - 1; i >= 0; --i) {
    last_of_node = node_of(replicas[i]) == node_of(replicas[last_of_node]) ? last_of_node : i;
    put(image, 0, kMatchLanes * warp + lane + i,
        CopyLane{.copy = static_cast<std::uint16_t>(first_copy + i),
                 .slot = static_cast<std::uint16_t>(replicas[i]),
                 .rank = static_cast<std::uint16_t>(rank_of(replicas[i])),
                 .node = static_cast<std::uint16_t>(node_of(replicas[i])),
                 .expert = static_cast<std::uint16_t>(expert),
                 .first = static_cast<std::uint8_t>(lane),
                 .end = static_cast<std::uint8_t>(lane + count),
                 .first_of_rank = static_cast<std::uint8_t>(lane + first_with(replicas, i, rank_of)),
                 .first_of_node = static_cast<std::uint8_t>(lane + first_with(replicas, i, node_of)),
                 .last_of_node = static_cast<std::uint8_t>(lane + last_of_node),
                 .unused = 0});
  }
}

/// Experts with several copies: wide ones in their list, the others in lanes.
void put_replicated(Image& image, const ImageLayout& at, const Placement& placement) {
  std::vector<int> first_copy(placement.num_logical() + 1);
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    first_copy[expert + 1] = first_copy[expert] + static_cast<int>(placement.replicas(expert).size());
  }
  const std::vector<int> experts = replicated_experts(placement);
  ReplicatedCounts counts{};
  counts.num_replicated = static_cast<std::uint16_t>(experts.size());
  int lane = kMatchLanes;
  for (const int expert : experts) {
    const int first = first_copy[expert];
    const int count = first_copy[expert + 1] - first;
    if (count > kMatchLanes) {
      put(image, at.wide, counts.num_wide++,
          WideExpert{.expert = static_cast<std::uint16_t>(expert),
                     .first = static_cast<std::uint16_t>(first),
                     .count = static_cast<std::uint16_t>(count),
                     .unused = 0});
      continue;
    }
    if (lane + count > kMatchLanes) {
      ++counts.num_warps;
      lane = 0;
    }
    put_lanes(image, placement, expert, first, counts.num_warps - 1, lane);
    lane += count;
  }
  put(image, at.counts, 0, counts);
}

/// All parts, each of the size that any placement of the shape may need.
Image make_image(const Placement& placement) {
  const ImageLayout at(placement);
  Image image(at.end);
  put_copies(image, at, placement);
  put_replicated(image, at, placement);
  return image;
}

PlacementView view_image(const Placement& placement, const std::uint16_t* image) {
  const ImageLayout at(placement);
  return {.places = reinterpret_cast<const ExpertPlace*>(image + at.places),
          .replicated = image + at.replicated,
          .ranges = reinterpret_cast<const CopyRange*>(image + at.ranges),
          .counts = reinterpret_cast<const ReplicatedCounts*>(image + at.counts),
          .wide = reinterpret_cast<const WideExpert*>(image + at.wide),
          .lanes = reinterpret_cast<const CopyLane*>(image),
          .copies = reinterpret_cast<const Copy*>(image + at.copies),
          .num_logical = placement.num_logical(),
          .num_physical = placement.num_physical(),
          .num_ranks = placement.num_ranks(),
          .slots_per_rank = placement.slots_per_rank(),
          .ranks_per_node = placement.ranks_per_node()};
}

}  // namespace

DevicePlacement::Impl::Impl(const Placement& placement)
    : num_nodes((check_limits(placement), placement.num_nodes())),
      image(make_image(placement)),
      view(view_image(placement, image.data())) {}

DevicePlacement::DevicePlacement(const Placement& placement) : impl_(std::make_unique<Impl>(placement)) {}
DevicePlacement::~DevicePlacement() = default;
DevicePlacement::DevicePlacement(DevicePlacement&&) noexcept = default;
DevicePlacement& DevicePlacement::operator=(DevicePlacement&&) noexcept = default;

void DevicePlacement::replace(const Placement& placement, Stream stream) {
  const auto check_same = [](const char* what, int value, int expected) {
    check(value == expected, "[DevicePlacement::replace] ", what, " (", value, ") must stay ", expected);
  };
  check_same("num_logical", placement.num_logical(), impl_->view.num_logical);
  check_same("num_physical", placement.num_physical(), impl_->view.num_physical);
  check_same("num_ranks", placement.num_ranks(), impl_->view.num_ranks);
  check_same("num_nodes", placement.num_nodes(), impl_->num_nodes);
  impl_->image.replace(make_image(placement), stream);
}

int DevicePlacement::num_logical() const { return impl_->view.num_logical; }
int DevicePlacement::num_physical() const { return impl_->view.num_physical; }
int DevicePlacement::num_ranks() const { return impl_->view.num_ranks; }

}  // namespace lplb::cuda
