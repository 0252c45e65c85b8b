// Writes the sample results as pages and JSON files into a folder, for browser_test.py and for looking at the page.

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include "lplb/report.h"
#include "report/sample_result.h"

namespace {

void write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  if (!(out << text)) {
    std::cerr << "cannot write " << path << "\n";
    std::exit(1);
  }
}

void write_sample(const std::string& stem, const lplb::ReplayResult& result, const std::string& command) {
  write_file(stem + ".json", lplb::replay_to_json(result));
  write_file(stem + ".html", lplb::replay_to_html(result, command));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: write_samples FOLDER\n";
    return 2;
  }
  const std::string folder = std::string(argv[1]) + "/";
  write_sample(
      folder + "sample", lplb::test::sample_result(),
      "lplb replay data/moe128.npz --ranks 32 --nodes 4 --redundant 2 --window 8 --refresh 8 --report sample.html");
  write_sample(folder + "hostile", lplb::test::hostile_result(), "lplb replay '</script><b>{{page.js}} & $(x)'");
  write_sample(folder + "empty", lplb::test::empty_result(), "lplb replay");
}
