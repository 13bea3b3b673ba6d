/// JSON Schema, as far as requests for structured answers use it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace omnibus::simulator {

/// The subset: type (also a list of them), properties, required, additionalProperties, minProperties, enum, const,
/// items, prefixItems, minItems, maxItems, uniqueItems, minimum, maximum, exclusiveMinimum, exclusiveMaximum,
/// multipleOf, minLength, maxLength, anyOf, oneOf, allOf, not, nullable, and $ref within the document. Other keywords,
/// such as pattern and format, are ignored.
/// @param root the document that a $ref points into
bool fits(boost::json::value const& value, boost::json::value const& schema, boost::json::value const& root);
/// The same with so many steps left, since a schema may contain itself in several branches. Nothing fits without steps.
bool fits(boost::json::value const& value, boost::json::value const& schema, boost::json::value const& root,
          int& steps);

/// The schema that a $ref names, through any number of them; the schema itself when it has none.
/// Null when it points nowhere or in a circle.
boost::json::value const* resolved(boost::json::value const& schema, boost::json::value const& root);

/// A keyword's value when it is an object or an array; else null.
boost::json::object const* object_at(boost::json::object const& schema, std::string_view name);
boost::json::array const* array_at(boost::json::object const& schema, std::string_view name);
/// A keyword's value when it is a number.
std::optional<double> number_at(boost::json::object const& schema, std::string_view name);
/// The same as a count, between 0 and this.
std::optional<std::size_t> count_at(boost::json::object const& schema, std::string_view name, std::size_t most);
/// What a schema says in words; empty when it says nothing.
std::string_view description_of(boost::json::object const& schema);
/// The number of characters of UTF-8 text.
std::int64_t characters(std::string_view text);

}  // namespace omnibus::simulator
