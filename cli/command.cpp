// The command `lplb`: subcommands, and what a failure looks like: one line on stderr and an exit code that says whose
// fault it was.

#include "command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>
#include <string>

#include "lplb/error.h"
#include "subcommands.h"
#include "text.h"

namespace lplb::cli {
namespace {

enum ExitCode { kSuccess = 0, kInternal = 1, kUsage = 2, kData = 3, kDevice = 4 };

constexpr const char* kFooter =
    "EXAMPLES\n"
    "  lplb replay data/moe128.npz --ranks 32 --nodes 4 --redundant 2 --report report.html\n"
    "  lplb place data/moe128.npz --policy eplb --ranks 32 --out placement.json\n"
    "  lplb split --placement placement.json --counts data/moe128.npz --layer 3\n"
    "\n"
    "lplb COMMAND --help explains a command and its numbers.\n"
    "Exit codes: 0 done, 2 wrong usage, 3 a file that cannot be read, written or believed, 4 device.\n";

int fail(ExitCode code, std::string message) {
  for (char& c : message) {
    c = c == '\n' || c == '\r' ? ' ' : c;
  }
  while (message.ends_with(' ')) {
    message.pop_back();
  }
  fmt::print(stderr, "lplb: {}\n", message);
  return code;
}

/// The subcommand that the words got to.
const CLI::App& deepest(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : deepest(*chosen.front());
}

std::vector<std::string> known_words(const CLI::App& command, bool options) {
  std::vector<std::string> words;
  if (options) {
    for (const CLI::Option* option : command.get_options()) {
      for (const std::string& name : option->get_lnames()) {
        words.push_back("--" + name);
      }
    }
  } else {
    for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
      words.push_back(sub->get_name());
    }
  }
  return words;
}

std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? "lplb" : full_name(*parent) + " " + command.get_name();
}

/// What is wrong with the words, and a hint. A word that nobody knows explains more than an option that is missing
/// because of it.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = deepest(app);
  const std::string help = fmt::format("see {} --help", full_name(command));
  const std::vector<std::string> extras = app.remaining(true);
  for (const std::string& extra : extras) {
    const bool option = extra.starts_with("-") && extra.size() > 1;
    const std::string word = extra.substr(0, extra.find('='));
    const std::vector<std::string> known = known_words(command, option);
    if (!option && known.empty()) {
      continue;
    }
    const std::string guess = closest(word, known);
    return fmt::format("unknown {} {}{}; {}", option ? "option" : "command", word,
                       guess.empty() ? "" : fmt::format("; did you mean {}?", guess), help);
  }
  if (!extras.empty()) {
    return fmt::format("unexpected argument {}; {}", extras.front(), help);
  }
  return fmt::format("{}; {}", error.what(), help);
}

int run(const std::vector<std::string>& command_line) {
  CLI::App app(
      "Balances Mixture-of-Experts models under expert parallelism: where copies of experts live (EPLB), and\n"
      "how each batch is divided over them exactly (LPLB). Everything here runs on the CPU.",
      "lplb");
  app.set_version_flag("--version", std::string("lplb ") + LPLB_VERSION);
  app.footer(kFooter);
  app.require_subcommand(1);
  add_replay(app, command_line);
  add_place(app);
  add_split(app);
  add_topology(app);
  add_trace(app);
  add_verify(app);
  add_bench(app);
  std::vector<const char*> words;
  for (const std::string& word : command_line) {
    words.push_back(word.c_str());
  }
  try {
    app.parse(static_cast<int>(words.size()), words.data());
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return fail(kUsage, explain(app, error));
  }
  return kSuccess;
}

}  // namespace

int run_command(const std::vector<std::string>& command_line) {
  try {
    return run(command_line);
  } catch (const InvalidArgument& error) {
    return fail(kUsage, error.what());
  } catch (const DataError& error) {
    return fail(kData, error.what());
  } catch (const CudaError& error) {
    return fail(kDevice, error.what());
  } catch (const std::bad_alloc&) {
    return fail(kUsage, "not enough memory for a problem of this size");
  } catch (const std::exception& error) {
    return fail(kInternal, error.what());
  }
}

}  // namespace lplb::cli
