/// The documents in the body of a model's answer. Pure.
#pragma once

#include "http/sse.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace omnibus::llm {

/// Takes a body in pieces of any size and returns the frames in it. The first byte, and not the content type, tells
/// what it is: a brace begins JSON documents, one or one behind another, of which each is a frame; a field or a comment
/// begins server-sent events, of which the data of each is a frame. Holds one line and one frame.
class AnswerFrames {
 public:
  enum class Step : std::uint8_t {
    frame,       ///< frame() holds it until the next call
    need_more,   ///< all input is consumed
    too_large,   ///< a line or a frame exceeds its limit
    unreadable,  ///< neither events nor JSON
  };
  enum class Form : std::uint8_t { unknown, events, documents, unreadable };

  explicit AnswerFrames(std::size_t max_frame_bytes)
      : max_bytes_(max_frame_bytes), events_({max_frame_bytes, max_frame_bytes, true}) {}

  /// Consumes input up to the end of the next frame. Call again with the rest until it needs more.
  Step next(std::string_view& input);
  /// At the end of the body: what is left over, which may be a frame, or cut off. Call it until it needs more.
  Step finish();

  std::string_view frame() const { return form_ == Form::events ? events_.data() : document_; }
  /// Whether the frame's event is named `error`.
  bool is_error() const { return form_ == Form::events && events_.event() == "error"; }
  Form form() const { return form_; }
  /// Whether an event may begin with the next byte.
  bool is_between_events() const { return form_ == Form::events && events_.is_between_events(); }

 private:
  Form recognise(std::string_view& input);
  Step next_event(http::SseParser::Step step) const;
  Step next_document(std::string_view& input);
  bool ends_document(char c);

  std::size_t max_bytes_;
  http::SseParser events_;
  std::string document_;
  std::size_t depth_ = 0;
  Form form_ = Form::unknown;
  bool in_string_ = false;
  bool after_backslash_ = false;
  bool is_complete_ = false;  // the document has been returned
};

/// Whether a frame is the `[DONE]` behind a stream's last chunk, in any writing.
bool is_done_mark(std::string_view frame);

}  // namespace omnibus::llm
