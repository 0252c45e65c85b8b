// Fields of a JSON document. A nested array is collected as one flat list while the extent of each level is compared
// with the first array met at that level.

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "trace/json_events.h"
#include "trace/json_reader.h"

namespace lplb {
namespace {

/// One nested array of numbers in the making.
class ArrayCollector {
 public:
  ArrayCollector(std::string name, const std::string& source) : source_(source) {
    array_.name = std::move(name);
    array_.source = source;
  }

  void open() {
    constexpr std::size_t kMaxAxes = 8;
    count_item();
    require(!leaf_level_ || lengths_.size() < *leaf_level_);
    require(lengths_.size() < kMaxAxes);
    lengths_.push_back(0);
    if (array_.shape.size() < lengths_.size()) {
      array_.shape.push_back(kUnknown);
    }
  }

  /// True when the outermost array has ended.
  bool close() {
    const std::size_t length = lengths_.back();
    std::size_t& extent = array_.shape[lengths_.size() - 1];
    if (length == 0) {
      set_leaf_level();
    }
    require(extent == kUnknown || extent == length);
    extent = length;
    lengths_.pop_back();
    return lengths_.empty();
  }

  void add(std::int64_t value) {
    if (array_.kind == 'f') {
      add(static_cast<double>(value));
    } else {
      append(value);
    }
  }

  void add(double value) {
    if (array_.kind == 'i') {
      const std::vector<double> values = array_.to_double();
      array_.kind = 'f';
      const auto bytes = std::as_bytes(std::span(values));
      array_.bytes.assign(bytes.begin(), bytes.end());
    }
    append(value);
  }

  [[noreturn]] void refuse_item() const { fail_data(source_, described(), " holds something else than numbers"); }

  NdArray take() { return std::move(array_); }

 private:
  static constexpr std::size_t kUnknown = static_cast<std::size_t>(-1);

  template <class T>
  void append(T value) {
    set_leaf_level();
    count_item();
    const auto bytes = std::as_bytes(std::span(&value, 1));
    array_.bytes.insert(array_.bytes.end(), bytes.begin(), bytes.end());
  }

  void count_item() {
    if (!lengths_.empty()) {
      ++lengths_.back();
    }
  }

  void set_leaf_level() {
    leaf_level_ = leaf_level_.value_or(lengths_.size());
    require(*leaf_level_ == lengths_.size());
  }

  void require(bool ok) const {
    check_data(ok, source_, described(), " is ragged: all rows of one level must have the same length");
  }

  std::string described() const {
    return array_.name.empty() ? "its array" : concat("array \"", printable(array_.name), "\"");
  }

  const std::string& source_;
  NdArray array_;
  std::vector<std::size_t> lengths_;  // of the open levels, outermost first
  std::optional<std::size_t> leaf_level_;
};

class FieldReader : public JsonEvents {
 public:
  FieldReader(const std::vector<std::string>& wanted, const std::string& source)
      : JsonEvents(source), wanted_(wanted) {}

  JsonFields take() { return std::move(fields_); }

  bool number_integer(number_integer_t value) override { return number(static_cast<std::int64_t>(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    return std::in_range<std::int64_t>(value) ? number(static_cast<std::int64_t>(value))
                                              : number(static_cast<double>(value));
  }
  bool number_float(number_float_t value, const string_t&) override { return number(value); }

  bool string(string_t& value) override {
    if (is_field()) {
      fields_.texts[key_] = value;
    }
    return other();
  }

  bool start_object(std::size_t) override {
    enter();
    return other();
  }
  bool key(string_t& name) override {
    if (depth_ == 1) {
      key_ = name;
      check_data(keys_.insert(name).second, source_, "key \"", printable(name), "\" is in it twice");
    }
    return true;
  }
  bool end_object() override {
    leave();
    return true;
  }

  bool start_array(std::size_t) override {
    enter();
    if (!array_ && ((depth_ == 1 && is_wanted("")) || (depth_ == 2 && is_wanted(key_)))) {
      array_.emplace(depth_ == 1 ? "" : key_, source_);
    }
    if (array_) {
      array_->open();
    }
    return true;
  }
  bool end_array() override {
    leave();
    if (array_ && array_->close()) {
      NdArray array = array_->take();
      fields_.arrays.emplace(array.name, std::move(array));
      array_.reset();
    }
    return true;
  }

 protected:
  bool other() override {
    if (array_) {
      array_->refuse_item();
    }
    return true;
  }

 private:
  bool is_wanted(const std::string& name) const { return std::ranges::find(wanted_, name) != wanted_.end(); }
  bool is_field() const { return depth_ == 1 && !key_.empty() && is_wanted(key_); }

  template <class T>
  bool number(T value) {
    if (array_) {
      array_->add(value);
    } else if constexpr (std::is_same_v<T, std::int64_t>) {
      if (is_field()) {
        fields_.integers[key_] = value;
      }
    }
    return true;
  }

  const std::vector<std::string>& wanted_;
  JsonFields fields_;
  std::string key_;  // at depth 1
  std::unordered_set<std::string> keys_;
  std::optional<ArrayCollector> array_;
};

}  // namespace

JsonFields parse_json_fields(std::string_view text, const std::vector<std::string>& wanted, const std::string& source) {
  FieldReader reader(wanted, source);
  nlohmann::json::sax_parse(text, &reader);
  return reader.take();
}

}  // namespace lplb
