/// The form of a structured answer, and the answers that have it. Pure.
#pragma once

#include "json/error.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/system/result.hpp>

namespace omnibus::assistant {

/// A JSON Schema as far as structured answers need it.
struct AnswerShape {
  enum class Kind : std::uint8_t { object, array, string, number, integer, boolean };

  Kind kind = Kind::object;
  bool nullable = false;
  std::vector<std::string> names = {};    ///< object: its members
  std::vector<AnswerShape> shapes = {};   ///< object: those of its members; array: that of its elements
  std::vector<std::string> allowed = {};  ///< string: the values of its enum; empty: any
  std::size_t least = 0;                  ///< array, string: elements or characters
  std::size_t most = SIZE_MAX;
  std::optional<double> minimum = {};  ///< number, integer
  std::optional<double> maximum = {};
  bool unique = false;   ///< array: no element comes twice
  bool is_uuid = false;  ///< string
};

/// Reads a schema of these keywords: `type` (also a list with "null"), `properties`, `required`,
/// `additionalProperties`, `enum` of strings, `items`, `minItems`, `maxItems`, `uniqueItems`, `minLength`, `maxLength`,
/// `minimum`, `maximum`, `format` (uuid), and those that only describe.
/// @throws std::invalid_argument for a schema with other keywords, or one that providers refuse as strict: each object
/// must require all of its properties and set `additionalProperties` to false.
AnswerShape read_shape(std::string_view schema);

/// The object as one that has the shape exactly: its members in the schema's order, without unknown ones, and its enum
/// values spelled as in the schema; their case, blanks, hyphens and underscores are not compared. Numbers keep their
/// digits, only -0 becomes 0. Nothing is scaled, cut or added. A text with a `minLength` needs a visible character.
/// @param object one JSON object, see `json::is_object`.
boost::system::result<std::string, json::DecodeError> fit(AnswerShape const& shape, std::string_view object);

}  // namespace omnibus::assistant
