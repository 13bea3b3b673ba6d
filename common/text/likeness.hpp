/// How alike two messages are, whatever their length and script. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus {

/// A message prepared for comparison: its case, accents, width, punctuation and white space do not count. A value.
class MessageShape {
 public:
  /// @param utf8 the message; invalid UTF-8 is read as U+FFFD.
  explicit MessageShape(std::string_view utf8);

  /// The Jaccard index, 0 to 1, of both messages' runs of three words. If one has fewer than three words, of their runs
  /// of three characters; if one is still shorter, 1 for equal texts and else 0.
  friend double likeness(MessageShape const& one, MessageShape const& other);

 private:
  using Runs = std::vector<std::u32string>;  // sorted, each once

  std::u32string text_;
  Runs words_;
  Runs characters_;
};

double likeness(MessageShape const& one, MessageShape const& other);

/// From this likeness on a message repeats another one.
inline constexpr double repeats_from = 0.8;

/// For each message whether it repeats an earlier one.
std::vector<bool> find_repeats(std::span<std::string const> messages);

}  // namespace omnibus
