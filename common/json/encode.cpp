#include "json/encode.hpp"

#include "json/utf8.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <stdexcept>

#include <fmt/compile.h>
#include <fmt/format.h>

namespace omnibus::json {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

/// The length of the valid UTF-8 character at the front of `text`; 0 when there is none.
std::size_t character_length(std::string_view text) {
  auto const lead = static_cast<unsigned char>(text.front());
  std::size_t const length = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  if (length == 0 || length > text.size()) return 0;
  return is_utf8(text.substr(0, length)) ? length : 0;
}

std::string with_valid_characters(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    auto const length = character_length(text);
    valid += length == 0 ? replacement : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return valid;
}

bool needs_escape(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

/// Whether one of eight characters needs an escape.
bool any_needs_escape(std::uint64_t eight) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr auto high_bits = ones << 7U;
  auto const has_less = [](std::uint64_t bytes, std::uint64_t limit) { return (bytes - ones * limit) & ~bytes; };
  auto const found = has_less(eight, 0x20) | has_less(eight ^ (ones * '"'), 1) | has_less(eight ^ (ones * '\\'), 1);
  return (found & high_bits) != 0;
}

/// Where the next character stands that needs an escape, or the end.
std::size_t find_escape(std::string_view text, std::size_t at) {
  for (std::uint64_t eight = 0; at + sizeof eight <= text.size(); at += sizeof eight) {
    std::memcpy(&eight, text.data() + at, sizeof eight);
    if (any_needs_escape(eight)) break;
  }
  while (at != text.size() && !needs_escape(text[at])) ++at;
  return at;
}

void append_escape(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\0':
      out += replacement;
      return;
    default:
      fmt::format_to(std::back_inserter(out), FMT_COMPILE("\\u{:04x}"), static_cast<unsigned>(c));
  }
}

void append_double(std::string& out, double value) {
  if (!std::isfinite(value)) throw std::invalid_argument("JSON cannot represent an infinite double or NaN");
  fmt::format_to(std::back_inserter(out), FMT_COMPILE("{}"), value);
}

template <class Integer>
void append_integer(std::string& out, void const* value) {
  fmt::format_int const text(*static_cast<Integer const*>(value));
  out.append(text.data(), text.size());
}

void append_object(std::string& out, Type const& type, void const* object) {
  out += '{';
  bool first = true;
  for (auto const& field : type.fields) {
    // The accessor is shared with decoding; it does not write here.
    void const* const member = field.of(const_cast<void*>(object));
    if (field.type->kind == Kind::optional && field.type->size(member) == 0) continue;
    if (!first) out += ',';
    first = false;
    out += '"';
    out += field.name;
    out += "\":";
    detail::append(out, *field.type, member);
  }
  out += '}';
}

void append_array(std::string& out, Type const& type, void const* array) {
  out += '[';
  for (std::size_t i = 0; i < type.size(array); ++i) {
    if (i > 0) out += ',';
    detail::append(out, *type.element, type.at(array, i));
  }
  out += ']';
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  if (!is_utf8(text)) return append_string(out, with_valid_characters(text));
  out += '"';
  std::size_t written = 0;
  for (auto at = find_escape(text, 0); at != text.size(); at = find_escape(text, written)) {
    out += text.substr(written, at - written);
    append_escape(out, text[at]);
    written = at + 1;
  }
  out += text.substr(written);
  out += '"';
}

void detail::append(std::string& out, Type const& type, void const* value) {
  switch (type.kind) {
    case Kind::string:
      return append_string(out, *static_cast<std::string const*>(value));
    case Kind::boolean:
      out += *static_cast<bool const*>(value) ? "true" : "false";
      return;
    case Kind::int32:
      return append_integer<std::int32_t>(out, value);
    case Kind::int64:
      return append_integer<std::int64_t>(out, value);
    case Kind::number:
      return append_double(out, *static_cast<double const*>(value));
    case Kind::uuid:
      out += '"';
      out += to_string(*static_cast<Uuid const*>(value));
      out += '"';
      return;
    case Kind::raw:
      out += static_cast<Raw const*>(value)->text.empty() ? "null" : static_cast<Raw const*>(value)->text;
      return;
    case Kind::object:
      return append_object(out, type, value);
    case Kind::array:
      return append_array(out, type, value);
    case Kind::optional:
      if (type.size(value) == 0) {
        out += "null";
        return;
      }
      return append(out, *type.element, type.at(value, 0));
  }
}

}  // namespace omnibus::json
