#include "llm/answer_frames.hpp"

#include <algorithm>

namespace omnibus::llm {
namespace {

constexpr std::string_view marker = "\xEF\xBB\xBF";  // a byte order mark

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

}  // namespace

AnswerFrames::Form AnswerFrames::recognise(std::string_view& input) {
  while (!input.empty() && (is_blank(input.front()) || marker.find(input.front()) != std::string_view::npos))
    input.remove_prefix(1);
  if (input.empty()) return Form::unknown;
  switch (input.front()) {
    case '{':
    case '[':
      return Form::documents;
    case ':':
    case 'd':  // data
    case 'e':  // event
    case 'i':  // id
    case 'r':  // retry
      return Form::events;
    default:
      return Form::unreadable;
  }
}

AnswerFrames::Step AnswerFrames::next(std::string_view& input) {
  if (form_ == Form::unknown) form_ = recognise(input);
  switch (form_) {
    case Form::unknown:
      return Step::need_more;
    case Form::unreadable:
      return Step::unreadable;
    case Form::events:
      return next_event(events_.next(input));
    case Form::documents:
      return next_document(input);
  }
  return Step::unreadable;
}

AnswerFrames::Step AnswerFrames::finish() {
  if (form_ == Form::events) return next_event(events_.finish());
  if (form_ != Form::documents || is_complete_ || document_.empty()) return Step::need_more;
  is_complete_ = true;
  return Step::frame;
}

AnswerFrames::Step AnswerFrames::next_event(http::SseParser::Step step) const {
  switch (step) {
    case http::SseParser::Step::event:
      return Step::frame;
    case http::SseParser::Step::need_more:
      return Step::need_more;
    case http::SseParser::Step::too_large:
      break;
  }
  return Step::too_large;
}

AnswerFrames::Step AnswerFrames::next_document(std::string_view& input) {
  if (is_complete_) {
    document_.clear();
    is_complete_ = false;
  }
  // Between documents there may be line ends or commas.
  if (document_.empty()) input.remove_prefix(std::min(input.find_first_of("{["), input.size()));
  for (std::size_t i = 0; i < input.size(); ++i) {
    if (!ends_document(input[i])) continue;
    document_.append(input.substr(0, i + 1));
    input.remove_prefix(i + 1);
    is_complete_ = true;
    return document_.size() > max_bytes_ ? Step::too_large : Step::frame;
  }
  document_.append(input);
  input = {};
  return document_.size() > max_bytes_ ? Step::too_large : Step::need_more;
}

bool AnswerFrames::ends_document(char c) {
  if (in_string_) {
    if (after_backslash_) {
      after_backslash_ = false;
    } else if (c == '\\') {
      after_backslash_ = true;
    } else if (c == '"') {
      in_string_ = false;
    }
    return false;
  }
  if (c == '"') in_string_ = true;
  if (c == '{' || c == '[') ++depth_;
  if (c == '}' || c == ']') --depth_;
  return depth_ == 0;
}

bool is_done_mark(std::string_view frame) {
  constexpr std::string_view mark = "[DONE]";
  if (frame == mark) return true;
  if (frame.size() > 4 * mark.size()) return false;
  std::size_t at = 0;
  for (auto const c : frame) {
    if (is_blank(c)) continue;
    auto const upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    if (at == mark.size() || upper != mark[at]) return false;
    ++at;
  }
  return at == mark.size();
}

}  // namespace omnibus::llm
