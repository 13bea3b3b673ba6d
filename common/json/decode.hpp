#pragma once

#include "json/error.hpp"
#include "json/limits.hpp"
#include "json/type.hpp"

#include <optional>
#include <string_view>
#include <utility>

#include <boost/system/result.hpp>

namespace omnibus::json {

namespace detail {

/// How to treat a field that the description does not name.
enum class UnknownField : bool { ignored, refused };

/// Fills the object that `type` describes; it is left half-filled when an error is returned.
std::optional<DecodeError> decode(std::string_view text, Limits const& limits, UnknownField unknown, Type const& type,
                                  void* object);

template <class T>
boost::system::result<T, DecodeError> decode(std::string_view text, Limits const& limits, UnknownField unknown) {
  static_assert(boost::describe::has_describe_members<T>::value, "only a described struct is a document");
  boost::system::result<T, DecodeError> value{boost::system::in_place_value};
  if (auto error = decode(text, limits, unknown, type_of<T>, &*value)) return *std::move(error);
  return value;
}

}  // namespace detail

/// Reads a described struct from a JSON object. Total: for any bytes, it returns a value or the error
/// in them. Unknown fields are ignored, but must be valid JSON. A member that is not a std::optional
/// must be present; a std::optional one may be absent or null. Rejects, besides invalid JSON: text that is not UTF-8,
/// halves of surrogate pairs, NUL characters, an object that names a field twice, bytes after the document, and
/// documents over the `limits`. Keeps one parser and its buffers per thread; they grow and do not shrink.
template <class T>
boost::system::result<T, DecodeError> decode(std::string_view text, Limits const& limits = {}) {
  return detail::decode<T>(text, limits, detail::UnknownField::ignored);
}

/// The same for a producer's input: an unknown field is rejected as well, in nested objects too, since it would be
/// lost. The error names the field if its name is an identifier of at most 64 characters.
template <class T>
boost::system::result<T, DecodeError> decode_strictly(std::string_view text, Limits const& limits = {}) {
  return detail::decode<T>(text, limits, detail::UnknownField::refused);
}

}  // namespace omnibus::json
