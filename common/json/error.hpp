#pragma once

#include <string>

#include <boost/assert/source_location.hpp>

namespace omnibus::json {

/// Why a document was refused. Safe to log and to hand back to its producer: names fields, never their values.
struct DecodeError {
  std::string field;   ///< dotted path, as "items.3.price"; empty when it is the document as a whole
  std::string reason;  ///< the sentence's other half, as "must be a string"

  /// Both as one sentence, as "text must be a string".
  std::string message() const { return (field.empty() ? "the document" : field) + " " + reason; }
};

/// Lets `result.value()` be used where the error cannot be.
/// @throws std::invalid_argument always.
[[noreturn]] void throw_exception_from_error(DecodeError const& error, boost::source_location const& location);

}  // namespace omnibus::json
