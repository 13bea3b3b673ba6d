#include "http/response_parser.hpp"

#include "http/message.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace omnibus::http {
namespace {

constexpr std::size_t max_chunk_line = 4096;

std::string_view trim(std::string_view text) {
  auto const begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Takes the next line off the text, without its ending.
std::string_view take_line(std::string_view& text) {
  auto const end = text.find('\n');
  auto line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Where a head ends: past its empty line, or npos.
std::size_t head_end(std::string_view text, std::size_t from) {
  for (auto at = text.find('\n', from); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    if (text.substr(at + 1, 1) == "\n") return at + 2;
    if (text.substr(at + 1, 2) == "\r\n") return at + 3;
  }
  return std::string_view::npos;
}

bool mentions(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    auto const end = std::min(list.find(','), list.size());
    if (equals_ignoring_case(trim(list.substr(0, end)), token)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

}  // namespace

std::optional<std::string_view> ResponseHead::find(std::string_view name) const {
  auto rest = text_;
  while (!rest.empty()) {
    auto const line = take_line(rest);
    auto const colon = line.find(':');
    if (colon == std::string_view::npos || !equals_ignoring_case(line.substr(0, colon), name)) continue;
    return trim(line.substr(colon + 1));
  }
  return std::nullopt;
}

void ResponseParser::begin(bool to_head_request, std::size_t max_head_bytes) {
  state_ = State::head;
  to_head_request_ = to_head_request;
  max_head_bytes_ = max_head_bytes;
  keep_alive_ = true;
  remaining_ = 0;
  held_.clear();
  head_ = {};
  body_ = {};
}

ResponseParser::Step ResponseParser::fail() {
  state_ = State::failed;
  keep_alive_ = false;
  return Step::failed;
}

ResponseParser::Step ResponseParser::next(std::string_view& input) {
  if (state_ == State::done) return Step::done;
  if (state_ == State::failed) return Step::failed;
  if (input.empty()) return Step::need_more;
  return state_ == State::head ? take_head(input) : take_piece(input);
}

ResponseParser::Step ResponseParser::take_head(std::string_view& input) {
  while (true) {
    auto const before = held_.size();
    std::string_view head;
    if (before == 0) {
      auto const end = head_end(input, 0);
      if (end == std::string_view::npos) {
        if (input.size() > max_head_bytes_) return fail();
        held_ = input;
        input = {};
        return Step::need_more;
      }
      head = input.substr(0, end);
      input.remove_prefix(end);
    } else {
      held_.append(input.substr(0, max_head_bytes_ + 4));
      auto const end = head_end(held_, before < 3 ? 0 : before - 3);
      if (end == std::string_view::npos) {
        if (held_.size() > max_head_bytes_) return fail();
        input = {};
        return Step::need_more;
      }
      input.remove_prefix(end - before);
      held_.resize(end);
      head = held_;
    }
    if (head.size() > max_head_bytes_ || !read_head(head)) return fail();
    if (head_.status_ >= 200) {
      frame_body();
      return Step::head;
    }
    if (head_.status_ == 101) return fail();
    held_.clear();
    if (input.empty()) return Step::need_more;
  }
}

bool ResponseParser::read_head(std::string_view head) {
  auto rest = head;
  auto const first = take_line(rest);
  if (!first.starts_with("HTTP/1.") || first.size() < 12 || first[8] != ' ') return false;
  auto const [end, error] = std::from_chars(first.data() + 9, first.data() + 12, head_.status_);
  if (error != std::errc() || end != first.data() + 12 || head_.status_ < 100) return false;
  head_.text_ = rest;
  keep_alive_ = first[7] != '0';
  chunked_ = false;
  has_length_ = false;
  while (!rest.empty()) {
    auto const line = take_line(rest);
    if (line.empty()) break;
    auto const colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    auto const name = line.substr(0, colon);
    auto const value = trim(line.substr(colon + 1));
    if (equals_ignoring_case(name, "content-length")) {
      std::uint64_t length = 0;
      auto const [stop, wrong] = std::from_chars(value.data(), value.data() + value.size(), length);
      if (wrong != std::errc() || stop != value.data() + value.size()) return false;
      if (has_length_ && length != remaining_) return false;
      has_length_ = true;
      remaining_ = length;
    } else if (equals_ignoring_case(name, "transfer-encoding")) {
      if (!equals_ignoring_case(value, "chunked")) return false;
      chunked_ = true;
    } else if (equals_ignoring_case(name, "connection")) {
      if (mentions(value, "close")) keep_alive_ = false;
      if (mentions(value, "keep-alive")) keep_alive_ = true;
    }
  }
  if (chunked_ && has_length_) keep_alive_ = false;
  return true;
}

void ResponseParser::frame_body() {
  line_bytes_ = 0;
  digits_ = false;
  if (to_head_request_ || head_.status_ == 204 || head_.status_ == 304) {
    state_ = State::done;
  } else if (chunked_) {
    remaining_ = 0;
    state_ = State::chunk_size;
  } else if (has_length_) {
    state_ = remaining_ == 0 ? State::done : State::fixed;
  } else {
    keep_alive_ = false;
    state_ = State::until_close;
  }
}

ResponseParser::Step ResponseParser::take_piece(std::string_view& input) {
  while (!input.empty()) {
    switch (state_) {
      case State::until_close:
        body_ = std::exchange(input, {});
        return Step::body;
      case State::fixed:
      case State::chunk_data: {
        auto const size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
        body_ = input.substr(0, size);
        input.remove_prefix(size);
        remaining_ -= size;
        if (remaining_ == 0) state_ = state_ == State::fixed ? State::done : State::chunk_end;
        return Step::body;
      }
      case State::chunk_size:
      case State::chunk_extension: {
        auto const c = input.front();
        input.remove_prefix(1);
        if (++line_bytes_ > max_chunk_line) return fail();
        if (c == '\n') {
          if (!digits_) return fail();
          state_ = remaining_ == 0 ? State::trailer : State::chunk_data;
          line_bytes_ = 0;
          digits_ = false;
          break;
        }
        if (state_ == State::chunk_extension) break;
        auto const digit = hex_digit(c);
        if (digit < 0) {
          if (c != ';' && c != '\r' && c != ' ' && c != '\t') return fail();
          state_ = State::chunk_extension;
          break;
        }
        if (remaining_ > std::numeric_limits<std::uint64_t>::max() / 32) return fail();
        remaining_ = remaining_ * 16 + static_cast<unsigned>(digit);
        digits_ = true;
        break;
      }
      case State::chunk_end:
        if (input.front() == '\n') {
          state_ = State::chunk_size;
          line_bytes_ = 0;
        } else if (input.front() != '\r') {
          return fail();
        }
        input.remove_prefix(1);
        break;
      case State::trailer: {
        // A trailer line with something in it sets digits_; the empty line ends the response.
        auto const c = input.front();
        input.remove_prefix(1);
        if (++line_bytes_ > max_head_bytes_) return fail();
        if (c == '\n' && !digits_) {
          state_ = State::done;
          return Step::done;
        }
        if (c == '\n') digits_ = false;
        if (c != '\n' && c != '\r') digits_ = true;
        break;
      }
      case State::head:
      case State::done:
        return Step::done;
      case State::failed:
        return Step::failed;
    }
  }
  return Step::need_more;
}

}  // namespace omnibus::http
