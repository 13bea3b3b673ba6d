#pragma once

#include "json/error.hpp"
#include "json/limits.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace omnibus::json {

/// One member of an object. Its views are valid only while the visitor runs.
struct Member {
  enum class Kind : std::uint8_t { null, boolean, number, string, object, array };

  std::string_view name;
  Kind kind;
  std::string_view text;    ///< as written in the document
  std::string_view string;  ///< unescaped; of a string only
};

/// Visits the members of a JSON object whose names are not known beforehand, in order, and is as total as
/// `decode`. A visitor may reject the document; members before the wrong one have been visited by then. It must
/// not decode anything itself: the thread's parser is in use.
std::optional<DecodeError> each_member(std::string_view text, Limits const& limits,
                                       std::function<std::optional<DecodeError>(Member const&)> const& visit);

/// Whether `text` is one JSON object, by the rules of `decode`.
bool is_object(std::string_view text);

}  // namespace omnibus::json
