#include "json/walker.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <utility>

namespace omnibus::json::detail {
namespace {

using simdjson::ondemand::array;
using simdjson::ondemand::field;
using simdjson::ondemand::object;
using simdjson::ondemand::value;

constexpr std::size_t smallest_buffer = 4096;
constexpr std::size_t deepest = 256;  // walking is recursive; this depth fits into any stack
constexpr auto half_a_pair = "holds half of a surrogate pair";
constexpr std::size_t few_keys = 16;  // up to this number, keys are compared with each other instead of sorted

/// The state that a thread keeps between documents.
struct Scratch {
  simdjson::ondemand::parser parser;
  std::unique_ptr<char[]> text;
  std::size_t capacity = 0;
  std::vector<std::string_view> keys;

  bool reserve(std::size_t size) {
    if (size <= capacity && text) return true;
    std::size_t const wanted = std::bit_ceil(std::max(size, smallest_buffer));
    text = std::make_unique<char[]>(wanted + simdjson::SIMDJSON_PADDING);
    capacity = wanted;
    return parser.allocate(wanted) == simdjson::SUCCESS;
  }
};

Scratch& scratch() {
  thread_local Scratch of_thread;
  return of_thread;
}

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool contains(std::string_view text, char c) {
  return std::memchr(text.data(), c, text.size()) != nullptr;
}

std::size_t skip_digits(std::string_view text, std::size_t at) {
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
  return at;
}

/// RFC 8259, section 6.
bool is_number(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  auto end = skip_digits(text, at);
  if (end == at || (text[at] == '0' && end > at + 1)) return false;
  at = end;
  if (at < text.size() && text[at] == '.') {
    end = skip_digits(text, at + 1);
    if (end == at + 1) return false;
    at = end;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    end = skip_digits(text, at);
    if (end == at) return false;
    at = end;
  }
  return at == text.size();
}

/// In text unescaped from valid UTF-8, invalid UTF-8 can only be half of a surrogate pair.
bool has_lone_surrogate(std::string_view text) {
  return !simdjson::validate_utf8(text.data(), text.size());
}

/// Whether each surrogate that a string's escapes name has its other half beside it.
bool is_utf16(std::string_view token) {
  constexpr std::size_t escape = 6;  // \ud83d
  auto const starts_with_any = [](std::string_view text, std::string_view thirds) {
    return text.size() >= escape && text[0] == '\\' && text[1] == 'u' && (text[2] == 'd' || text[2] == 'D') &&
           thirds.find(text[3]) != std::string_view::npos;
  };
  for (std::size_t at = token.find('\\'); at < token.size(); at = token.find('\\', at)) {
    auto const rest = token.substr(at);
    if (starts_with_any(rest, "cdefCDEF")) return false;
    auto const high = starts_with_any(rest, "89abAB");
    if (high && !starts_with_any(rest.substr(escape), "cdefCDEF")) return false;
    at += high ? 2 * escape : 2;
  }
  return true;
}

}  // namespace

Walker::Walker(Limits const& limits) : limits_(limits), keys_(scratch().keys) {
  limits_.depth = std::min(limits_.depth, deepest);
  keys_.clear();
}

bool Walker::open(std::string_view text, object& root) {
  if (text.size() > limits_.bytes) return refuse("is larger than " + std::to_string(limits_.bytes) + " bytes");
  if (limits_.depth < 1) return refuse("may not be nested at all");
  auto& kept = scratch();
  if (!kept.reserve(text.size())) return refuse("does not fit into memory");
  if (!text.empty()) std::memcpy(kept.text.get(), text.data(), text.size());
  std::memset(kept.text.get() + text.size(), 0, simdjson::SIMDJSON_PADDING);
  simdjson::padded_string_view const padded(kept.text.get(), text.size(), kept.capacity + simdjson::SIMDJSON_PADDING);
  if (auto const error = kept.parser.iterate(padded).get(document_)) return refuse(error);
  simdjson::ondemand::json_type type;
  if (auto const error = document_.type().get(type)) return refuse(error);
  if (type != simdjson::ondemand::json_type::object) return refuse("must be an object");
  if (auto const error = document_.get_object().get(root)) return refuse(error);
  return true;
}

bool Walker::close() {
  // simdjson reports it as an error: after the outermost object there must be no token.
  return document_.current_location().error() == simdjson::OUT_OF_BOUNDS || refuse("has bytes behind its end");
}

std::string_view Walker::token(value& value) {
  return trimmed(value.raw_json_token());
}

bool Walker::key(field& field, std::string_view& key) {
  char const* const begin = field.key().raw();
  char const* end = begin;
  while (*end != '"' && *end != '\\') ++end;  // the index has seen the closing quote
  key = {begin, static_cast<std::size_t>(end - begin)};
  if (*end == '"') return true;
  if (auto const error = field.unescaped_key().get(key)) return refuse(error);
  return check_text(key);
}

bool Walker::string(value& value, std::string_view token, std::string_view& text) {
  if (token.size() < 2 || token.front() != '"') return refuse("must be a string");
  if (!contains(token, '\\')) {
    text = token.substr(1, token.size() - 2);
    // simdjson would take an unread string for a key if a colon follows it, and accept it.
    return (value.get_raw_json_string().error() == simdjson::SUCCESS && token.back() == '"') || refuse_syntax();
  }
  if (auto const error = value.get_string().get(text))
    return error == simdjson::STRING_ERROR && !is_utf16(token) ? refuse(half_a_pair) : refuse(error);
  return check_text(text);
}

bool Walker::check_text(std::string_view text) {
  if (contains(text, '\0')) return refuse("holds a NUL character");
  if (has_lone_surrogate(text)) return refuse(half_a_pair);
  return true;
}

bool Walker::enter(value& value, std::size_t depth, object& object) {
  if (depth >= limits_.depth) return refuse("is nested deeper than " + std::to_string(limits_.depth) + " levels");
  auto const error = value.get_object().get(object);
  return error == simdjson::SUCCESS || refuse(error);
}

bool Walker::enter(value& value, std::size_t depth, array& array) {
  if (depth >= limits_.depth) return refuse("is nested deeper than " + std::to_string(limits_.depth) + " levels");
  auto const error = value.get_array().get(array);
  return error == simdjson::SUCCESS || refuse(error);
}

bool Walker::skip(value& value, std::size_t depth) {
  auto const text = token(value);
  switch (text.empty() ? '\0' : text.front()) {
    case '{': {
      object skipped;
      if (!enter(value, depth, skipped)) return false;
      auto const mark = mark_keys();
      for (auto result : skipped) {
        field member;
        if (auto const error = std::move(result).get(member)) return refuse(error);
        std::string_view name;
        if (!key(member, name)) return false;
        remember_key(name);
        if (!skip(member.value(), depth + 1)) return false;
      }
      return check_distinct_keys(mark);
    }
    case '[': {
      array skipped;
      if (!enter(value, depth, skipped)) return false;
      std::size_t length = 0;
      for (auto result : skipped) {
        simdjson::ondemand::value element;
        // NOLINTNEXTLINE(performance-move-const-arg): get() takes an rvalue only
        if (auto const error = std::move(result).get(element)) return refuse(error);
        if (!check_array_length(++length) || !skip(element, depth + 1)) return false;
      }
      return true;
    }
    case '"': {
      std::string_view ignored;
      return string(value, text, ignored);
    }
    default:
      return text == "null" || text == "true" || text == "false" || is_number(text) || refuse_syntax();
  }
}

bool Walker::skip(value& value, std::size_t depth, std::string_view& text) {
  text = token(value);
  bool const container = text.starts_with('{') || text.starts_with('[');
  if (!skip(value, depth)) return false;
  if (!container) return true;
  char const* next = nullptr;
  if (auto const error = document_.current_location().get(next)) return refuse(error);
  text = trimmed({text.data(), static_cast<std::size_t>(next - text.data())});
  return true;
}

bool Walker::check_array_length(std::size_t length) {
  return length <= limits_.array_length ||
         refuse("has more than " + std::to_string(limits_.array_length) + " elements");
}

bool Walker::check_distinct_keys(std::size_t mark) {
  auto const begin = keys_.begin() + static_cast<std::ptrdiff_t>(mark);
  bool distinct = true;
  if (keys_.size() - mark <= few_keys) {
    for (auto key = begin; key != keys_.end(); ++key) distinct = distinct && std::find(begin, key, *key) == key;
  } else {
    std::sort(begin, keys_.end());
    distinct = std::adjacent_find(begin, keys_.end()) == keys_.end();
  }
  keys_.resize(mark);
  return distinct || refuse("names a field twice");
}

bool Walker::refuse(std::string reason) {
  error_.reason = std::move(reason);
  return false;
}

bool Walker::refuse(simdjson::error_code code) {
  switch (code) {
    case simdjson::UTF8_ERROR:
      return refuse("is not valid UTF-8");
    case simdjson::UNESCAPED_CHARS:
      return refuse("has a control character in a string");
    case simdjson::EMPTY:
      return refuse("is empty");
    case simdjson::MEMALLOC:
      return refuse("does not fit into memory");
    default:
      return refuse_syntax();
  }
}

bool Walker::refused_within(std::string_view field) {
  error_.field = error_.field.empty() ? std::string(field) : std::string(field) + '.' + error_.field;
  return false;
}

}  // namespace omnibus::json::detail
