/// An incremental parser of HTTP/1.1 responses. Pure, no IO, stores no body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::http {

/// Status and header fields of a response, as views of the received bytes.
class ResponseHead {
 public:
  int status() const { return status_; }
  /// The first field of that name, without regard to case, without spaces around it.
  std::optional<std::string_view> find(std::string_view name) const;
  /// All header lines.
  std::string_view text() const { return text_; }

 private:
  friend class ResponseParser;
  int status_ = 0;
  std::string_view text_;
};

/// Takes the bytes of consecutive responses, in chunks of any size, and returns the head and the pieces of the
/// body. Interim (1xx) responses are skipped. An ambiguous response is an error.
/// Beast's basic_parser does not replace it: its caller must keep and join an incomplete line, it takes twice the time
/// for a chunk that arrives alone, and it reads a response with an unknown transfer coding until the peer closes.
class ResponseParser {
 public:
  enum class Step {
    need_more,  ///< all input is consumed
    head,       ///< head() holds status and headers until the next call
    body,       ///< body() holds a piece of the body until the next call
    done,       ///< the response is complete; the rest of the input does not belong to it
    failed,     ///< not HTTP/1.x, or over a limit
  };

  /// Prepares for the response to a request; a response to HEAD has no body.
  void begin(bool to_head_request, std::size_t max_head_bytes);
  Step next(std::string_view& input);
  /// Whether the response is complete when the peer closes now: only the close ends it.
  bool complete_at_close() const { return state_ == State::until_close; }
  /// Whether any part of the response has arrived.
  bool begun() const { return state_ != State::head || !held_.empty(); }
  /// Whether the next step is `done`.
  bool is_done() const { return state_ == State::done; }
  /// Whether the connection can carry another request after this response.
  bool keep_alive() const { return keep_alive_; }

  ResponseHead const& head() const { return head_; }
  std::string_view body() const { return body_; }

 private:
  enum class State {
    head,
    fixed,
    chunk_size,
    chunk_extension,
    chunk_data,
    chunk_end,
    trailer,
    until_close,
    done,
    failed
  };

  Step fail();
  Step take_head(std::string_view& input);
  bool read_head(std::string_view head);
  Step take_piece(std::string_view& input);
  void frame_body();

  State state_ = State::done;
  bool to_head_request_ = false;
  bool keep_alive_ = true;
  bool digits_ = false;
  bool chunked_ = false;
  bool has_length_ = false;
  std::size_t max_head_bytes_ = 0;
  std::size_t line_bytes_ = 0;
  std::uint64_t remaining_ = 0;
  std::string held_;  // the beginning of an incomplete head
  ResponseHead head_;
  std::string_view body_;
};

}  // namespace omnibus::http
