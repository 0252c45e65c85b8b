// The header of a safetensors file. Source of the format: the README of the safetensors project, "Format".

#include <unordered_set>

#include "trace/json_events.h"
#include "trace/json_reader.h"

namespace lplb {
namespace {

class TensorInfoReader : public JsonEvents {
 public:
  using JsonEvents::JsonEvents;

  std::vector<TensorInfo> take() { return std::move(infos_); }

  bool number_integer(number_integer_t) override { return other(); }
  bool number_float(number_float_t, const string_t&) override { return other(); }
  bool number_unsigned(number_unsigned_t value) override {
    if (skips_) {
      return true;
    }
    require(list_ != nullptr && list_->size() < kMaxItems);
    list_->push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (skips_) {
      return true;
    }
    require(depth_ == 2 && field_ == "dtype");
    infos_.back().dtype = value;
    return true;
  }

  bool start_object(std::size_t) override {
    enter();
    require(skips_ || depth_ <= 2);
    return true;
  }
  bool key(string_t& name) override {
    if (depth_ == 1) {
      check_data(names_.insert(name).second, source_, "tensor \"", printable(name), "\" is in it twice");
      skips_ = name == "__metadata__";
      if (!skips_) {
        infos_.push_back({.name = name, .dtype = "", .shape = {}, .data_offsets = {}});
      }
    } else {
      field_ = name;
    }
    return true;
  }
  bool end_object() override {
    leave();
    if (depth_ == 1 && !skips_) {
      require(!infos_.back().dtype.empty() && infos_.back().data_offsets.size() == 2);
    }
    return true;
  }

  bool start_array(std::size_t) override {
    enter();
    if (!skips_) {
      require(depth_ == 3 && (field_ == "shape" || field_ == "data_offsets"));
      list_ = field_ == "shape" ? &infos_.back().shape : &infos_.back().data_offsets;
      require(list_->empty());
    }
    return true;
  }
  bool end_array() override {
    leave();
    list_ = nullptr;
    return true;
  }

 protected:
  bool other() override {
    require(skips_);
    return true;
  }

 private:
  static constexpr std::size_t kMaxItems = 32;

  void require(bool ok) const { check_data(ok, source_, "its safetensors header is malformed"); }

  std::vector<TensorInfo> infos_;
  std::unordered_set<std::string> names_;
  std::string field_;                         // of the tensor at hand
  std::vector<std::size_t>* list_ = nullptr;  // the open array of the tensor at hand
  bool skips_ = false;                        // inside "__metadata__"
};

}  // namespace

std::vector<TensorInfo> parse_tensor_infos(std::string_view text, const std::string& source) {
  TensorInfoReader reader(source);
  nlohmann::json::sax_parse(text, &reader);
  return reader.take();
}

}  // namespace lplb
