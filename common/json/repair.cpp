#include "json/repair.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace omnibus::json {
namespace {

constexpr std::string_view unreadable = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view unreadable_escape = "\\ufffd";
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
constexpr std::size_t escape_size = 6;  // \u0000

unsigned byte_at(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

bool continues(std::string_view text, std::size_t at) {
  return (byte_at(text, at) & 0xC0U) == 0x80U;
}

/// The bytes of the character that is not ASCII at `at`; 0 if it is invalid.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  auto const lead = byte_at(text, at);
  auto const next = byte_at(text, at + 1);
  auto const rest = [&](std::size_t length) {
    for (std::size_t i = 1; i < length; ++i)
      if (!continues(text, at + i)) return std::size_t{0};
    return length;
  };
  if (lead >= 0xC2 && lead <= 0xDF) return rest(2);
  if (lead >= 0xE0 && lead <= 0xEF) {
    auto const overlong = lead == 0xE0 && next < 0xA0;
    auto const surrogate = lead == 0xED && next > 0x9F;
    return overlong || surrogate ? 0 : rest(3);
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    auto const overlong = lead == 0xF0 && next < 0x90;
    auto const too_high = lead == 0xF4 && next > 0x8F;
    return overlong || too_high ? 0 : rest(4);
  }
  return 0;
}

/// Appends the character that is not ASCII at `at`, or its replacement. @return its number of bytes
std::size_t append_character(std::string& out, std::string_view text, std::size_t at) {
  if (auto const length = sequence_length(text, at); length > 0) {
    out += text.substr(at, length);
    return length;
  }
  out += unreadable;
  std::size_t length = 1;
  while (continues(text, at + length)) ++length;
  return length;
}

/// The UTF-16 unit that an escape `\uXXXX` stands for.
std::optional<std::uint32_t> unit_at(std::string_view text, std::size_t at) {
  if (text.size() < escape_size || at > text.size() - escape_size || text[at] != '\\' || text[at + 1] != 'u')
    return std::nullopt;
  std::uint32_t unit = 0;
  for (auto const c : text.substr(at + 2, 4)) {
    unsigned digit = 0;
    if (c >= '0' && c <= '9')
      digit = static_cast<unsigned>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<unsigned>(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<unsigned>(c - 'A') + 10;
    else
      return std::nullopt;
    unit = unit * 16 + digit;
  }
  return unit;
}

/// Appends the escape at `at`, repaired. @return its number of bytes
std::size_t append_escape(std::string& out, std::string_view text, std::size_t at) {
  auto const unit = unit_at(text, at);
  if (!unit) {
    out += text.substr(at, 2);
    return 2;
  }
  if (*unit == 0) return escape_size;
  if (*unit < 0xD800 || *unit > 0xDFFF) {
    out += text.substr(at, escape_size);
    return escape_size;
  }
  auto const low = unit_at(text, at + escape_size);
  if (*unit <= 0xDBFF && low && *low >= 0xDC00 && *low <= 0xDFFF) {
    out += text.substr(at, 2 * escape_size);
    return 2 * escape_size;
  }
  out += unreadable_escape;
  return escape_size;
}

void append_control(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  if (c == '\0') return;
  auto const code = static_cast<unsigned char>(c);
  out.append("\\u00").append(1, digits[code >> 4U]).append(1, digits[code & 15U]);
}

}  // namespace

std::string repaired_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (byte_at(text, at) >= 0x80) {
      at += append_character(out, text, at);
    } else {
      if (text[at] != '\0') out += text[at];
      ++at;
    }
  }
  return out;
}

std::string repaired_document(std::string_view text) {
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  std::string out;
  out.reserve(text.size());
  auto within_string = false;
  for (std::size_t at = 0; at < text.size();) {
    auto const c = text[at];
    if (byte_at(text, at) >= 0x80) {
      at += append_character(out, text, at);
      continue;
    }
    if (within_string && c == '\\') {
      at += append_escape(out, text, at);
      continue;
    }
    if (c == '"') within_string = !within_string;
    if (within_string && byte_at(text, at) < 0x20)
      append_control(out, c);
    else if (c != '\0')
      out += c;
    ++at;
  }
  return out;
}

}  // namespace omnibus::json
