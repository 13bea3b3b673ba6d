#include "http/sse.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace omnibus::http {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// The first line break, or npos. Looks through a few hundred bytes at a time: line feeds are found at once, and a text
/// with carriage returns alone does not cost the square of its size.
std::size_t find_break(std::string_view text) {
  constexpr std::size_t window_bytes = 512;
  for (std::size_t at = 0; at < text.size(); at += window_bytes) {
    auto window = text.substr(at, window_bytes);
    auto const feed = window.find('\n');
    window = window.substr(0, feed);
    auto const carriage_return = window.find('\r');
    if (carriage_return != std::string_view::npos) return at + carriage_return;
    if (feed != std::string_view::npos) return at + feed;
  }
  return std::string_view::npos;
}

void append_without_breaks(std::string& out, std::string_view text) {
  for (auto const c : text) {
    if (c != '\r' && c != '\n' && c != '\0') out += c;
  }
}

}  // namespace

SseParser::Step SseParser::next(std::string_view& input) {
  if (failed_) return Step::too_large;
  if (complete_) reset_event();
  if (take_whole(input)) return Step::event;
  while (!input.empty()) {
    if (after_return_) {
      after_return_ = false;
      if (input.front() == '\n') {
        input.remove_prefix(1);
        continue;
      }
    }
    auto const end = find_break(input);
    auto const piece = input.substr(0, end);
    if (line_.size() + piece.size() > limits_.max_line_bytes) return fail();
    if (end == std::string_view::npos) {
      line_.append(piece);
      input = {};
      return Step::need_more;
    }
    after_return_ = input[end] == '\r';
    input.remove_prefix(end + 1);
    auto line = piece;
    if (!line_.empty()) line = line_.append(piece);
    if (!begun_) {
      begun_ = true;
      if (line.starts_with(byte_order_mark)) line.remove_prefix(byte_order_mark.size());
    }
    auto const fits = take_line(line);
    line_.clear();
    if (!fits) return fail();
    if (complete_) return Step::event;
  }
  return Step::need_more;
}

/// Takes an event that is one line of data, as nearly all are, without copying it.
bool SseParser::take_whole(std::string_view& input) {
  constexpr std::string_view field = "data: ";
  if (!input.starts_with(field) || !line_.empty() || after_return_ || has_data_ || !event_.empty()) return false;
  auto const end = find_break(input);
  if (end == std::string_view::npos || input.substr(end, 2) != "\n\n") return false;
  auto const data = input.substr(field.size(), end - field.size());
  if (end > limits_.max_line_bytes || data.size() + 1 > limits_.max_event_bytes) return false;
  input.remove_prefix(end + 2);
  whole_ = data;
  begun_ = has_data_ = complete_ = true;
  return true;
}

SseParser::Step SseParser::finish() {
  if (failed_) return Step::too_large;
  if (complete_) reset_event();
  if (!line_.empty() && !take_line(std::exchange(line_, {}))) return fail();
  take_line({});
  return complete_ ? Step::event : Step::need_more;
}

SseParser::Step SseParser::fail() {
  failed_ = true;
  return Step::too_large;
}

/// False when the event exceeds its limit.
bool SseParser::take_line(std::string_view line) {
  if (line.empty()) {
    complete_ = has_data_;
    if (!has_data_) reset_event();
    return true;
  }
  auto const colon = line.find(':');
  auto value = colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  return take_field(line.substr(0, colon), value);
}

bool SseParser::take_field(std::string_view name, std::string_view value) {
  auto const is_error = limits_.error_field && name == "error";
  if (is_error) event_ = name;
  if (name == "data" || is_error) {
    if (data_.size() + value.size() + 1 > limits_.max_event_bytes) return false;
    if (has_data_) data_ += '\n';
    data_.append(value);
    has_data_ = true;
  } else if (name == "event") {
    event_ = value;
  } else if (name == "id") {
    if (value.find('\0') == std::string_view::npos) id_ = value;
  } else if (name == "retry") {
    std::uint64_t milliseconds = 0;
    auto const [end, error] = std::from_chars(value.data(), value.data() + value.size(), milliseconds);
    if (error == std::errc() && end == value.data() + value.size()) retry_ = milliseconds;
  }
  return true;
}

void SseParser::reset_event() {
  event_.clear();
  data_.clear();
  whole_ = {};
  has_data_ = false;
  complete_ = false;
}

void append_sse_event(std::string& out, std::string_view event, std::string_view data, std::string_view id) {
  if (!event.empty()) {
    out += "event: ";
    append_without_breaks(out, event);
    out += '\n';
  }
  if (!id.empty()) {
    out += "id: ";
    append_without_breaks(out, id);
    out += '\n';
  }
  while (true) {
    auto const end = find_break(data);
    out.append("data: ").append(data.substr(0, end)) += '\n';
    if (end == std::string_view::npos) break;
    auto const pair = data.substr(end, 2) == "\r\n";
    data.remove_prefix(end + (pair ? 2 : 1));
  }
  out += '\n';
}

void append_sse_comment(std::string& out, std::string_view comment) {
  out += ": ";
  append_without_breaks(out, comment);
  out += "\n\n";
}

}  // namespace omnibus::http
