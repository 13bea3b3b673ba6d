#pragma once

#include "text/invalid_field.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

/// Rules for fields that several events' schemas share. Each returns the broken rule, or nothing. Pure.
namespace omnibus::rules {

/// A tenant's domain: a host name in lower case with at most 253 characters.
std::optional<InvalidField> domain(std::string_view field, std::string_view value);

/// 1 to `most` characters; a character is a code point, as JSON Schema counts. `value` is UTF-8.
std::optional<InvalidField> length(std::string_view field, std::string_view value, std::size_t most);

/// A phone number in E.164: `+`, then 2 to 15 digits, the first not 0. Whether it can be dialled is
/// not checked.
std::optional<InvalidField> e164(std::string_view field, std::string_view value);

/// One of `words`.
std::optional<InvalidField> one_of(std::string_view field, std::string_view value,
                                   std::initializer_list<std::string_view> words);

/// 1 to `most` characters without control characters: text that may become a header or a line. Those of Unicode count
/// as well (U+0080 to U+009F), and what separates lines or turns the direction of the text that follows it.
std::optional<InvalidField> line(std::string_view field, std::string_view value, std::size_t most);

/// An e-mail address that can be sent to: is_email().
std::optional<InvalidField> email(std::string_view field, std::string_view value);
/// Whether a text can stand as an address in a header and in SMTP: `local@domain` of ASCII without blanks, control
/// characters, quotes, commas and brackets, at most 254 characters.
bool is_email(std::string_view text);

/// A short stable word of a-z and `_`, such as a dead letter's class.
std::optional<InvalidField> word(std::string_view field, std::string_view value);

/// A time of RFC 3339.
std::optional<InvalidField> time(std::string_view field, std::string_view value);

/// A date, as 2026-11-30.
std::optional<InvalidField> date(std::string_view field, std::string_view value);

/// 0 to 1.
std::optional<InvalidField> fraction(std::string_view field, double value);

/// `least` to `most`.
std::optional<InvalidField> between(std::string_view field, std::int64_t value, std::int64_t least, std::int64_t most);

}  // namespace omnibus::rules
