#include "json/loose.hpp"

#include "json/byte_search.hpp"

#include <charconv>
#include <cmath>
#include <cstring>

namespace omnibus::json {
namespace {

constexpr std::uint32_t first_high = 0xD800;
constexpr std::uint32_t first_low = 0xDC00;
constexpr std::uint32_t after_low = 0xE000;

/// The character of four hexadecimal digits.
std::optional<std::uint32_t> read_unit(char const* at, char const* end) {
  if (end - at < 4) return std::nullopt;
  std::uint32_t unit = 0;
  auto const [stop, error] = std::from_chars(at, at + 4, unit, 16);
  if (error != std::errc() || stop != at + 4) return std::nullopt;
  return unit;
}

/// In UTF-8; half of a surrogate pair by the same pattern, in three bytes.
void append_character(std::string& out, std::uint32_t code) {
  auto const tail = [&](unsigned shift) { out += static_cast<char>(0x80U | ((code >> shift) & 0x3FU)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0U | (code >> 6U));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0U | (code >> 12U));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (code >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

char unescaped(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;
  }
}

/// The quote that ends a string, or `end`.
char const* find_quote(char const* at, char const* end, bool& escaped) {
  escaped = false;
  while (true) {
    at = find_byte<'"', '\\'>(at, end);
    if (at == end || *at == '"') return at;
    escaped = true;
    if (++at == end) return end;
    ++at;
  }
}

/// Whether a number or a name ends before this character; also before NUL.
bool ends_word(char c) {
  switch (c) {
    case ',':
    case ':':
    case ']':
    case '}':
    case '[':
    case '{':
    case '"':
    case ' ':
    case '\n':
    case '\r':
    case '\t':
    case '\0':
      return true;
    default:
      return false;
  }
}

/// Of digits alone, as nearly all numbers are.
std::optional<std::int64_t> plain_number(std::string_view text) {
  constexpr std::size_t most_digits = 15;
  if (text.empty() || text.size() > most_digits) return std::nullopt;
  std::int64_t value = 0;
  for (auto const c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = 10 * value + (c - '0');
  }
  return value;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  if (auto const plain = plain_number(text)) return plain;
  double value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr double most = 9e15;  // every whole number up to here is exact
  if (error != std::errc() || end != text.data() + text.size() || !(std::abs(value) <= most)) return std::nullopt;
  if (value != std::floor(value)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

}  // namespace

bool LooseReader::read_key(std::string_view& key) {
  if (peek() != '"') return fail();
  auto escaped = false;
  auto const* const begin = ++at_;
  auto const* const quote = find_quote(begin, end_, escaped);
  if (quote == end_) return fail();
  key = {begin, static_cast<std::size_t>(quote - begin)};
  if (escaped) {
    key_.clear();
    if (!unescape(key_, quote)) return fail();
    key = key_;
  }
  at_ = quote + 1;
  if (peek() != ':') return fail();
  ++at_;
  skip_space();
  return true;
}

bool LooseReader::string(std::string& out) {
  if (!good_ || peek() != '"') return false;
  auto escaped = false;
  auto const* const begin = at_ + 1;
  auto const* const quote = find_quote(begin, end_, escaped);
  if (quote == end_) return fail();
  at_ = begin;
  if (!escaped) {
    out.append(begin, quote);
  } else if (!unescape(out, quote)) {
    return fail();
  }
  at_ = quote + 1;
  return true;
}

/// From the position to `end`, which is left where it is.
bool LooseReader::unescape(std::string& out, char const* end) {
  auto const* at = at_;
  while (at != end) {
    auto const* const slash = static_cast<char const*>(std::memchr(at, '\\', static_cast<std::size_t>(end - at)));
    if (slash == nullptr) {
      out.append(at, end);
      return true;
    }
    out.append(at, slash);
    auto const kind = slash[1];  // find_quote has seen that something follows
    at = slash + 2;
    if (kind != 'u') {
      out += unescaped(kind);
      continue;
    }
    auto code = read_unit(at, end);
    if (!code) return false;
    at += 4;
    if (*code >= first_high && *code < first_low && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
      auto const low = read_unit(at + 2, end);
      if (low && *low >= first_low && *low < after_low) {
        *code = 0x10000 + ((*code - first_high) << 10U) + (*low - first_low);
        at += 6;
      }
    }
    append_character(out, *code);
  }
  return true;
}

std::optional<std::int64_t> LooseReader::integer() {
  auto const* const before = at_;
  auto const was_good = good_;
  auto text = raw();
  if (text.size() > 2 && text.front() == '"') {
    text = text.substr(1, text.size() - 2);
    auto const begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) text = {};
    if (!text.empty()) text = text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
  }
  auto const value = whole_number(text);
  if (!value) {
    at_ = before;
    good_ = was_good;
  }
  return value;
}

std::string_view LooseReader::raw() {
  skip_space();
  auto const* const begin = at_;
  if (!skip()) return {};
  return {begin, static_cast<std::size_t>(at_ - begin)};
}

bool LooseReader::skip() {
  switch (good_ ? peek() : '\0') {
    case '{':
    case '[':
      return skip_container();
    case '"':
      return skip_string();
    default:
      break;
  }
  auto const* const begin = at_;
  while (at_ != end_ && !ends_word(*at_)) ++at_;
  return at_ != begin || fail();
}

bool LooseReader::skip_string() {
  auto escaped = false;
  auto const* const quote = find_quote(at_ + 1, end_, escaped);
  if (quote == end_) return fail();
  at_ = quote + 1;
  return true;
}

bool LooseReader::skip_container() {
  std::size_t depth = 0;
  while (at_ != end_) {
    switch (*at_) {
      case '"':
        if (!skip_string()) return false;
        continue;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        --depth;
        break;
      default:
        break;
    }
    ++at_;
    if (depth == 0) return true;
  }
  return fail();
}

bool is_loose_object(std::string_view text) {
  LooseReader reader(text);
  return reader.peek() == '{' && reader.skip() && reader.rest().empty();
}

}  // namespace omnibus::json
