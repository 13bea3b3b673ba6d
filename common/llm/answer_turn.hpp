/// One answer of a model from its chunks. Pure.
#pragma once

#include "json/text_mender.hpp"
#include "llm/answer_chunk.hpp"
#include "llm/ending.hpp"
#include "llm/llm.hpp"
#include "llm/thought_filter.hpp"
#include "llm/tool_calls.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace omnibus::llm {

/// Assembles words, tool calls, usage and ending, and decides whether they are an answer.
class AnswerTurn {
 public:
  /// @param estimated_input the tokens of the request, for when no usage is told
  /// @param messages how many the request has: made-up ids of tool calls of one prompt differ by it
  AnswerTurn(std::int64_t estimated_input, std::size_t messages)
      : estimated_input_(estimated_input), messages_(messages) {}

  /// Takes a frame: a chunk, several, a whole answer, or the end mark. Passes new words to `sink`, which may be empty.
  /// @return the string in the frame, with its quotes, that any other string may replace without changing more than the
  /// words; empty when there is none.
  /// @throws LlmError for an error in it, for broken JSON, and for a limit; but nothing once the answer has ended.
  std::string_view take(std::string_view frame, bool is_error, DeltaSink const& sink);
  /// Takes the words of a frame that is like the one before except for such a string.
  void take_words(std::string_view words, DeltaSink const& sink);

  /// Whether the end mark has come: nothing more follows.
  bool is_done() const { return is_done_; }
  /// Whether the model has ended the answer, and has not gone on: at most usage follows.
  bool has_ended() const { return is_done_ || (has_ending() && !goes_on_); }
  /// Whether a whole answer has come, not in chunks.
  bool is_whole() const { return is_whole_; }
  /// Whether any word or tool call has come.
  bool has_begun() const { return has_begun_; }

  /// The answer. Estimates usage that was not told or cannot be right. @throws LlmError when it is none: it is cut off,
  /// ended by an error, or has neither words nor tool calls.
  ChatCompletion finish(DeltaSink const& sink);
  /// An error with what came of the answer.
  LlmError failure(LlmError const& error, Oddity oddity) const;

 private:
  std::string_view take_document(std::string_view frame, bool is_error, DeltaSink const& sink);
  std::string_view take_array(std::string_view frame, bool is_error, DeltaSink const& sink);
  void take_chunk(Chunk const& chunk, std::string_view document, DeltaSink const& sink);
  void take_usage(UsageReport const& report);
  void take_unreadable(std::string_view text);
  bool repeats_all(Chunk const& chunk) const;
  void say(std::string_view text, DeltaSink const& sink);
  void flush(DeltaSink const& sink);
  void pass_on(std::size_t said, DeltaSink const& sink);
  Usage usage() const;
  bool has_ending() const { return is_whole_ || ending_ != AnswerEnding::none; }

  std::int64_t estimated_input_;
  std::size_t messages_;
  ChatCompletion completion_;
  std::string front_;  // of the last chunk
  json::TextMender mender_;
  ThoughtFilter thoughts_;
  ToolCallAssembler calls_;
  std::string refusal_;
  std::size_t text_bytes_ = 0;  // thoughts included
  std::size_t pieces_ = 0;      // of text
  AnswerEnding ending_ = AnswerEnding::none;
  bool has_usage_ = false;
  bool has_choice_ = false;
  bool has_begun_ = false;
  bool goes_on_ = false;  // words came behind the ending
  bool is_whole_ = false;
  bool is_done_ = false;
};

}  // namespace omnibus::llm
