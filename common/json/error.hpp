#pragma once

#include <string>

#include <boost/assert/source_location.hpp>

namespace omnibus::json {

/// Why a document was rejected. Safe to log and to return to its producer: names fields, never their values.
struct DecodeError {
  std::string field;   ///< dotted path, such as "items.3.price"; empty for an error of the whole document
  std::string reason;  ///< the rest of the sentence, such as "must be a string"

  /// Both as one sentence, such as "text must be a string".
  std::string message() const { return (field.empty() ? "the document" : field) + " " + reason; }
};

/// Allows `result.value()` where an error is impossible.
/// @throws std::invalid_argument always.
[[noreturn]] void throw_exception_from_error(DecodeError const& error, boost::source_location const& location);

}  // namespace omnibus::json
