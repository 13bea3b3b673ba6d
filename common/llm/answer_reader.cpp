#include "llm/answer_reader.hpp"

namespace omnibus::llm {

bool AnswerReader::take(std::string_view bytes) {
  while (!is_done() && take_frame(frames_.next(bytes))) {
  }
  return frames_.form() != AnswerFrames::Form::unreadable;
}

bool AnswerReader::take_frame(AnswerFrames::Step step) {
  using Kind = LlmError::Kind;
  switch (step) {
    case AnswerFrames::Step::frame:
      ++count_;
      turn_.take(frames_.frame(), frames_.is_error(), sink_);
      return true;
    case AnswerFrames::Step::need_more:
      return false;
    case AnswerFrames::Step::too_large:
      if (has_ended()) return false;
      throw turn_.failure(LlmError(Kind::protocol, "a part of the answer is too large"), Oddity::too_large);
    case AnswerFrames::Step::unreadable:
      break;
  }
  return false;
}

ChatCompletion AnswerReader::finish() {
  while (!is_done() && take_frame(frames_.finish())) {
  }
  if (frames_.form() == AnswerFrames::Form::unreadable) {
    throw turn_.failure(LlmError(LlmError::Kind::protocol, "the answer is neither events nor JSON"), Oddity::not_json);
  }
  return turn_.finish(sink_);
}

}  // namespace omnibus::llm
