#pragma once

// What the JSON readers share: refusal of malformed text and of deep nesting, and defaults for the events of
// nlohmann-json's SAX interface that a reader does not care for.

#include <nlohmann/json.hpp>
#include <string>

#include "trace/data_error.h"

namespace lplb {

class JsonEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit JsonEvents(const std::string& source) : source_(source) {}

  bool null() override { return other(); }
  bool boolean(bool) override { return other(); }
  bool binary(binary_t&) override { return other(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail_data(source_, "it is not valid JSON at byte ", position);
  }

 protected:
  /// null, true or false.
  virtual bool other() = 0;

  void enter() {
    constexpr int kMaxDepth = 32;
    check_data(++depth_ <= kMaxDepth, source_, "its JSON is nested more than ", kMaxDepth, " deep");
  }
  void leave() { --depth_; }

  const std::string& source_;
  int depth_ = 0;  // open objects and arrays
};

}  // namespace lplb
