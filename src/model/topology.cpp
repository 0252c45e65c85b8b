// Topologies: the standard r2o matrices, validation, and what users ask of a graph (breadth-first search).

#include "lplb/topology.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"

namespace lplb {
namespace {

/// r2o from a rule: source(rank, column).
template <class Source>
std::vector<std::int32_t> make_r2o(int group_size, int num_redundants, const Source& source) {
  std::vector<std::int32_t> r2o;
  for (int rank = 0; rank < group_size; ++rank) {
    for (int column = 0; column < num_redundants; ++column) {
      r2o.push_back(source(rank, column));
    }
  }
  return r2o;
}

/// The number that `text` is, or -1.
int parse_number(std::string_view text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : -1;
}

/// Neighbours of every rank, ascending, without repeats.
std::vector<std::vector<std::int32_t>> adjacency(const Topology& topology) {
  std::vector<std::vector<std::int32_t>> neighbours(topology.group_size());
  for (int rank = 0; rank < topology.group_size(); ++rank) {
    for (int column = 0; column < topology.num_redundants(); ++column) {
      const std::int32_t source = topology.source(rank, column);
      neighbours[rank].push_back(source);
      neighbours[source].push_back(rank);
    }
  }
  for (auto& list : neighbours) {
    std::ranges::sort(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  return neighbours;
}

/// Largest distance of a rank from `start` in edges; -1 when some rank is not reached.
int eccentricity(const std::vector<std::vector<std::int32_t>>& neighbours, int start) {
  std::vector<int> distance(neighbours.size(), -1);
  std::vector<std::int32_t> queue{start};
  distance[start] = 0;
  for (std::size_t head = 0; head < queue.size(); ++head) {
    for (const std::int32_t next : neighbours[queue[head]]) {
      if (distance[next] < 0) {
        distance[next] = distance[queue[head]] + 1;
        queue.push_back(next);
      }
    }
  }
  return queue.size() == neighbours.size() ? distance[queue.back()] : -1;
}

}  // namespace

Topology::Topology(std::vector<std::int32_t> r2o, int group_size, int num_redundants, std::string name)
    : name_(std::move(name)), group_size_(group_size), num_redundants_(num_redundants), r2o_(std::move(r2o)) {}

Topology Topology::from_r2o(std::vector<std::int32_t> r2o, int group_size, int num_redundants, std::string name) {
  check(group_size >= 2 && group_size <= kMaxRanks, "[Topology::from_r2o] group_size (", group_size, ") must be in 2..",
        kMaxRanks);
  check(num_redundants >= 1 && num_redundants < kMaxPhysical, "[Topology::from_r2o] num_redundants (", num_redundants,
        ") must be in 1..", kMaxPhysical - 1);
  check(r2o.size() == static_cast<std::size_t>(group_size) * num_redundants, "[Topology::from_r2o] r2o has ",
        r2o.size(), " entries; it must be [", group_size, ", ", num_redundants, "]");
  std::vector<int> copier(group_size);
  for (int column = 0; column < num_redundants; ++column) {
    std::ranges::fill(copier, -1);
    for (int rank = 0; rank < group_size; ++rank) {
      const std::int32_t source = r2o[static_cast<std::size_t>(rank) * num_redundants + column];
      check(source >= 0 && source < group_size, "[Topology::from_r2o] r2o[", rank, "][", column, "] is ", source,
            "; it must be in 0..", group_size - 1);
      check(source != rank, "[Topology::from_r2o] r2o[", rank, "][", column,
            "] is the rank itself; a rank cannot copy from itself");
      check(copier[source] < 0, "[Topology::from_r2o] column ", column, " of r2o names rank ", source,
            " twice (for ranks ", copier[source], " and ", rank, "); each column must be a permutation");
      copier[source] = rank;
    }
  }
  return Topology(std::move(r2o), group_size, num_redundants, std::move(name));
}

Topology Topology::cube() {
  static constexpr std::int32_t kColumns[2][8] = {{3, 0, 1, 2, 7, 4, 5, 6}, {6, 7, 4, 5, 0, 1, 2, 3}};
  return from_r2o(make_r2o(8, 2, [](int rank, int column) { return kColumns[column][rank]; }), 8, 2, "cube");
}

Topology Topology::hypercube(int num_ranks) {
  check(num_ranks >= 16 && num_ranks <= kMaxRanks && (num_ranks & (num_ranks - 1)) == 0,
        "[Topology::hypercube] num_ranks (", num_ranks, ") must be a power of two in 16..", kMaxRanks);
  int num_columns = 0;  // two dimensions a column: a ring of four is a square
  while ((1 << (2 * num_columns)) < num_ranks) {
    ++num_columns;
  }
  const auto source = [num_ranks](int rank, int column) {
    const int step = 1 << (2 * column);
    if (step * 2 == num_ranks) {
      return rank ^ step;  // an odd last dimension: the two halves copy each other
    }
    const int digit = rank / step % 4;
    return rank + ((digit + 3) % 4 - digit) * step;
  };
  return from_r2o(make_r2o(num_ranks, num_columns, source), num_ranks, num_columns, concat("hypercube:", num_ranks));
}

Topology Topology::torus(int m, int n) {
  check(m >= 2 && n >= 2 && m <= kMaxRanks && n <= kMaxRanks && m * n <= kMaxRanks, "[Topology::torus] m x n (", m,
        " x ", n, ") must be at least 2 x 2 and at most ", kMaxRanks, " ranks");
  const auto source = [m, n](int rank, int column) {
    return column == 0 ? (rank + n) % (m * n) : rank / n * n + (rank + 1) % n;
  };
  return from_r2o(make_r2o(m * n, 2, source), m * n, 2, concat("torus:", m, "x", n));
}

Topology Topology::ring(int n) {
  check(n >= 2 && n <= kMaxRanks, "[Topology::ring] n (", n, ") must be in 2..", kMaxRanks);
  return from_r2o(make_r2o(n, 1, [n](int rank, int) { return (rank + 1) % n; }), n, 1, concat("ring:", n));
}

Topology Topology::parse(std::string_view text) {
  const auto colon = std::min(text.find(':'), text.size());
  const std::string_view kind = text.substr(0, colon);
  const std::string_view size = text.substr(std::min(colon + 1, text.size()));
  const auto cross = size.find('x');
  if (text == "cube") {
    return cube();
  }
  if (text == "hypercube") {
    return hypercube();
  }
  if (kind == "hypercube" && parse_number(size) > 0) {
    return hypercube(parse_number(size));
  }
  if (kind == "ring" && parse_number(size) > 0) {
    return ring(parse_number(size));
  }
  if (kind == "torus" && cross != std::string_view::npos && parse_number(size.substr(0, cross)) > 0 &&
      parse_number(size.substr(cross + 1)) > 0) {
    return torus(parse_number(size.substr(0, cross)), parse_number(size.substr(cross + 1)));
  }
  throw InvalidArgument(concat("[Topology::parse] text (\"", text,
                               "\") must be cube, hypercube, hypercube:32, torus:8x4 or ring:8 (any sizes)"));
}

std::vector<std::int32_t> Topology::o2r() const {
  std::vector<std::int32_t> result(r2o_.size());
  for (int rank = 0; rank < group_size_; ++rank) {
    for (int column = 0; column < num_redundants_; ++column) {
      result[static_cast<std::size_t>(source(rank, column)) * num_redundants_ + column] = rank;
    }
  }
  return result;
}

Topology Topology::first_columns(int num_columns) const {
  check(num_columns >= 1 && num_columns <= num_redundants_, "[Topology::first_columns] num_columns (", num_columns,
        ") must be in 1..", num_redundants_);
  const auto r2o = make_r2o(group_size_, num_columns, [this](int rank, int column) { return source(rank, column); });
  return from_r2o(r2o, group_size_, num_columns, name_);
}

std::vector<std::int32_t> Topology::neighbours(int rank) const {
  check(rank >= 0 && rank < group_size_, "[Topology::neighbours] rank (", rank, ") must be in 0..", group_size_ - 1);
  return adjacency(*this)[rank];
}

std::vector<int> Topology::degrees() const {
  std::vector<int> result;
  for (const auto& list : adjacency(*this)) {
    result.push_back(static_cast<int>(list.size()));
  }
  return result;
}

bool Topology::connected() const { return eccentricity(adjacency(*this), 0) >= 0; }

int Topology::diameter() const {
  const auto neighbours_of = adjacency(*this);
  int diameter = 0;
  for (int rank = 0; rank < group_size_; ++rank) {
    const int farthest = eccentricity(neighbours_of, rank);
    if (farthest < 0) {
      return -1;
    }
    diameter = std::max(diameter, farthest);
  }
  return diameter;
}

int Topology::num_cross_node_edges(int ranks_per_node) const {
  check(ranks_per_node >= 1, "[Topology::num_cross_node_edges] ranks_per_node (", ranks_per_node,
        ") must be at least 1");
  int num_edges = 0;
  for (int rank = 0; rank < group_size_; ++rank) {
    for (int column = 0; column < num_redundants_; ++column) {
      num_edges += rank / ranks_per_node != source(rank, column) / ranks_per_node ? 1 : 0;
    }
  }
  return num_edges;
}

}  // namespace lplb
