/// What is odd about a model's answer, to be counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace omnibus::llm {

enum class Oddity : std::uint8_t {
  not_json,        ///< a part, or all of it, is no JSON
  cut,             ///< it ends before the model has ended it
  too_large,       ///< it exceeds a limit
  silent,          ///< it began, and then nothing came for half of the deadline or longer
  endless,         ///< it went on until the deadline
  error,           ///< an error came in its place, or after its beginning
  no_words,        ///< the model ended it without words and without tool calls
  too_many_calls,  ///< more tool calls than anyone makes
  tool_arguments,  ///< a tool call's arguments are no JSON object
  call_id,         ///< a tool call has no id of its own
  call_in_text,    ///< its text has a tool call
  usage,           ///< the token counts cannot be right
  unicode,         ///< its text is not well-formed
  label,           ///< its content type says something else than its bytes
  left_open,       ///< the connection stayed open behind its end
};

inline constexpr std::array<std::string_view, 15> oddity_names{
    "not_json",       "cut",     "too_large",    "silent", "endless", "error", "no_words", "too_many_calls",
    "tool_arguments", "call_id", "call_in_text", "usage",  "unicode", "label", "left_open"};

constexpr std::string_view to_string(Oddity oddity) {
  return oddity_names[static_cast<std::size_t>(oddity)];
}

/// A set of them.
class Oddities {
 public:
  void add(Oddity oddity) { bits_ |= bit(oddity); }
  void add(Oddities other) { bits_ |= other.bits_; }
  bool has(Oddity oddity) const { return (bits_ & bit(oddity)) != 0; }
  bool none() const { return bits_ == 0; }
  bool operator==(Oddities const&) const = default;

  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t i = 0; i < oddity_names.size(); ++i)
      if (has(static_cast<Oddity>(i))) visit(static_cast<Oddity>(i));
  }

 private:
  static std::uint32_t bit(Oddity oddity) { return std::uint32_t{1} << static_cast<unsigned>(oddity); }

  std::uint32_t bits_ = 0;
};

}  // namespace omnibus::llm
