/// One answer of a model from the bytes of its body. Pure.
#pragma once

#include "llm/answer_frames.hpp"
#include "llm/answer_turn.hpp"
#include "llm/llm.hpp"
#include "llm/words_pattern.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace omnibus::llm {

/// Joins frames, chunks and turn. The answer does not depend on how the bytes are cut.
class AnswerReader {
 public:
  /// @param estimated_input, messages as for AnswerTurn
  /// @param max_frame_bytes the longest event or document
  AnswerReader(std::int64_t estimated_input, std::size_t messages, std::size_t max_frame_bytes, DeltaSink sink)
      : max_frame_bytes_(max_frame_bytes),
        frames_(max_frame_bytes),
        turn_(estimated_input, messages),
        sink_(std::move(sink)) {}

  /// Takes a piece of the body. False when no more of it is of use. @throws LlmError as AnswerTurn::take().
  bool take(std::string_view bytes);
  /// The answer, at the end of the body or once it has ended. @throws LlmError when it is none.
  ChatCompletion finish();

  /// Whether nothing more follows.
  bool is_done() const {
    return is_cut_off_ || turn_.is_done() || (turn_.is_whole() && frames_.form() == AnswerFrames::Form::documents);
  }
  /// Whether the model has ended the answer; its usage may follow.
  bool has_ended() const { return turn_.has_ended(); }
  bool has_begun() const { return turn_.has_begun(); }
  AnswerFrames::Form form() const { return frames_.form(); }
  /// How many frames have come.
  std::size_t frames() const { return count_; }
  /// An error with what came of the answer.
  LlmError failure(LlmError const& error, Oddity oddity) const { return turn_.failure(error, oddity); }

 private:
  /// False when there are no more frames in what was given.
  bool take_frame(AnswerFrames::Step step);

  std::size_t max_frame_bytes_;
  AnswerFrames frames_;
  WordsPattern pattern_;
  std::string_view words_;  // of the last frame, as AnswerTurn::take() returns them
  AnswerTurn turn_;
  DeltaSink sink_;
  std::size_t count_ = 0;
  bool is_cut_off_ = false;  // behind its end something too large came: neither it nor the rest is read
};

}  // namespace omnibus::llm
