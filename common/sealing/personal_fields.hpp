/// The fields that the schemas of events mark with `"x-pii": true`.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::sealing {

/// Where a type of event has personal fields. Only what leads to one is in it.
struct FieldTree {
  bool personal = false;  ///< its string, or the strings of its array, are personal
  std::map<std::string, FieldTree, std::less<>> members;
  std::vector<FieldTree> items;  ///< one for an array's elements, or none

  bool empty() const { return !personal && members.empty() && items.empty(); }
};

/// The documents of `schemas/`, as this binary was built with.
std::span<std::string_view const> event_schema_texts();

/// The personal fields of an event type; null when it has none.
FieldTree const* personal_fields(std::string_view event_type);

/// Changes the text of one personal field. @param pointer where it stands, as in RFC 6901
using ChangeText = std::function<std::string(std::string_view pointer, std::string_view text)>;

/// The event's data with the texts of its personal fields changed, and the rest as it was. Values that are no strings
/// stay.
/// @param data JSON
std::string change_texts(std::string_view data, FieldTree const& fields, ChangeText const& change);

/// The text of a member of the data's object; nothing when it is missing, or no string.
std::optional<std::string> text_member(std::string_view data, std::string_view name);

}  // namespace omnibus::sealing
