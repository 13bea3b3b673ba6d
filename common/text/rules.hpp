#pragma once

#include "text/invalid_field.hpp"

#include <cstddef>
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

/// A time of RFC 3339.
std::optional<InvalidField> time(std::string_view field, std::string_view value);

}  // namespace omnibus::rules
