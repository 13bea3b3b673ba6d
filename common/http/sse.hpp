/// Server-sent events (WHATWG HTML, "text/event-stream"): an incremental parser and a writer. Pure, no IO.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::http {

struct SseLimits {
  std::size_t max_line_bytes = 256 * 1024;
  std::size_t max_event_bytes = 1024 * 1024;  ///< of all data lines of one event
  bool error_field = false;  ///< take a field `error`, which is no standard, as the data of an event of that name
};

/// Parses a stream of server-sent events in chunks of any size: also split in the middle of a line ending, of a
/// character, of a field. Holds at most one line and one event.
class SseParser {
 public:
  enum class Step {
    event,      ///< an event is complete: event(), data() and id() hold it until the next call; data() may be a view of
                ///< the input
    need_more,  ///< all input is consumed
    too_large,  ///< a line or an event exceeds its limit; the parser cannot be used any more
  };

  explicit SseParser(SseLimits limits = {}) : limits_(limits) {}

  /// Consumes input up to the end of the next event. Call again with the remaining input until it needs more.
  Step next(std::string_view& input);
  /// At the end of the stream: the event whose empty line, or whose last line end, is missing. The standard drops it;
  /// for a reader to whom its content says whether it is whole.
  Step finish();

  /// Whether an event, and nothing of it, may begin with the next byte.
  bool is_between_events() const {
    return begun_ && line_.empty() && !after_return_ && !failed_ && (complete_ || (!has_data_ && event_.empty()));
  }

  /// Type of the event; "message" when the stream gave none.
  std::string_view event() const { return event_.empty() ? std::string_view("message") : event_; }
  std::string_view data() const { return whole_.data() != nullptr ? whole_ : std::string_view(data_); }
  /// The last id seen, possibly from an earlier event.
  std::string_view id() const { return id_; }
  /// The latest reconnection time from the stream, in milliseconds.
  std::optional<std::uint64_t> retry() const { return retry_; }

 private:
  Step fail();
  bool take_whole(std::string_view& input);
  bool take_line(std::string_view line);
  bool take_field(std::string_view name, std::string_view value);
  void reset_event();

  SseLimits limits_;
  std::string line_;  // the beginning of an incomplete line
  std::string event_;
  std::string data_;
  std::string_view whole_;  // the data of an event that came in one piece
  std::string id_;
  std::optional<std::uint64_t> retry_;
  bool begun_ = false;  // past the first line, which may start with a byte order mark
  bool has_data_ = false;
  bool complete_ = false;      // the event has been returned
  bool after_return_ = false;  // a line feed now belongs to the previous line
  bool failed_ = false;
};

/// Appends one event; data of several lines becomes several data fields. Line breaks in event or id are dropped.
void append_sse_event(std::string& out, std::string_view event, std::string_view data, std::string_view id = {});
/// Appends a comment, which keeps a connection alive; clients ignore it.
void append_sse_comment(std::string& out, std::string_view comment);

}  // namespace omnibus::http
