// lplb topology: show one (matrix, neighbours, distances), or recommend one for a deployment.

#include "lplb/topology.h"

#include <memory>
#include <set>

#include "lplb/error.h"
#include "output.h"
#include "subcommands.h"
#include "table.h"
#include "text.h"

namespace lplb::cli {
namespace {

constexpr const char* kShowFooter =
    "WHAT IT PRINTS\n"
    "  copies from    r2o, LPLB's matrix: column i of rank g is the rank whose i-th heaviest expert g holds a copy of\n"
    "  neighbours     ranks that share an expert with this one, either way: load can be traded along these edges\n"
    "  diameter       the longest shortest path: how many trades load may need to reach the farthest rank\n"
    "  edges across nodes\n"
    "                 copies whose original is on another node of --ranks-per-node ranks\n"
    "\n"
    "EXAMPLES\n"
    "  lplb topology show torus:8x4 --ranks-per-node 8\n"
    "  lplb topology show mine.json     (mine.json: [[1, 2], [2, 0], [0, 1]] or {\"r2o\": [[...], ...]})\n";

constexpr const char* kRecommendFooter =
    "EXAMPLE\n"
    "  lplb topology recommend --ranks 64 --nodes 8 --redundant 2\n"
    "  The name that it prints is a --policy of lplb place and a --strategy of lplb replay.\n";

DataError no_matrix(const std::string& path) {
  return DataError(fmt::format("{}: must be JSON, a list of rows of rank numbers, alone or as \"r2o\"", path));
}

/// kNone for whole numbers that are no rank, so that validation names the place.
std::int32_t read_rank(const Json& json, const std::string& path) {
  if (!json.is_number_integer()) {
    throw no_matrix(path);
  }
  const auto rank = json.get<std::int64_t>();
  return rank >= 0 && rank < kMaxRanks ? static_cast<std::int32_t>(rank) : kNone;
}

/// A topology from JSON: r2o as a list of rows, alone or under "r2o".
Topology read_topology(const std::string& path) {
  std::vector<std::int32_t> r2o;
  std::size_t num_columns = 0;
  std::size_t num_rows = 0;
  try {
    const Json json = Json::parse(read_text(path));
    const Json& rows = json.is_object() ? json.at("r2o") : json;
    for (const Json& row : rows) {
      num_columns = num_rows == 0 ? row.size() : num_columns;
      if (row.size() != num_columns) {
        throw DataError(
            fmt::format("{}: row {} of r2o has {} entries, the first has {}", path, num_rows, row.size(), num_columns));
      }
      for (std::size_t column = 0; column < num_columns; ++column) {
        r2o.push_back(read_rank(row.at(column), path));
      }
      ++num_rows;
    }
    return Topology::from_r2o(std::move(r2o), static_cast<int>(num_rows), static_cast<int>(num_columns), path);
  } catch (const Json::exception&) {
    throw no_matrix(path);
  } catch (const InvalidArgument& error) {
    throw DataError(fmt::format("{}: {}", path, error.what()));
  }
}

Topology find_topology(const std::string& text) {
  return text.ends_with(".json") ? read_topology(text) : Topology::parse(text);
}

Json to_json(const Topology& topology, int ranks_per_node) {
  Json r2o = Json::array();
  Json neighbours = Json::array();
  for (int rank = 0; rank < topology.group_size(); ++rank) {
    const std::size_t num_columns = topology.num_redundants();
    const auto row = topology.r2o().subspan(rank * num_columns, num_columns);
    r2o.push_back(std::vector<std::int32_t>(row.begin(), row.end()));
    neighbours.push_back(topology.neighbours(rank));
  }
  return {{"name", topology.name()},
          {"group_size", topology.group_size()},
          {"num_redundants", topology.num_redundants()},
          {"connected", topology.connected()},
          {"diameter", topology.diameter()},
          {"degrees", topology.degrees()},
          {"ranks_per_node", ranks_per_node},
          {"cross_node_edges", topology.num_cross_node_edges(ranks_per_node)},
          {"r2o", std::move(r2o)},
          {"neighbours", std::move(neighbours)}};
}

std::string degrees_in_words(const Topology& topology) {
  const auto degrees = topology.degrees();
  const std::set<int> different(degrees.begin(), degrees.end());
  return different.size() == 1 ? fmt::format("{}", *different.begin())
                               : fmt::format("{} to {}", *different.begin(), *different.rbegin());
}

void print_topology(const Topology& topology, int ranks_per_node, Output& output) {
  output.print("{}: {} ranks, {} redundant {} a rank\n", topology.name(), topology.group_size(),
               topology.num_redundants(), topology.num_redundants() == 1 ? "slot" : "slots");
  if (topology.connected()) {
    output.print("  connected, diameter {}, degree {}\n", topology.diameter(), degrees_in_words(topology));
  } else {
    output.print("  not connected: load cannot reach every rank from every other; degree {}\n",
                 degrees_in_words(topology));
  }
  output.print("  {} of {} edges across nodes of {} ranks\n\n", topology.num_cross_node_edges(ranks_per_node),
               topology.r2o().size(), ranks_per_node);
  std::vector<std::string> headers = {"\nrank", "\nnode"};
  for (int column = 0; column < topology.num_redundants(); ++column) {
    headers.push_back(fmt::format("{}\n[{}]", column == 0 ? "copies from" : "", column));
  }
  headers.emplace_back("\nneighbours");
  Table table(headers);
  table.align_left(headers.size() - 1);
  for (int rank = 0; rank < topology.group_size(); ++rank) {
    std::vector<std::string> row = {std::to_string(rank), std::to_string(rank / ranks_per_node)};
    for (int column = 0; column < topology.num_redundants(); ++column) {
      row.push_back(std::to_string(topology.source(rank, column)));
    }
    row.push_back(fmt::format("{}", fmt::join(topology.neighbours(rank), " ")));
    table.add_row(row);
  }
  output.print_raw(table.render(false));
}

struct ShowOptions {
  std::string topology;
  int ranks_per_node = 8;
  Output output;
};

void run_show(ShowOptions& options) {
  const Topology topology = find_topology(options.topology);
  print_topology(topology, options.ranks_per_node, options.output);
  options.output.finish(to_json(topology, options.ranks_per_node));
}

struct RecommendOptions {
  int num_ranks = 0;
  int num_nodes = 1;
  int num_redundant = 2;
  Output output;
};

void run_recommend(RecommendOptions& options) {
  const auto [topology, num_groups, reason] =
      recommend_topology(options.num_ranks, options.num_nodes, options.num_redundant);
  const int ranks_per_node = options.num_ranks / options.num_nodes;
  options.output.print("{}{}\n  {}\n\n", topology.name(), num_groups > 1 ? fmt::format(", {} times", num_groups) : "",
                       reason);
  print_topology(topology, ranks_per_node, options.output);
  Json json = to_json(topology, ranks_per_node);
  json["num_groups"] = num_groups;
  json["reason"] = reason;
  options.output.finish(json);
}

void add_show(CLI::App& parent) {
  CLI::App* command = parent.add_subcommand("show", "Show a topology: matrix, neighbours, distances");
  const auto options = std::make_shared<ShowOptions>();
  command->add_option("TOPOLOGY", options->topology, "cube, hypercube, hypercube:32, torus:8x4, ring:8, or a .json")
      ->required()
      ->type_name("");
  command->add_option("--ranks-per-node", options->ranks_per_node, "Ranks that share a node")
      ->check(CLI::Range(1, kMaxRanks).description(""))
      ->type_name("N")
      ->capture_default_str();
  options->output.add_option(*command);
  command->footer(kShowFooter);
  command->callback([options] { run_show(*options); });
}

void add_recommend(CLI::App& parent) {
  CLI::App* command = parent.add_subcommand("recommend", "Recommend a topology for a deployment, and say why");
  const auto options = std::make_shared<RecommendOptions>();
  command->add_option("--ranks", options->num_ranks, "EP ranks (GPUs)")->required()->type_name("N");
  command->add_option("--nodes", options->num_nodes, "Nodes")->type_name("N")->capture_default_str();
  command->add_option("--redundant", options->num_redundant, "Redundant slots on every rank")
      ->type_name("N")
      ->capture_default_str();
  options->output.add_option(*command);
  command->footer(kRecommendFooter);
  command->callback([options] { run_recommend(*options); });
}

}  // namespace

void add_topology(CLI::App& app) {
  CLI::App* command = app.add_subcommand("topology", "Which rank copies from which: show or recommend a topology");
  command->require_subcommand(1);
  add_show(*command);
  add_recommend(*command);
}

}  // namespace lplb::cli
