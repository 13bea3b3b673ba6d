#pragma once

#include "json/type.hpp"

#include <string>
#include <string_view>

namespace omnibus::json {

/// Appends `text` as a JSON string, quoted and escaped. Replaces what our decoder would reject: bytes
/// that are not UTF-8, and NUL, become U+FFFD.
void append_string(std::string& out, std::string_view text);

namespace detail {

void append(std::string& out, Type const& type, void const* value);

}  // namespace detail

/// Appends a described struct as a JSON object, its members in order, absent optionals left out. Doubles keep their
/// exact value.
/// @throws std::invalid_argument for a double that JSON cannot represent: infinite or NaN.
template <class T>
void append(std::string& out, T const& value) {
  detail::append(out, type_of<T>, &value);
}

/// The same, as a new string.
template <class T>
std::string encode(T const& value) {
  std::string out;
  append(out, value);
  return out;
}

}  // namespace omnibus::json
