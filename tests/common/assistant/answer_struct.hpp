/// Holds the struct of a structured answer against its form.
#pragma once

#include "assistant/answer_form.hpp"
#include "json/type.hpp"

#include <algorithm>
#include <string>

namespace omnibus::assistant::test {

/// Where a struct's members differ from a schema's, such as "insights[].score: not a number"; empty when they are the
/// same.
std::string difference(AnswerShape const& shape, json::Type const& type, std::string const& path = {});

/// The same for an answer and its form in schemas/answers/.
template <class Answer>
std::string difference_from_form() {
  return difference(AnswerForm::named(Answer::form).shape(), json::type_of<Answer>);
}

inline std::string difference(AnswerShape const& shape, json::Type const& type, std::string const& path) {
  using Kind = AnswerShape::Kind;
  auto const is_optional = type.kind == json::Kind::optional;
  if (shape.nullable != is_optional) return path + ": a type with null is a std::optional, and no other one is";
  if (is_optional) {
    auto inner = shape;
    inner.nullable = false;
    return difference(inner, *type.element, path);
  }
  switch (shape.kind) {
    case Kind::object:
      if (type.kind != json::Kind::object) return path + ": not an object";
      for (auto const& field : type.fields) {
        auto const found = std::find(shape.names.begin(), shape.names.end(), field.name);
        auto const inner = (path.empty() ? "" : path + '.') + std::string{field.name};
        if (found == shape.names.end()) return inner + ": not in the schema";
        auto const place = static_cast<std::size_t>(found - shape.names.begin());
        if (auto differs = difference(shape.shapes[place], *field.type, inner); !differs.empty()) return differs;
      }
      return type.fields.size() == shape.names.size() ? std::string{} : path + ": has fewer members than the schema";
    case Kind::array:
      return type.kind == json::Kind::array ? difference(shape.shapes.front(), *type.element, path + "[]")
                                            : path + ": not a list";
    case Kind::string:
      return type.kind == json::Kind::string || (type.kind == json::Kind::uuid && shape.is_uuid)
                 ? std::string{}
                 : path + ": not a string";
    case Kind::number:
      return type.kind == json::Kind::number ? std::string{} : path + ": not a number";
    case Kind::integer:
      return type.kind == json::Kind::int32 || type.kind == json::Kind::int64 ? std::string{}
                                                                              : path + ": not a whole number";
    case Kind::boolean:
      return type.kind == json::Kind::boolean ? std::string{} : path + ": not a boolean";
  }
  return path + ": unknown";
}

}  // namespace omnibus::assistant::test
