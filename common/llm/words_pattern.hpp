/// The chunks of a stream that differ in their words alone. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::llm {

/// Most events of a streamed answer repeat the bytes of the one before, except for one string. Learns what stands
/// around that string from an event that was read in full, and reads the following ones by comparing it. As strict as
/// reading in full: whatever differs anywhere else, or has an escape in the string, is not taken.
class WordsPattern {
 public:
  /// Takes an event off the front of `bytes`, which must begin where an event may begin.
  /// @return the text of its string; nothing, and `bytes` is unchanged, when it is not exactly such an event or is not
  /// complete.
  std::optional<std::string_view> take(std::string_view& bytes, std::size_t max_line_bytes) const;

  /// Learns from an event that was read in full.
  /// @param event its bytes, all of them; kept as a view until keep()
  /// @param frame its data
  /// @param literal the string in `frame` that may change, with its quotes; empty when no other may be read alike
  void learn(std::string_view event, std::string_view frame, std::string_view literal);
  void forget() { before_ = after_ = {}; }
  /// Copies what learn() was given, which is about to go.
  void keep();

 private:
  std::string_view before_;  // up to and with the opening quote; empty: nothing is known
  std::string_view after_;   // from the closing quote to the event's end
  std::string kept_;         // both, when they are not the caller's
};

}  // namespace omnibus::llm
