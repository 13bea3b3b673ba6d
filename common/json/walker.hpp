#pragma once

#include "json/error.hpp"
#include "json/limits.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

/// The only header that knows simdjson; for the .cpp files of this folder.
namespace omnibus::json::detail {

/// One pass over one document with simdjson On-Demand, which checks only what it is asked for: the walker
/// asks for everything. Uses its thread's parser and buffers, so a thread has at most one at a time. Functions that
/// return bool return false once the document is rejected, and `take_error` then returns the reason.
class Walker {
 public:
  explicit Walker(Limits const& limits);

  /// Copies the text into the padded buffer, indexes it and enters its outermost object, of depth 1.
  bool open(std::string_view text, simdjson::ondemand::object& root);

  /// Call it when the outermost object has been walked: nothing may follow it.
  bool close();

  /// The value's text, without white space around it; only the opening bracket of a container.
  static std::string_view token(simdjson::ondemand::value& value);

  /// Reads a field's key; it lives as long as the document.
  bool key(simdjson::ondemand::field& field, std::string_view& key);

  /// Reads a string value whose token is known; it lives as long as the document.
  bool string(simdjson::ondemand::value& value, std::string_view token, std::string_view& text);

  bool enter(simdjson::ondemand::value& value, std::size_t depth, simdjson::ondemand::object& object);
  bool enter(simdjson::ondemand::value& value, std::size_t depth, simdjson::ondemand::array& array);

  /// Validates and skips an unused value, nested ones included; `depth` is that of the container around it.
  bool skip(simdjson::ondemand::value& value, std::size_t depth);

  /// The same, and returns the value's text.
  bool skip(simdjson::ondemand::value& value, std::size_t depth, std::string_view& text);

  bool check_array_length(std::size_t length);

  /// Keys of the objects being walked, innermost last. Each walk over an object marks where its own begin, collects
  /// the keys it meets, checks them for repetition, and drops them.
  std::size_t mark_keys() const { return keys_.size(); }
  void remember_key(std::string_view key) { keys_.push_back(key); }
  bool check_distinct_keys(std::size_t mark);

  bool refuse(std::string reason);
  bool refuse_syntax() { return refuse("is not valid JSON"); }

  /// Puts a field in front of the error's path.
  bool refused_within(std::string_view field);

  DecodeError take_error() { return std::move(error_); }

 private:
  bool refuse(simdjson::error_code code);
  bool check_text(std::string_view text);

  Limits limits_;
  std::vector<std::string_view>& keys_;
  simdjson::ondemand::document document_;
  DecodeError error_;
};

}  // namespace omnibus::json::detail
