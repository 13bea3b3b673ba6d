#include "llm/answer_reader.hpp"

namespace omnibus::llm {

bool AnswerReader::take(std::string_view bytes) {
  while (!is_done()) {
    auto const begins_event = frames_.is_between_events();
    if (begins_event) {
      if (auto const words = pattern_.take(bytes, max_frame_bytes_)) {
        ++count_;
        turn_.take_words(*words, sink_);
        continue;
      }
    }
    auto const before = bytes;
    if (!take_frame(frames_.next(bytes))) break;
    auto const event = begins_event ? before.substr(0, before.size() - bytes.size()) : std::string_view{};
    pattern_.learn(event, frames_.frame(), words_);
  }
  if (!is_done()) pattern_.keep();
  return frames_.form() != AnswerFrames::Form::unreadable;
}

bool AnswerReader::take_frame(AnswerFrames::Step step) {
  using Kind = LlmError::Kind;
  switch (step) {
    case AnswerFrames::Step::frame:
      ++count_;
      words_ = turn_.take(frames_.frame(), frames_.is_error(), sink_);
      return true;
    case AnswerFrames::Step::need_more:
      return false;
    case AnswerFrames::Step::too_large:
      is_cut_off_ = has_ended();
      if (is_cut_off_) return false;
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
