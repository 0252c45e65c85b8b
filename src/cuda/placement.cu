// The device image of a placement.

#include "cuda/placement.cuh"

#include <initializer_list>
#include <vector>

#include "base/check.h"
#include "cuda/slices.h"

namespace lplb::cuda {
namespace {

constexpr std::size_t kCopyWords = sizeof(Copy) / sizeof(std::uint16_t);
constexpr std::size_t kSharedWords = sizeof(SharedExpert) / sizeof(std::uint16_t);

void check_limits(const Placement& placement) {
  const auto check_limit = [](const char* what, int value, int limit) {
    check(value <= limit, "[DevicePlacement] ", what, " (", value, ") must be at most ", limit);
  };
  check_limit("num_logical", placement.num_logical(), kMaxCudaLogical);
  check_limit("num_physical", placement.num_physical(), kMaxCudaPhysical);
  check_limit("num_ranks", placement.num_ranks(), kMaxCudaRanks);
}

void append(std::vector<std::uint16_t>& image, std::initializer_list<int> words) {
  for (const int word : words) {
    image.push_back(static_cast<std::uint16_t>(word));
  }
}

/// The words of [P] Copy, [1 + E] SharedExpert and [E] CopyRange.
std::vector<std::uint16_t> make_image(const Placement& placement) {
  std::vector<std::uint16_t> image;
  std::vector<std::uint16_t> ranges;
  std::vector<std::uint16_t> shared(kSharedWords, 0);
  int num_copies = 0;
  const auto append_copy = [&](int slot, int end, int first_of_node) {
    const int rank = placement.rank_of(slot);
    append(image, {slot, end, rank, placement.node_of_rank(rank), first_of_node, 0, 0, 0});
  };
  for (int expert = 0; expert < placement.num_logical(); ++expert) {
    const auto replicas = placement.replicas(expert);
    const int count = static_cast<int>(replicas.size());
    append(ranges, {num_copies, count});
    if (count > 1) {
      append(shared, {expert, num_copies, count, 0});
      ++shared[kSharedWords - 1];
    }
    num_copies += count;
    int first_of_node = 0;
    for (int i = 0; i < count; ++i) {
      const auto node_of = [&](int copy) { return placement.node_of_rank(placement.rank_of(replicas[copy])); };
      first_of_node = node_of(i) == node_of(first_of_node) ? first_of_node : i;
      append_copy(replicas[i], num_copies, first_of_node);
    }
  }
  for (int slot = 0; slot < placement.num_physical(); ++slot) {
    if (placement.phy2log()[slot] == kNone) {
      append_copy(slot, 0, 0);  // of no expert
    }
  }
  shared.resize(kSharedWords * (1 + placement.num_logical()));
  image.insert(image.end(), shared.begin(), shared.end());
  image.insert(image.end(), ranges.begin(), ranges.end());
  return image;
}

}  // namespace

DevicePlacement::Impl::Impl(const Placement& placement)
    : num_nodes((check_limits(placement), placement.num_nodes())),
      image(make_image(placement)),
      view{.ranges = reinterpret_cast<const CopyRange*>(image.data() + kCopyWords * placement.num_physical() +
                                                        kSharedWords * (1 + placement.num_logical())),
           .shared = reinterpret_cast<const SharedExpert*>(image.data() + kCopyWords * placement.num_physical()),
           .copies = reinterpret_cast<const Copy*>(image.data()),
           .num_logical = placement.num_logical(),
           .num_physical = placement.num_physical(),
           .num_ranks = placement.num_ranks(),
           .slots_per_rank = placement.slots_per_rank(),
           .ranks_per_node = placement.ranks_per_node()} {}

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
