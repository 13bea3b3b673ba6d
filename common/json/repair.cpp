#include "json/repair.hpp"

#include "json/text_mender.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace omnibus::json {
namespace {

constexpr std::string_view unreadable_escape = "\\ufffd";
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
constexpr std::size_t escape_size = 6;  // \u0000

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
  auto const code = static_cast<unsigned char>(c);
  out.append("\\u00").append(1, digits[code >> 4U]).append(1, digits[code & 15U]);
}

}  // namespace

std::string repaired_text(std::string_view text) {
  std::string out;
  TextMender mender;
  mender.append(out, text);
  mender.finish(out);
  return out;
}

std::string repaired_document(std::string_view document) {
  if (document.starts_with(byte_order_mark)) document.remove_prefix(byte_order_mark.size());
  auto const text = repaired_text(document);
  std::string out;
  out.reserve(text.size());
  auto within_string = false;
  for (std::size_t at = 0; at < text.size();) {
    auto const c = text[at];
    if (within_string && c == '\\') {
      at += append_escape(out, text, at);
      continue;
    }
    if (c == '"') within_string = !within_string;
    if (within_string && static_cast<unsigned char>(c) < 0x20)
      append_control(out, c);
    else
      out += c;
    ++at;
  }
  return out;
}

}  // namespace omnibus::json
