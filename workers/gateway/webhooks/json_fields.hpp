/// JSON of providers, read without demanding a type of what is not needed.
#pragma once

#include "json/members.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace omnibus::gateway {

/// The members of a JSON object; none of a text that is no such object. Members that are missing, or of another type
/// than asked for, are empty.
class JsonFields {
 public:
  struct Field {
    std::string name;
    json::Member::Kind kind{};
    std::string value;  ///< unescaped if it is a string, else as written
  };

  explicit JsonFields(std::string_view object);
  /// Reads a document that comes from outside: a text in it that is not well-formed Unicode is repaired.
  static JsonFields read_posted(std::string_view object);

  bool empty() const { return fields_.empty(); }
  std::vector<Field> const& all() const { return fields_; }

  /// A string, number or boolean as text.
  std::string text(std::string_view name) const;
  JsonFields object(std::string_view name) const;
  /// The objects in an array.
  std::vector<JsonFields> objects(std::string_view name) const;

 private:
  Field const* find(std::string_view name) const;

  std::vector<Field> fields_;
};

/// The elements of a JSON array, as written.
std::vector<std::string> json_elements(std::string_view array);

}  // namespace omnibus::gateway
