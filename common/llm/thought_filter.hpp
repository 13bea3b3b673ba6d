/// Leaves out what a model thinks aloud. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace omnibus::llm {

/// Of an answer that comes in pieces, leaves out the thoughts before its first word: `<think>...</think>`, or in
/// another pair of tags or marks that models are served with, and the white space around them. Tags anywhere else are
/// text, and so is a tag that is cut off. The result does not depend on how the answer is cut.
class ThoughtFilter {
 public:
  /// Appends what is certain to be said to the person.
  void append(std::string& out, std::string_view piece);
  /// At the end of the answer: appends what was kept because it might have been a tag.
  void finish(std::string& out);
  /// Whether the first word has come: all that follows is text.
  bool speaks() const { return state_ == State::speaking; }
  /// Whether the first word has come or comes with `piece`, which then needs no append(). False is no answer.
  bool speaks_with(std::string_view piece);
  /// Whether anything was left out.
  bool has_thought() const { return has_thought_; }

 private:
  enum class State : std::uint8_t { beginning, thinking, speaking };
  /// False when more is needed to know.
  bool look_for_word(std::string& out);
  bool look_for_end();

  State state_ = State::beginning;
  bool has_thought_ = false;
  std::string kept_;
  std::string_view closing_;  // the tag that ends the thoughts
};

/// Where a chat template ends the prompt with `<think>`, the answer has only `</think>`. What follows it; all of the
/// text if it has no such tag, or `<think>` before it, or is JSON, which may quote it. Needs the whole answer: until
/// the tag comes, thoughts look like words.
std::string_view words_behind_thought(std::string_view text);

}  // namespace omnibus::llm
