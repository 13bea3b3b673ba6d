/// Reads JSON from a party that does not keep all of its rules. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::json {

/// Walks through one JSON text and demands only what its caller reads: a value that nobody reads may be anything whose
/// brackets match. Unlike `decode` it accepts fields that come twice, control characters in strings, NaN, bytes that
/// are not UTF-8, and halves of surrogate pairs, which it returns as three bytes each, so that halves can meet that
/// come in two texts. The text must outlive it. Reading takes time in proportion to the text and no stack for what is
/// skipped.
class LooseReader {
 public:
  explicit LooseReader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  /// The first character of the next value; '\0' at the end.
  char peek() {
    skip_space();
    return at_ == end_ ? '\0' : *at_;
  }

  /// Enters an object and calls `take(key)` for each member. It reads the member's value, or leaves it to be skipped.
  /// False when the next value is no object or the text is broken.
  template <class Take>
  bool object(Take take) {
    return members('{', '}', [&] {
      std::string_view key;
      return read_key(key) && take_value([&] { take(key); });
    });
  }

  /// As object(), for a text that begins with the value of an object's member `key`: what stands before it was read
  /// already.
  template <class Take>
  bool object_from(std::string_view key, Take take) {
    auto is_first = true;
    return rest_of_members('}', [&] {
      if (!std::exchange(is_first, false) && !read_key(key)) return false;
      return take_value([&] { take(key); });
    });
  }

  /// Enters an array and calls `take()` for each element, as object() does.
  template <class Take>
  bool array(Take take) {
    return members('[', ']', [&] { return take_value(take); });
  }

  /// Appends the next value to `out` if it is a string, unescaped. False otherwise: then it is still to be read.
  bool string(std::string& out);

  /// The text of the next value, white space around it left out; it is not validated. Empty when the text is broken.
  std::string_view raw();

  /// A whole number, also as 20.0, 2e1 or "20". Nothing, and the value is still to be read, for anything else.
  std::optional<std::int64_t> integer();

  bool skip();

  /// Whether the text was well-formed as far as it was read.
  bool good() const { return good_; }
  /// What follows the values read so far, without white space in front.
  std::string_view rest() {
    skip_space();
    return {at_, static_cast<std::size_t>(end_ - at_)};
  }
  /// How many bytes follow.
  std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  /// What follows, with white space in front of it.
  std::string_view remaining_text() const { return {at_, remaining()}; }

 private:
  template <class Each>
  bool members(char open, char close, Each each) {
    if (!good_ || peek() != open) return false;
    ++at_;
    if (peek() == close) {
      ++at_;
      return true;
    }
    return rest_of_members(close, each);
  }
  template <class Each>
  bool rest_of_members(char close, Each each) {
    while (true) {
      if (!each() || !good_) return fail();
      auto const next = peek();
      if (next != ',' && next != close) return fail();
      ++at_;
      if (next == close) return true;
      skip_space();
    }
  }
  /// Has the next value read, or skips it.
  template <class Take>
  bool take_value(Take take) {
    auto const* const before = at_;
    take();
    return at_ != before || skip();
  }
  void skip_space() {
    if (at_ == end_ || static_cast<unsigned char>(*at_) > ' ') return;
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  bool read_key(std::string_view& key);
  bool skip_container();
  bool skip_string();
  bool unescape(std::string& out, char const* end);
  bool fail() {
    good_ = false;
    at_ = end_;
    return false;
  }

  char const* at_;
  char const* end_;
  bool good_ = true;
  std::string key_;  // of a key that is escaped
};

/// Whether `text` is one JSON object and nothing else, by the rules of LooseReader.
bool is_loose_object(std::string_view text);

}  // namespace omnibus::json
